"""References for mmcv's ops in plain Python: non-maximum suppression and interpolation weights."""
from __future__ import annotations

import math
from collections.abc import Sequence

Box = Sequence[float]  # x1, y1, x2, y2


def iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    common = max(width, 0.0) * max(height, 0.0)
    both = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)) - common
    return common / both if both > 0 else 0.0


def nms(boxes: Sequence[Box], scores: Sequence[float], groups: Sequence[int], threshold: float) -> list[int]:
    """Indices kept, best score first; only boxes of the same group suppress each other."""
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda index: -scores[index]):
        if all(groups[index] != groups[other] or iou(boxes[index], boxes[other]) <= threshold for other in kept):
            kept.append(index)
    return kept


def soft_nms(boxes: Sequence[Box], scores: Sequence[float], groups: Sequence[int], *, threshold: float, sigma: float,
             min_score: float, method: str) -> list[tuple[int, float]]:
    """Indices kept with their lowered scores, best first; `method` is linear or gaussian."""
    left = dict(enumerate(scores))
    kept: list[tuple[int, float]] = []
    while left:
        best = max(left, key=lambda index: left[index])
        kept.append((best, left.pop(best)))
        for index in left:
            overlap = iou(boxes[best], boxes[index]) if groups[best] == groups[index] else 0.0
            if method == "gaussian":
                left[index] *= math.exp(-overlap * overlap / sigma)
            elif overlap >= threshold:
                left[index] *= 1 - overlap
        left = {index: score for index, score in left.items() if score >= min_score}
    return kept


def ambiguous(boxes: Sequence[Box], threshold: float, margin: float = 1e-3) -> set[int]:
    """Boxes whose overlap with another is so close to `threshold` that rounding may decide."""
    return {index for index in range(len(boxes)) for other in range(index)
            if abs(iou(boxes[index], boxes[other]) - threshold) < margin}


def roi_axis_weights(begin: float, end: float, size: int, bins: int, samples: int, aligned: bool) -> list[list[float]]:
    """RoIAlign along one axis: a row of `size` weights for each of `bins`.

    RoIAlign is separable: a bin's value is rows of the height's weights times the features times rows of the width's.

    Args:
        begin: first edge of the region, in pixels of the feature map.
        end: last edge of the region.
        size: pixels of the feature map along this axis.
        bins: output pixels along this axis.
        samples: points per bin; 0 takes as many as the bin has pixels.
        aligned: whether pixel centres lie at halves.
    """
    begin, end = (begin - 0.5, end - 0.5) if aligned else (begin, end)
    length = end - begin if aligned else max(end - begin, 1.0)
    step = length / bins
    points = samples or math.ceil(step)
    rows = []
    for index in range(bins):
        row = [0.0] * size
        for point in range(points):
            position = begin + step * (index + (point + 0.5) / points)
            if position < -1 or position > size:
                continue
            position = min(max(position, 0.0), size - 1.0)
            low = min(int(position), size - 1)
            high = min(low + 1, size - 1)
            row[low] += (1 - (position - low)) / points
            row[high] += (position - low) / points
        rows.append(row)
    return rows
