"""Read the output and the .log.json of a training with mmdet 2.x."""
from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verify.result import CheckFailed

_ITERATION = re.compile(r"Epoch \[\d+\]\[(\d+)/(\d+)\]")
_KEPT = ("lr", "grad_norm", "time", "data_time", "memory", "epoch")
# mAP in COCO's evaluation, AP in LVIS's
_METRIC = re.compile(r"^bbox_m?AP$")


@dataclass
class TrainLog:
    """Figures of one training: a record per iteration (`iter`, `loss`, ...) and the metrics of its evaluation."""

    losses: list[dict[str, float]] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def average_precision(self) -> float | None:
        """Average precision of the boxes, 0 to 1, or None when no evaluation was logged."""
        return next((value for key, value in self.metrics.items() if _METRIC.match(key)), None)

    def complaints(self, iterations: int, *, evaluated: bool = True) -> list[str]:
        """Problems of a training that should have run `iterations` iterations and, with `evaluated`, one evaluation."""
        wrong = []
        if len(self.losses) != iterations:
            wrong.append(f"the log holds {len(self.losses)} iterations, not {iterations}")
        broken = [f"{key} is {value} at iteration {record['iter']:g}"
                  for record in self.losses for key, value in record.items() if "loss" in key and not math.isfinite(value)]
        wrong += broken[:1]
        if any("loss" not in record for record in self.losses):
            wrong.append("an iteration in the log has no loss")
        if evaluated and self.average_precision is None:
            wrong.append("the log holds no evaluation (no bbox_mAP)")
        return wrong


def iterations(output: str) -> list[tuple[int, int]]:
    """Each `(done, total)` in the output of a training, in order."""
    return [(int(done), int(total)) for done, total in _ITERATION.findall(output)]


def read(work_dir: Path) -> TrainLog:
    """The newest .log.json of a work folder.

    Raises:
        CheckFailed: there is none.
    """
    logs = sorted(work_dir.glob("*.log.json"))
    if not logs:
        raise CheckFailed(f"the training left no .log.json in {work_dir}")
    log = TrainLog()
    for line in logs[-1].read_text(encoding="utf-8").splitlines():
        record = _record(line)
        if record.get("mode") == "train":
            log.losses.append(_numbers(record, lambda key: "loss" in key or key in _KEPT) | {"iter": record["iter"]})
        elif record.get("mode") == "val":
            log.metrics.update(_numbers(record, lambda key: key.startswith(("bbox_", "segm_"))))
    return log


def last_lines(output: str, count: int = 15) -> str:
    """The end of an output, without empty lines and progress bars."""
    lines = [line.rsplit("\r", 1)[-1].rstrip() for line in output.splitlines()]
    return "\n".join([line for line in lines if line.strip()][-count:])


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        # a training that was killed may leave half a line
        return {}
    return record if isinstance(record, dict) else {}


def _numbers(record: dict[str, Any], wanted: Callable[[str], bool]) -> dict[str, float]:
    return {key: value for key, value in record.items() if wanted(key) and isinstance(value, (int, float))}
