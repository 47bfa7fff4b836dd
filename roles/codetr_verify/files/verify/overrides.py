"""Turn a training config into one of the same model on a handful of small images.

Plain dictionaries in, plain dictionaries out: mmcv is not needed here.
"""
from __future__ import annotations

import pprint
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from verify.result import CheckFailed

Settings = dict[str, Any]


def walk(node: Any) -> Iterator[Settings]:
    """Every dictionary inside `node`, itself included, outer ones first."""
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, (list, tuple)) else ():
        yield from walk(child)


def scaled(node: Any, longest: int) -> Any:
    """A pipeline with every image at most `longest` pixels on its longest side; 0 leaves it unchanged.

    Several scales become one; padding and crops to a fixed size follow it.
    """
    if not longest:
        return node
    if isinstance(node, (list, tuple)):
        return type(node)(scaled(child, longest) for child in node)
    if not isinstance(node, dict):
        return node
    result = {key: scaled(value, longest) for key, value in node.items()}
    if result.get("img_scale") is not None:
        result["img_scale"] = (longest, longest)
        if result.get("multiscale_mode") == "range":
            result["multiscale_mode"] = "value"
    if result.get("type") == "Pad" and result.get("size") is not None:
        result["size"] = (longest, longest)
    if result.get("type") == "RandomCrop" and str(result.get("crop_type", "absolute")).startswith("absolute"):
        result["crop_size"] = tuple(min(side, longest) for side in result["crop_size"])
    return result


def leaf(dataset: Settings) -> Settings:
    """The dataset that reads annotations, inside those that wrap it.

    Raises:
        CheckFailed: there is no annotation file in it, or several.
    """
    while "ann_file" not in dataset and isinstance(dataset.get("dataset"), dict):
        dataset = dataset["dataset"]
    if not isinstance(dataset.get("ann_file"), str):
        raise CheckFailed(f"the config's dataset {dataset.get('type')} must name one annotation file, not {dataset.get('ann_file')!r}")
    return dataset


def located(path: str, repo: Path, data: Path) -> Path:
    """Resolve a path of the config: below data/ it is in the data folder, any other relative path in the repository."""
    parts = Path(path).parts
    if parts[:1] == ("data",):
        return data.joinpath(*parts[1:])
    return repo / path


def small_dataset(dataset: Settings, ann_file: Path, images_in: Path, longest: int) -> Settings:
    """`dataset` on another annotation file, scaled; wrappers that repeat images are removed, so that an epoch is one pass."""
    if dataset.get("type") in ("RepeatDataset", "ClassBalancedDataset"):
        return small_dataset(dict(dataset["dataset"]), ann_file, images_in, longest)
    result = {key: scaled(value, longest) if key == "pipeline" else value for key, value in dataset.items()}
    if "ann_file" in result:
        result.update(ann_file=str(ann_file), img_prefix=str(images_in) + "/")
        result.pop("data_root", None)
    else:
        result["dataset"] = small_dataset(dict(result["dataset"]), ann_file, images_in, longest)
    return result


def repeated(dataset: Settings, images: int, wanted: int) -> Settings:
    """`dataset`, which has `images` images, repeated until an epoch has at least `wanted`."""
    times = -(-wanted // images)
    return dataset if times <= 1 else {"type": "RepeatDataset", "times": times, "dataset": dataset}


def scales(dataset: Settings) -> str:
    """The sizes to which a dataset's pipelines scale images, in pixels: 800x1333, or the smallest and the largest of several."""
    found = set()
    for node in walk(dataset):
        given = node.get("img_scale") or ()
        found |= {tuple(sorted(pair)) for pair in (given if given and isinstance(given[0], (list, tuple)) else [given]) if len(pair) == 2}
    ends = dict.fromkeys((min(found), max(found))) if found else {}
    return " to ".join(f"{short}x{long}" for short, long in ends) or "as they are"


def padded_to(dataset: Settings) -> int | None:
    """The side, in pixels, of the square to which a dataset's pipelines pad images; None when they do not."""
    sizes = [node["size"] for node in walk(dataset) if node.get("type") == "Pad" and node.get("size") is not None]
    return max(sizes[0]) if sizes else None


def config_text(base: Path, train: Settings, val: Settings, *, without_weights: Settings | None = None, mixed_precision: bool,
                sized_backbone: bool = False, epochs: int = 1, batch: int = 1, workers: int = 0, checkpoints: bool = True,
                warmup: int | None = None) -> str:
    """A config file that inherits from `base`: its model and optimizer, `epochs` epochs of `train`, an evaluation on `val` after each.

    Args:
        base: the config that it inherits from.
        train: dataset to train on.
        val: dataset to evaluate.
        without_weights: settings that override the model, to start from random weights.
        mixed_precision: whether the config's own fp16 stays.
        sized_backbone: whether the backbone is built for one image size (ViT), which must be the one that images are padded to.
        epochs: the total number of epochs.
        batch: images per GPU and iteration.
        workers: processes per GPU that load images; 0 loads them in the training process.
        checkpoints: whether each epoch writes one.
        warmup: iterations of warm-up, when the config's own are too many for this training.
    """
    data = {"_delete_": True, "samples_per_gpu": batch, "workers_per_gpu": workers, "train": train, "val": val, "test": val}
    settings: Settings = {
        "_base_": [str(base)],
        "data": data,
        "runner": {"_delete_": True, "type": "EpochBasedRunner", "max_epochs": epochs},
        "log_config": {"_delete_": True, "interval": 1, "hooks": [{"type": "TextLoggerHook"}]},
        "checkpoint_config": {"_delete_": True, "interval": 1} if checkpoints else None,
        "evaluation": {"_delete_": True, "interval": 1, "metric": "bbox"},
        "workflow": [("train", 1)],
        "load_from": None,
        "resume_from": None,
    }
    model = dict(without_weights or {})
    if sized_backbone and (side := padded_to(train)):
        model["backbone"] = {**model.get("backbone", {}), "img_size": side}
    if model:
        settings["model"] = model
    if not mixed_precision:
        settings["fp16"] = None
    if warmup is not None:
        settings["lr_config"] = {"warmup_iters": warmup}
    lines = [f"{name} = {pprint.pformat(value, width=120, sort_dicts=False)}" for name, value in settings.items()]
    return "# Written by verify: the config named in _base_ on a handful of images.\n" + "\n".join(lines) + "\n"
