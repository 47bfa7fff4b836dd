"""Find which of mmcv's compiled ops a model and its config use, and with which settings."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from verify.overrides import walk

# class in mmcv.ops -> op, as verify calls it
CLASSES = {"MultiScaleDeformableAttention": "ms_deform_attn", "RoIAlign": "roi_align"}
# settings of a RoIAlign that change what it computes
ROI_ALIGN = ("output_size", "spatial_scale", "sampling_ratio", "pool_mode", "aligned")

# how mmdet cuts masks
MASKS = {"output_size": (28, 28), "spatial_scale": 1.0, "sampling_ratio": 0, "pool_mode": "avg", "aligned": True}


@dataclass(frozen=True)
class Use:
    """One op with its settings, as (name, value) pairs."""

    op: str
    settings: tuple[tuple[str, Any], ...] = field(default=())

    def get(self, name: str, default: Any = None) -> Any:
        """A setting."""
        return dict(self.settings).get(name, default)


def in_config(config: Any) -> list[Use]:
    """Uses found in a config: suppression of boxes, focal losses, and the types of layers."""
    uses = []
    for node in walk(config):
        kind = node.get("type")
        if kind in ("nms", "soft_nms"):
            uses.append(Use(kind, _settings({"iou_threshold": node.get("iou_threshold", node.get("iou_thr", 0.5))}
                                            | {key: node[key] for key in ("sigma", "min_score", "method") if key in node})))
        elif kind == "FocalLoss" and node.get("use_sigmoid", True):
            uses.append(Use("sigmoid_focal_loss", _settings({"gamma": node.get("gamma", 2.0), "alpha": node.get("alpha", 0.25)})))
        elif kind == "MultiScaleDeformableAttention":
            uses.append(Use(CLASSES[kind]))
        # RoIAlign crops object masks to these sizes to train the mask heads; no layer of the model shows it
        sizes = (node.get("mask_size"), *(node.get("stage_sup_size") or ()))
        uses += [Use("roi_align", _settings(MASKS | {"output_size": (size, size)})) for size in sizes if isinstance(size, int)]
    return unique(uses)


def in_modules(modules: Iterable[Any]) -> list[Use]:
    """Uses found in the layers of a built model; the op of an unknown layer of mmcv.ops is its class name."""
    uses = []
    for module in modules:
        kind = type(module)
        if not kind.__module__.startswith("mmcv.ops."):
            continue
        op = CLASSES.get(kind.__name__, kind.__name__)
        uses.append(Use(op, _settings({key: getattr(module, key) for key in ROI_ALIGN}) if op == "roi_align" else ()))
    return unique(uses)


def unique(uses: Iterable[Use]) -> list[Use]:
    """Each use once, in order of the op's name."""
    return sorted(dict.fromkeys(uses), key=lambda use: (use.op, str(use.settings)))


def _settings(values: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((key, tuple(value) if isinstance(value, list) else value) for key, value in values.items())
