"""Check `resume`: a second epoch starts from the first one's checkpoint, with its weights and optimizer state."""
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from verify import launch, overrides, trainlog
from verify.options import Options
from verify.prepare import Prepared, dataset
from verify.result import CheckFailed
from verify.train import Trained, load

IMAGES = 2
# Weights move by a few per cent in an epoch of IMAGES; initial weights of another seed are more than 100 % away.
FARTHEST = 0.5
_RESUMED = re.compile(r"resumed epoch (\d+), iter (\d+)")


def check(options: Options, prepared: Prepared, trained: Trained, on_iteration: launch.OnIteration = launch.ignored) -> str:
    """Train a second epoch on `IMAGES` images in OUT/resume; returns the detail.

    The seed differs from the first epoch's, so that a training that started anew cannot arrive at the same weights.

    Raises:
        CheckFailed: it failed, or did not start where the first epoch ended.
    """
    train, images = dataset(options, prepared.base, "train", IMAGES, options.longest, "resume")
    text = overrides.config_text(options.config, train, prepared.config.data.val.to_dict(), epochs=2, **prepared.common)
    config = options.out / "resume_config.py"
    config.write_text(text, encoding="utf-8")
    arguments = ("--resume-from", str(trained.checkpoint), "--no-validate")
    job = launch.Job("resume", config, options.out / "resume", options.seed + 1, more=arguments)
    ended = launch.run(options, job, on_iteration)
    log = trainlog.read(job.work_dir)
    wrong = started(ended.output, log, len(trained.log.losses), images)
    second = job.work_dir / "epoch_2.pth"
    if not wrong and not second.is_file():
        wrong = [f"it left no checkpoint {second.name}"]
    if wrong:
        last = trainlog.last_lines(ended.output)
        raise CheckFailed(f"tools/train.py --resume-from: {'; '.join(wrong)}; its last lines:\n{last}", ended.output)
    before, after = _summary(load(trained.checkpoint)), _summary(load(second))
    wrong, detail = continued(before, after, images)
    if wrong:
        raise CheckFailed(f"tools/train.py --resume-from: {'; '.join(wrong)}")
    return f"epoch 2 continued from iteration {before['iter']} for {images} more in {ended.seconds:.0f} s; {detail}"


def started(output: str, log: trainlog.TrainLog, before: int, images: int) -> list[str]:
    """Problems with where the second training started and what it ran.

    Args:
        output: its output.
        log: its log.
        before: iterations of the first epoch.
        images: iterations that it should have run.
    """
    resumed = _RESUMED.search(output)
    wrong = []
    if resumed is None:
        wrong.append("it does not say that it resumed")
    elif resumed.groups() != ("1", str(before)):
        wrong.append(f"it resumed epoch {resumed.group(1)}, iteration {resumed.group(2)}, not epoch 1, iteration {before}")
    epochs = sorted({int(record.get("epoch", 0)) for record in log.losses})
    if epochs != [2]:
        wrong.append(f"it logged the epochs {epochs}, not epoch 2 alone")
    return wrong + log.complaints(images, evaluated=False)


def continued(before: Mapping[str, Any], after: Mapping[str, Any], images: int) -> tuple[list[str], str]:
    """Problems of the second checkpoint compared with the first, both as summaries; and the detail."""
    wrong = []
    goal = 2, before["iter"] + images
    if (after["epoch"], after["iter"]) != goal:
        wrong.append(f"its checkpoint is of epoch {after['epoch']}, iteration {after['iter']}, not of epoch 2, iteration {goal[1]}")
    moved = distance(before["weights"], after["weights"])
    if not moved < FARTHEST:  # pylint: disable=unnecessary-negation; NaN must fail
        wrong.append(f"its weights are {moved:.0%} away from epoch 1's: it did not start from them")
    if moved == 0:
        wrong.append("its weights are those of epoch 1: it learned nothing")
    if len(after["state"]) != len(before["state"]):
        wrong.append(f"its optimizer has a state for {len(after['state'])} parameters, epoch 1's for {len(before['state'])}")
    steps = [max((step for step in summary["state"] if step is not None), default=None) for summary in (before, after)]
    detail = f"weights moved by {moved:.1%}, optimizer with a state for {len(after['state'])} parameters"
    if steps[0] is not None and steps[1] is not None:
        if not steps[0] < steps[1] <= steps[0] + images:  # pylint: disable=unnecessary-negation; NaN must fail
            wrong.append(f"its optimizer is at step {steps[1]:g} after step {steps[0]:g}: it did not load epoch 1's state")
        detail += f", step {steps[0]:g} to {steps[1]:g}"
    return wrong, detail


def distance(before: Mapping[str, Any], after: Mapping[str, Any]) -> float:
    """The relative distance between two sets of weights; infinite when they are not the same tensors."""
    if before.keys() != after.keys() or not before:
        return float("inf")
    difference = sum(float(((after[name] - value) ** 2).sum()) for name, value in before.items())
    size = sum(float((value ** 2).sum()) for value in before.values())
    return float((difference / size) ** 0.5) if size else float("inf")


def _summary(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The state of a training in a checkpoint.

    Leaves out the backbone's weights, which may come from a file, and vectors, which start as zeros and ones.
    """
    weights = {name: value.double() for name, value in checkpoint["state_dict"].items()
               if value.is_floating_point() and value.dim() > 1 and not name.startswith("backbone.")}
    optimizers = checkpoint["optimizer"]
    state = [entry.get("step") for entry in optimizers["state"].values()]
    return {"epoch": checkpoint["meta"]["epoch"], "iter": checkpoint["meta"]["iter"], "weights": weights,
            "state": [None if step is None else float(step) for step in state]}
