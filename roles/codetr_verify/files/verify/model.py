"""Checks `model` and `step`: build the config's model and take one training step."""
from __future__ import annotations

import math
from typing import Any

from verify import calls
from verify.prepare import Prepared
from verify.result import CheckFailed


def build(prepared: Prepared, seed: int) -> tuple[Any, str]:
    """Build the config's model in training mode with its initial weights; returns it and the detail."""
    from mmdet.apis import set_random_seed
    from mmdet.models import build_detector

    set_random_seed(seed)
    config = prepared.config
    model = build_detector(config.model, train_cfg=config.get("train_cfg"), test_cfg=config.get("test_cfg"))
    model.init_weights()
    model.train()
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return model, f"{type(model).__name__} with {parameters(model):,} parameters, {trained:,} of them trained"


def parameters(model: Any) -> int:
    """Number of parameters of a model."""
    return sum(parameter.numel() for parameter in model.parameters())


def train_dataset(prepared: Prepared) -> Any:
    """The training dataset of the small config, as the training builds it."""
    from mmdet.datasets import build_dataset

    return build_dataset(prepared.config.data.train)


def one_step(model: Any, dataset: Any, seed: int) -> tuple[float, str]:
    """Send one sample through `model`, forward and backward, on the training's device; returns the loss and the detail.

    Raises:
        CheckFailed: the loss or a gradient is not finite, or every gradient is zero.
    """
    import torch
    from mmcv.parallel import collate
    from mmdet.apis import set_random_seed
    from mmdet.utils import build_dp, get_device

    set_random_seed(seed)
    device = get_device()
    parallel = build_dp(model, device, device_ids=[0])
    with calls.recorded() as called:
        outputs = parallel.train_step(collate([dataset[0]], samples_per_gpu=1), None)
        loss = outputs["loss"]
        loss.backward()
    value = float(loss)
    parts = sum("loss" in name for name in outputs["log_vars"]) - 1
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    if not math.isfinite(value):
        raise CheckFailed(f"the loss of one step is {value}")
    if not gradients or not any(bool(gradient.any()) for gradient in gradients):
        raise CheckFailed("no parameter got a gradient other than zero from one step")
    broken = sum(not bool(torch.isfinite(gradient).all()) for gradient in gradients)
    if broken:
        raise CheckFailed(f"{broken} of {len(gradients)} gradients of one step are not finite")
    model.zero_grad()
    return value, f"loss {value:.3f} from {parts} parts, {len(gradients)} gradients, all finite, on {device}; {calls.sentence(called)}"
