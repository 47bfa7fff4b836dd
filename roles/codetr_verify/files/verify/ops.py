"""Checks `op ...`: run each op that the model uses on its device and compare it with an independent formula."""
from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from verify import reference, reference_boxes
from verify.result import CheckFailed, CheckSkipped
from verify.used_ops import Use

# largest difference allowed, relative to the largest value: single precision, different order of sums
TOLERANCE = 1e-4
_NO_KERNEL = re.compile(r"implementation for device cpu[^\n]* not found|is not implemented on CPU|not compiled with CPU", re.IGNORECASE)


def first_call() -> str:
    """Call mmcv's compiled library once, whatever the config uses; returns what it was compiled with.

    A wrongly linked library may crash, so this belongs in a process of its own.
    """
    mmcv, ops = importlib.import_module("mmcv"), importlib.import_module("mmcv.ops")
    called = check([Use("nms", (("iou_threshold", 0.5),))])
    return f"mmcv {mmcv.__version__}, compiler {ops.get_compiler_version()}, CUDA {ops.get_compiling_cuda_version()}; nms {called}"


def check(uses: list[Use]) -> str:
    """Run one op with all settings that the model uses; returns what was compared and on which device.

    Raises:
        CheckFailed: a result or gradient differs from the reference.
        CheckSkipped: there is no kernel on this device, or no reference for this op.
    """
    op = uses[0].op
    if op not in _CHECKS:
        raise CheckSkipped(f"verify has no reference for mmcv.ops' {op}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        details = [_CHECKS[op](use, device) for use in uses]
    except (RuntimeError, NotImplementedError) as error:
        if device.type == "cpu" and _NO_KERNEL.search(str(error)):
            version = importlib.import_module("mmcv").__version__
            raise CheckSkipped(f"mmcv {version} has no CPU kernel for it; on a CPU mmdet uses its own Python formula instead") from error
        raise
    return f"on {device}: " + "; ".join(dict.fromkeys(details))


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _compare(op: Callable[..., Tensor], formula: Callable[..., Tensor], inputs: list[Tensor], device: torch.device) -> str:
    """Compare results and gradients of `op` in single precision with those of `formula` in double precision."""
    given = [value.to(device, torch.float32).requires_grad_() for value in inputs]
    exact = [value.clone().requires_grad_() for value in inputs]
    result, expected = op(*given), formula(*exact)
    upstream = _random(*expected.shape, seed=9)
    result.backward(upstream.to(device, torch.float32))
    expected.backward(upstream)
    pairs = [("result", result, expected)]
    pairs += [(f"gradient {index}", actual.grad, wanted.grad) for index, (actual, wanted) in enumerate(zip(given, exact, strict=True), 1)]
    worst = 0.0
    for name, actual, wanted in pairs:
        if actual is None or wanted is None:
            raise CheckFailed(f"there is no {name}")
        error = float((actual.detach().cpu().double() - wanted.detach()).abs().max() / wanted.detach().abs().max())
        if not error <= TOLERANCE:  # pylint: disable=unnecessary-negation; NaN must fail
            raise CheckFailed(f"{name} differs from the reference by {error:.1e} of its largest value, allowed {TOLERANCE:.0e}")
        worst = max(worst, error)
    return f"result and {len(inputs)} gradient{'s' if len(inputs) > 1 else ''} within {worst:.0e}"


def _ms_deform_attn(use: Use, device: torch.device) -> str:
    module = importlib.import_module("mmcv.ops.multi_scale_deform_attn")
    shapes = [(9, 7), (5, 4), (3, 2)]
    sizes = torch.tensor(shapes, device=device)
    starts = torch.cat([sizes.new_zeros(1), sizes.prod(1).cumsum(0)[:-1]])
    pixels = sum(height * width for height, width in shapes)
    inputs = [_random(2, pixels, 4, 8), _random(2, 6, 4, 3, 4, 2, seed=1) * 1.2 - 0.1, _random(2, 6, 4, 3, 4, seed=2)]

    def op(value: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
        if device.type == "cuda":
            return module.MultiScaleDeformableAttnFunction.apply(value, sizes, starts, locations, weights, 64)
        return module.multi_scale_deformable_attn_pytorch(value, sizes, locations, weights)

    def formula(value: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
        return reference.deformable_attention(value, shapes, locations, weights)

    compared = _compare(op, formula, inputs, device)
    return compared if device.type == "cuda" else f"{compared}; this is mmcv's Python fallback, it has no compiled CPU kernel for this op"


def _roi_align(use: Use, device: torch.device) -> str:
    if use.get("pool_mode") != "avg":
        raise CheckSkipped(f"verify has no reference for RoIAlign with pool_mode {use.get('pool_mode')}")
    output_size, scale = use.get("output_size"), use.get("spatial_scale")
    sampling, aligned = use.get("sampling_ratio"), use.get("aligned")
    height, width = 20, 24
    regions = [[0, 1.3, 2.1, 9.7, 15.2], [1, 0.2, 0.4, 23.1, 19.3], [1, 6.5, 3.2, 11.9, 8.8], [0, 14.2, 9.1, 27.6, 24.9]]
    # regions are given in pixels of the image
    regions = [[first, *(edge / scale for edge in edges)] for first, *edges in regions]
    mmcv_op = importlib.import_module("mmcv.ops").roi_align
    boxes = torch.tensor(regions, dtype=torch.float32, device=device)
    compared = _compare(
        lambda features: mmcv_op(features, boxes, output_size, scale, sampling, "avg", aligned),
        lambda features: reference.roi_align(features, regions, output_size, scale, sampling, aligned),
        [_random(2, 3, height, width)], device)
    return f"{output_size[0]}x{output_size[1]}: {compared}"


def _sigmoid_focal_loss(use: Use, device: torch.device) -> str:
    gamma, alpha = use.get("gamma"), use.get("alpha")
    target = torch.tensor([0, 3, 5, 1, 4, 5])  # 5 is the background of 5 classes
    mmcv_op = importlib.import_module("mmcv.ops").sigmoid_focal_loss
    return _compare(
        lambda logits: mmcv_op(logits, target.to(device), gamma, alpha, None, "none"),
        lambda logits: reference.sigmoid_focal_loss(logits, target, gamma, alpha),
        [_random(6, 5) * 6 - 3], device)


def _boxes(threshold: float) -> tuple[list[list[float]], list[float], list[int]]:
    """Boxes, scores and classes for which rounding cannot change the result."""
    corners, sides = _random(60, 2) * 30, _random(60, 2, seed=1) * 30 + 10
    boxes = torch.cat([corners, corners + sides], 1).tolist()
    unclear = reference_boxes.ambiguous(boxes, threshold)
    chosen = [index for index in range(len(boxes)) if index not in unclear]
    scores = ((torch.randperm(60, generator=torch.Generator().manual_seed(2)) + 1) / 61).tolist()
    return [boxes[index] for index in chosen], [scores[index] for index in chosen], [index % 3 for index in chosen]


def _suppress(use: Use, device: torch.device, expected: Callable[..., list[tuple[int, float]]]) -> str:
    boxes, scores, groups = _boxes(use.get("iou_threshold"))
    settings = dict(use.settings) | {"type": use.op}
    tensors = (torch.tensor(boxes, dtype=torch.float32), torch.tensor(scores, dtype=torch.float32), torch.tensor(groups))
    kept, indices = importlib.import_module("mmcv.ops").batched_nms(*(value.to(device) for value in tensors), settings)
    wanted = expected(boxes, scores, groups)
    if sorted(indices.tolist()) != sorted(index for index, _unused in wanted):
        raise CheckFailed(f"{use.op} keeps other boxes than the reference: {indices.tolist()}, not {[index for index, _unused in wanted]}")
    found = dict(zip(indices.tolist(), kept[:, 4].tolist(), strict=True))
    error = max(abs(found[index] - score) for index, score in wanted)
    if not error <= TOLERANCE:  # pylint: disable=unnecessary-negation; NaN must fail
        raise CheckFailed(f"{use.op} gives scores that differ from the reference by {error:.1e}, allowed {TOLERANCE:.0e}")
    return f"IoU {use.get('iou_threshold')}: keeps the same {len(wanted)} of {len(boxes)} boxes in 3 classes"


def _nms(use: Use, device: torch.device) -> str:
    def expected(boxes: Any, scores: Any, groups: Any) -> list[tuple[int, float]]:
        return [(index, scores[index]) for index in reference_boxes.nms(boxes, scores, groups, use.get("iou_threshold"))]
    return _suppress(use, device, expected)


def _soft_nms(use: Use, device: torch.device) -> str:
    def expected(boxes: Any, scores: Any, groups: Any) -> list[tuple[int, float]]:
        return reference_boxes.soft_nms(
            boxes, scores, groups, threshold=use.get("iou_threshold"), sigma=use.get("sigma", 0.5),
            min_score=use.get("min_score", 1e-3), method=use.get("method", "linear"))
    return _suppress(use, device, expected)


_CHECKS: dict[str, Callable[[Use, torch.device], str]] = {
    "ms_deform_attn": _ms_deform_attn, "roi_align": _roi_align, "sigmoid_focal_loss": _sigmoid_focal_loss,
    "nms": _nms, "soft_nms": _soft_nms,
}
