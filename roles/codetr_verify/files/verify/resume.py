"""Check `resume`: a training goes on from the first epoch's checkpoint into a second epoch, with its weights and its optimizer's state."""
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
# Weights move by a few per cent in an epoch of IMAGES; other first weights, from another seed, are more than 100 % away.
FARTHEST = 0.5
_RESUMED = re.compile(r"resumed epoch (\d+), iter (\d+)")


def check(options: Options, prepared: Prepared, trained: Trained, on_iteration: launch.OnIteration = launch.ignored) -> str:
    """Train a second epoch on `IMAGES` images in OUT/resume; what to say about it.

    Another seed than the first epoch's, so that a training that began anew could not come by the same weights.

    Raises:
        CheckFailed: it failed, or did not begin where the first epoch ended.
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
    wrong, said = continued(before, after, images)
    if wrong:
        raise CheckFailed(f"tools/train.py --resume-from: {'; '.join(wrong)}")
    return f"epoch 2 went on from iteration {before['iter']} for {images} more in {ended.seconds:.0f} s; {said}"


def started(output: str, log: trainlog.TrainLog, before: int, images: int) -> list[str]:
    """What is wrong with where the second training began and what it ran.

    Args:
        output: what it said.
        log: what it logged.
        before: iterations of the first epoch.
        images: iterations that it was to run.
    """
    told = _RESUMED.search(output)
    wrong = []
    if told is None:
        wrong.append("it does not say that it resumed")
    elif told.groups() != ("1", str(before)):
        wrong.append(f"it resumed epoch {told.group(1)}, iteration {told.group(2)}, not epoch 1, iteration {before}")
    epochs = sorted({int(record.get("epoch", 0)) for record in log.losses})
    if epochs != [2]:
        wrong.append(f"it logged the epochs {epochs}, not epoch 2 alone")
    return wrong + log.complaints(images, evaluated=False)


def continued(before: Mapping[str, Any], after: Mapping[str, Any], images: int) -> tuple[list[str], str]:
    """What is wrong with the second checkpoint beside the first, each as `_summary` tells it; and what to say."""
    wrong = []
    goal = 2, before["iter"] + images
    if (after["epoch"], after["iter"]) != goal:
        wrong.append(f"its checkpoint is of epoch {after['epoch']}, iteration {after['iter']}, not of epoch 2, iteration {goal[1]}")
    moved = distance(before["weights"], after["weights"])
    if not moved < FARTHEST:
        wrong.append(f"its weights are {moved:.0%} away from epoch 1's: it did not start from them")
    if moved == 0:
        wrong.append("its weights are those of epoch 1: it learned nothing")
    if len(after["state"]) != len(before["state"]):
        wrong.append(f"its optimizer has a state for {len(after['state'])} parameters, epoch 1's for {len(before['state'])}")
    steps = [max((step for step in summary["state"] if step is not None), default=None) for summary in (before, after)]
    said = f"weights moved by {moved:.1%}, optimizer with a state for {len(after['state'])} parameters"
    if steps[0] is not None and steps[1] is not None:
        if not steps[0] < steps[1] <= steps[0] + images:
            wrong.append(f"its optimizer is at step {steps[1]:g} after step {steps[0]:g}: it did not take over epoch 1's state")
        said += f", step {steps[0]:g} to {steps[1]:g}"
    return wrong, said


def distance(before: Mapping[str, Any], after: Mapping[str, Any]) -> float:
    """How far weights are from what they were, as a part of their own size; infinite when they are not the same tensors."""
    if before.keys() != after.keys() or not before:
        return float("inf")
    apart = sum(float(((after[name] - value) ** 2).sum()) for name, value in before.items())
    size = sum(float((value ** 2).sum()) for value in before.values())
    return float((apart / size) ** 0.5) if size else float("inf")


def _summary(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """What of a checkpoint tells where a training stands.

    Weights without the backbone's, which may come from one file in any training, and without vectors, which start as zeros and ones.
    """
    weights = {name: value.double() for name, value in checkpoint["state_dict"].items()
               if value.is_floating_point() and value.dim() > 1 and not name.startswith("backbone.")}
    optimizers = checkpoint["optimizer"]
    state = [entry.get("step") for entry in optimizers["state"].values()]
    return {"epoch": checkpoint["meta"]["epoch"], "iter": checkpoint["meta"]["iter"], "weights": weights,
            "state": [None if step is None else float(step) for step in state]}
