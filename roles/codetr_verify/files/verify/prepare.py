"""Check `config`: derive a small config of the same model from the user's, with few images, and write both below OUT."""
from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verify import overrides, subset
from verify.options import Options
from verify.overrides import Settings
from verify.result import CheckFailed


@dataclass(frozen=True)
class Prepared:
    """The small config, on disk and as mmcv read it, and the user's own."""

    path: Path
    config: Any  # mmcv.Config
    random_backbone: bool
    detail: str
    base: Any = None  # mmcv.Config
    common: dict[str, Any] = field(default_factory=dict)  # arguments of overrides.config_text that all configs of this run share


def prepare(options: Options) -> Prepared:
    """Write OUT/verify_config.py and the annotation files that it names.

    Raises:
        CheckFailed: data or backbone weights are missing.
    """
    import mmcv
    import torch

    if (options.repo / "projects").is_dir():
        importlib.import_module("projects")
    base = mmcv.Config.fromfile(str(options.config))
    train, found = dataset(options, base, "train", options.train_images, options.longest)
    train = overrides.repeated(train, found, options.train_images)
    val, evaluated = dataset(options, base, "val", options.val_images, options.longest)
    weights = backbone_weights(base.model)
    missing = weights is not None and not _file_of(weights, options.repo).is_file()
    if weights and missing and not options.allow_random_backbone:
        raise CheckFailed(f"backbone weights {weights} are not at {_file_of(weights, options.repo)}")
    common = {"without_weights": without_weights(base.model) if missing else None, "mixed_precision": torch.cuda.is_available(),
              "sized_backbone": "img_size" in base.model["backbone"]}
    path = options.out / "verify_config.py"
    # an epoch this short would end within a warm-up of hundreds of iterations
    warmup = max(1, options.train_images // 4) if base.get("lr_config", {}).get("warmup") else None
    path.write_text(overrides.config_text(options.config, train, val, warmup=warmup, **common), encoding="utf-8")
    start = "no backbone weights named" if weights is None else "random backbone weights" if missing else f"backbone weights {weights}"
    size = f"at most {options.longest} px" if options.longest else "at the config's own scales"
    times = f" ({found} different ones)" if found < options.train_images else ""
    detail = f"{options.config.name}, {options.train_images} images to train{times}, {evaluated} to evaluate, {size}, {start}"
    return Prepared(path, mmcv.Config.fromfile(str(path)), missing, detail, base, common)


def dataset(options: Options, base: Any, part: str, count: int, longest: int, name: str | None = None) -> tuple[Settings, int]:
    """The config's dataset `part` (train or val) on its first `count` images, scaled; and how many it has.

    Their annotations are written to OUT/data/`name`.json, or `part`.json.
    """
    settings = base.data[part].to_dict() if hasattr(base.data[part], "to_dict") else base.data[part]
    source = overrides.leaf(settings)
    images_in = overrides.located(source.get("img_prefix", ""), options.repo, options.data)
    annotations = overrides.located(source["ann_file"], options.repo, options.data)
    target = options.out / "data" / f"{name or part}.json"
    found = len(subset.cut(annotations, images_in, target, count))
    return overrides.small_dataset(settings, target, images_in, longest), found


def backbone_weights(model: dict[str, Any]) -> str | None:
    """The checkpoint of a model's backbone, as the config names it."""
    backbone = model["backbone"]
    start = backbone.get("init_cfg") or []
    for init in start if isinstance(start, (list, tuple)) else [start]:
        if init.get("type") == "Pretrained":
            return str(init["checkpoint"])
    named = backbone.get("pretrained") or model.get("pretrained")
    return str(named) if named else None


def without_weights(model: dict[str, Any]) -> dict[str, Any]:
    """Settings that make a model's backbone start from random weights."""
    over: dict[str, Any] = {"backbone": {key: None for key in ("init_cfg", "pretrained") if key in model["backbone"]}}
    if "pretrained" in model:
        over["pretrained"] = None
    return over


def _file_of(checkpoint: str, repo: Path) -> Path:
    """The file that mmcv looks for before it downloads a checkpoint."""
    import torch

    scheme, _unused, name = checkpoint.rpartition("://")
    if scheme in ("torchvision", "modelzoo"):
        url = str(importlib.import_module("mmcv.runner.checkpoint").get_torchvision_models()[name])
    elif scheme in ("open-mmlab", "openmmlab"):
        url = str(importlib.import_module("mmcv.runner.checkpoint").get_external_models()[name])
    elif scheme in ("http", "https"):
        url = checkpoint
    else:
        return repo / checkpoint
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
