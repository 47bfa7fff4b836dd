"""Slow, differentiable references for mmcv's ops in plain torch, in double precision."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from verify.reference_boxes import roi_axis_weights


def deformable_attention(value: Tensor, shapes: Sequence[tuple[int, int]], locations: Tensor, weights: Tensor) -> Tensor:
    """Multi-scale deformable attention by gathering the four neighbours of each sampling point.

    Args:
        value: (batch, sum of height * width, heads, channels), levels one after another.
        shapes: (height, width) of each level.
        locations: (batch, queries, heads, levels, points, 2), x and y from 0 to 1.
        weights: (batch, queries, heads, levels, points).

    Returns:
        (batch, queries, heads * channels)
    """
    batch, _unused, heads, channels = value.shape
    queries = locations.shape[1]
    total = value.new_zeros(batch, queries, heads, channels)
    begin = 0
    for level, (height, width) in enumerate(shapes):
        features = value[:, begin:begin + height * width].transpose(1, 2)  # batch, heads, pixels, channels
        begin += height * width
        x = locations[:, :, :, level, :, 0] * width - 0.5  # batch, queries, heads, points
        y = locations[:, :, :, level, :, 1] * height - 0.5
        for right in (0, 1):
            for below in (0, 1):
                column, row = x.floor().long() + right, y.floor().long() + below
                share = (1 - (x - column).abs()) * (1 - (y - row).abs()) * weights[:, :, :, level]
                on_map = (column >= 0) & (column < width) & (row >= 0) & (row < height)
                pixel = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
                index = pixel.transpose(1, 2).reshape(batch, heads, -1, 1).expand(-1, -1, -1, channels)
                picked = features.gather(2, index).reshape(batch, heads, queries, -1, channels).transpose(1, 2)
                total = total + (picked * (share * on_map).unsqueeze(-1)).sum(3)
    return total.reshape(batch, queries, heads * channels)


def roi_align(features: Tensor, regions: Sequence[Sequence[float]], output_size: tuple[int, int], spatial_scale: float,
              sampling_ratio: int, aligned: bool) -> Tensor:
    """Average RoIAlign as two products of matrices.

    Args:
        features: (batch, channels, height, width).
        regions: index into the batch, x1, y1, x2, y2, in pixels of the image.
        output_size: height and width of the result.
        spatial_scale: pixels of the feature map per pixel of the image.
        sampling_ratio: points per bin and axis; 0 takes as many as the bin has pixels.
        aligned: whether pixel centres lie at halves.

    Returns:
        (regions, channels, output height, output width)
    """
    results = []
    for index, x1, y1, x2, y2 in regions:
        rows, columns = (
            features.new_tensor(roi_axis_weights(first * spatial_scale, last * spatial_scale, size, bins, sampling_ratio, aligned))
            for first, last, size, bins in ((y1, y2, features.shape[2], output_size[0]), (x1, x2, features.shape[3], output_size[1])))
        results.append(rows @ features[int(index)] @ columns.T)
    return torch.stack(results)


def sigmoid_focal_loss(logits: Tensor, target: Tensor, gamma: float, alpha: float) -> Tensor:
    """Focal loss of each logit.

    Args:
        logits: (samples, classes).
        target: (samples,), the class, or the number of classes for background.
        gamma: how much easy samples are lowered.
        alpha: weight of positive samples, 1 - alpha is that of negative ones.

    Returns:
        (samples, classes)
    """
    positive = target.unsqueeze(1) == torch.arange(logits.shape[1], device=logits.device)
    probability = logits.sigmoid()
    of_truth = torch.where(positive, probability, 1 - probability)
    balance = torch.where(positive, torch.full_like(logits, alpha), torch.full_like(logits, 1 - alpha))
    return -balance * (1 - of_truth) ** gamma * of_truth.log()
