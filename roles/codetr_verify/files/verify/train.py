"""Checks `train`, `falling`, `checkpoint` and `evaluation`: run one epoch of the repository's own tools/train.py."""
from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify import launch, trainlog
from verify.options import Options
from verify.prepare import Prepared
from verify.result import CheckFailed, CheckSkipped

# with fewer iterations the order of the images decides which loss is larger
FEWEST = 8
# Without learning the loss falls, too, because images differ: docs/verify.md has both measured.
LEAST = 0.1


@dataclass(frozen=True)
class Trained:
    """A finished training."""

    log: trainlog.TrainLog
    work_dir: Path
    detail: str

    @property
    def checkpoint(self) -> Path:
        """The checkpoint of the first epoch."""
        return self.work_dir / "epoch_1.pth"


def run(options: Options, prepared: Prepared, iterations: int, on_iteration: launch.OnIteration = launch.ignored) -> Trained:
    """Train one epoch of `iterations` iterations; its output goes to OUT/train.log.

    Raises:
        CheckFailed: it did not end with status 0 in time, or its losses are missing or not finite.
    """
    job = launch.Job("train", prepared.path, options.out / "work", options.seed)
    ended = launch.run(options, job, on_iteration)
    log = trainlog.read(job.work_dir)
    wrong = log.complaints(iterations)
    if wrong:
        raise CheckFailed(f"tools/train.py: {'; '.join(wrong)}; its last lines:\n{trainlog.last_lines(ended.output)}", ended.output)
    first, last = log.losses[0]["loss"], log.losses[-1]["loss"]
    detail = f"{iterations} iterations in {ended.seconds:.0f} s, loss {first:.3f} to {last:.3f}, --launcher {ended.launcher}"
    return Trained(log, job.work_dir, detail)


def check_falling(losses: list[float]) -> tuple[tuple[float, float], str]:
    """Medians of the loss over the first and last quarter of an epoch, and the detail. A median is not moved by one hard image.

    Raises:
        CheckFailed: the second is not smaller by `LEAST` of the first.
        CheckSkipped: there are too few iterations to tell.
    """
    if len(losses) < FEWEST:
        raise CheckSkipped(f"{len(losses)} iterations are too few to tell; {FEWEST} are needed")
    part = len(losses) // 4
    first, last = statistics.median(losses[:part]), statistics.median(losses[-part:])
    detail = f"median of the loss {first:.3f} over the first {part} iterations, {last:.3f} over the last {part}"
    fall = 1 - last / first if first else 0.0
    if not fall >= LEAST:  # pylint: disable=unnecessary-negation; NaN must fail
        raise CheckFailed(f"the loss does not fall: {detail}, {fall:.1%} less; at least {LEAST:.0%} is needed")
    return (first, last), f"{detail}, {fall:.0%} less"


def load(path: Path) -> dict[str, Any]:
    """Load a checkpoint that this run wrote."""
    import torch

    # it holds more than weights, and is trusted because this run wrote it
    trusted: dict[str, Any] = {} if torch.__version__.startswith("1.") else {"weights_only": False}
    content: dict[str, Any] = torch.load(path, map_location="cpu", **trusted)
    return content


def check_checkpoint(trained: Trained, parameters: int) -> tuple[int, str]:
    """Load the training's checkpoint; returns its size in bytes and the detail.

    Raises:
        CheckFailed: there is none, or it lacks finite weights of this model.
    """
    import torch

    path = trained.checkpoint
    if not path.is_file():
        raise CheckFailed(f"the training left no checkpoint {path}")
    content = load(path)
    weights = content["state_dict"]
    held = sum(value.numel() for value in weights.values())
    if held < parameters:
        raise CheckFailed(f"checkpoint {path} holds {held:,} numbers, the model has {parameters:,} parameters")
    broken = [name for name, value in weights.items() if value.is_floating_point() and not bool(torch.isfinite(value).all())]
    if broken:
        raise CheckFailed(f"checkpoint {path} holds weights that are not finite, first {broken[0]}")
    size = path.stat().st_size
    return size, f"{path.name}, {size / 1e6:.0f} MB, {len(weights)} tensors, epoch {content['meta'].get('epoch')}"


def check_evaluation(trained: Trained) -> str:
    """Check the evaluation after the epoch; returns the detail.

    Raises:
        CheckFailed: its average precision is not from 0 to 1 (COCO returns -1 when there is nothing to measure).
    """
    precision = trained.log.average_precision
    if precision is None or not 0 <= precision <= 1:  # pylint: disable=unnecessary-negation; NaN must fail
        raise CheckFailed(f"the evaluation's average precision is {precision}, which is not from 0 to 1")
    return f"{len(trained.log.metrics)} metrics, bbox mAP {precision:.3f} (one epoch on a handful of images says nothing about quality)"
