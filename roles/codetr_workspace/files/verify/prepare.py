"""Check `config`: from the user's config to a small one of the same model, its data cut and written below OUT."""
from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify import overrides, subset
from verify.options import Options
from verify.result import CheckFailed


@dataclass(frozen=True)
class Prepared:
    """The small config, on disk and as mmcv read it back."""

    path: Path
    config: Any  # mmcv.Config
    random_backbone: bool
    detail: str


def prepare(options: Options) -> Prepared:
    """Write OUT/verify_config.py and the annotation files that it names.

    Raises:
        CheckFailed: data or backbone weights are missing.
    """
    import mmcv
    import torch

    if (options.repo / "projects").is_dir():
        importlib.import_module("projects")
    config = mmcv.Config.fromfile(str(options.config))
    datasets, counts = {}, {}
    for part, count in (("train", options.train_images), ("val", options.val_images)):
        dataset = config.data[part].to_dict() if hasattr(config.data[part], "to_dict") else config.data[part]
        source = overrides.leaf(dataset)
        images_in = overrides.located(source.get("img_prefix", ""), options.repo, options.data)
        target = options.out / "data" / f"{part}.json"
        annotations = overrides.located(source["ann_file"], options.repo, options.data)
        counts[part] = len(subset.cut(annotations, images_in, target, count))
        datasets[part] = overrides.small_dataset(dataset, target, images_in, options.scale)
    weights = backbone_weights(config.model)
    absent = weights is not None and not _file_of(weights, options.repo).is_file()
    if weights and absent and not options.allow_random_backbone:
        raise CheckFailed(f"backbone weights {weights} are not at {_file_of(weights, options.repo)}")
    path = options.out / "verify_config.py"
    text = overrides.config_text(
        options.config, datasets["train"], datasets["val"],
        without_weights=without_weights(config.model) if absent else None, mixed_precision=torch.cuda.is_available())
    path.write_text(text, encoding="utf-8")
    start = "no backbone weights named" if weights is None else "random backbone weights" if absent else f"backbone weights {weights}"
    size = f"at most {options.scale} px" if options.scale else "at the config's own scales"
    detail = f"{options.config.name}, {counts['train']} images to train, {counts['val']} to evaluate, {size}, {start}"
    return Prepared(path, mmcv.Config.fromfile(str(path)), absent, detail)


def backbone_weights(model: dict[str, Any]) -> str | None:
    """The checkpoint that a model's config loads into its backbone, as the config names it."""
    backbone = model["backbone"]
    start = backbone.get("init_cfg") or []
    for init in start if isinstance(start, (list, tuple)) else [start]:
        if init.get("type") == "Pretrained":
            return str(init["checkpoint"])
    named = backbone.get("pretrained") or model.get("pretrained")
    return str(named) if named else None


def without_weights(model: dict[str, Any]) -> dict[str, Any]:
    """What to lay over a model's config so that its backbone starts from random weights."""
    over: dict[str, Any] = {"backbone": {key: None for key in ("init_cfg", "pretrained") if key in model["backbone"]}}
    if "pretrained" in model:
        over["pretrained"] = None
    return over


def _file_of(checkpoint: str, repo: Path) -> Path:
    """Where mmcv looks for a checkpoint before it downloads anything."""
    import torch

    scheme, _, name = checkpoint.rpartition("://")
    if scheme in ("torchvision", "modelzoo"):
        url = str(importlib.import_module("mmcv.runner.checkpoint").get_torchvision_models()[name])
    elif scheme in ("open-mmlab", "openmmlab"):
        url = str(importlib.import_module("mmcv.runner.checkpoint").get_external_models()[name])
    elif scheme in ("http", "https"):
        url = checkpoint
    else:
        return repo / checkpoint
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
