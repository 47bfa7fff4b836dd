"""Check `lvis`: load LVIS v1 with mmdet's own dataset, and find its images in both of COCO's folders."""
from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from verify import overrides
from verify.options import Options
from verify.result import CheckFailed

CONFIGS = ("projects/configs/_base_/datasets/lvis_v1_instance.py", "configs/_base_/datasets/lvis_v1_instance.py")
FOLDERS = ("train2017", "val2017")
# LVIS's train file is over 1 GB and takes many times that in memory; the val file, too, names images of both folders
LARGEST = 400_000_000  # bytes


def check(options: Options) -> tuple[Any, str]:
    """Load the LVIS v1 annotation files; returns a dataset for the images, and the detail.

    Raises:
        CheckFailed: a file or an image is missing, a folder is not named at all, or a sample does not pass the pipeline.
    """
    import mmcv

    path = next((options.repo / name for name in CONFIGS if (options.repo / name).is_file()), None)
    if path is None:
        raise CheckFailed(f"{options.repo} has no config for LVIS v1 (looked for {' and '.join(CONFIGS)})")
    config = mmcv.Config.fromfile(str(path))
    folders: Counter[str] = Counter()
    datasets, details = [], []
    for part in ("train", "val"):
        settings = config.data[part].to_dict()
        source = overrides.leaf(settings)
        annotations = overrides.located(source["ann_file"], options.repo, options.data)
        images_in = overrides.located(source["img_prefix"], options.repo, options.data)
        if not annotations.is_file():
            raise CheckFailed(f"annotation file {annotations} does not exist")
        if part == "train" and annotations.stat().st_size > LARGEST:
            details.append(f"train exists ({annotations.stat().st_size / 1e9:.1f} GB, not loaded)")
            continue
        # the training pipeline for both parts, since this checks boxes and masks, not evaluation
        pipeline = overrides.leaf(config.data.train.to_dict()).get("pipeline") or config.train_pipeline
        dataset = _load(dict(source, pipeline=pipeline), annotations, images_in, options.longest)
        folders.update(_folders(dataset, images_in))
        datasets.append(dataset)
        details.append(f"{part} {len(dataset)} images")
    absent = [name for name in FOLDERS if not folders[name]]
    if absent:
        raise CheckFailed(f"no image of LVIS v1 is in {absent[0]}: the annotation files name {dict(folders)}")
    boxes = _sample(datasets[-1])
    found = ", ".join(f"{folders[name]} in {name}" for name in FOLDERS)
    return datasets[-1], f"{type(datasets[-1]).__name__}: {', '.join(details)}; all images found, {found}; a sample with {boxes} boxes"


def _load(settings: dict[str, Any], annotations: Path, images_in: Path, longest: int) -> Any:
    from mmdet.datasets import build_dataset

    small = overrides.small_dataset(settings, annotations, images_in, longest)
    return build_dataset(small)


def _folders(dataset: Any, images_in: Path) -> Counter[str]:
    """The number of images in each folder.

    Raises:
        CheckFailed: one is missing.
    """
    names = [info["filename"] for info in dataset.data_infos]
    missing = [name for name in names if not (images_in / name).is_file()]
    if missing:
        raise CheckFailed(f"{len(missing)} of {len(names)} LVIS images are missing in {images_in}, the first is {missing[0]}")
    return Counter(Path(name).parts[0] for name in names)


def _sample(dataset: Any) -> int:
    """Send the first image through the pipeline; returns the number of boxes that came out."""
    sample = dataset[0]
    boxes = sample["gt_bboxes"].data
    if len(boxes) == 0 or len(boxes) != len(sample["gt_labels"].data):
        raise CheckFailed(f"a sample of LVIS v1 came out of the pipeline with {len(boxes)} boxes")
    return len(boxes)
