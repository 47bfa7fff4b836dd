"""Write the current step of a run to OUT/progress.json, where the module that waits for the run reads it."""
from __future__ import annotations

import contextlib
import json
from pathlib import Path

from verify.options import LEVELS

# The steps of each level, by the check that they run. All checks `op ...` are one step: how many there are depends on the config.
STEPS = {
    "versions": {
        "versions": "importing the packages and comparing their versions",
        "foreign": "looking for packages that hide the repository's",
    },
    "ops": {
        "config": "writing a small config",
        "model": "building the model",
        "ops library": "loading mmcv's compiled ops",
        "op": "comparing the compiled ops with a reference",
        "step": "one training step",
    },
    "train": {
        "train": "training for one epoch",
        "falling": "checking that the loss falls",
        "checkpoint": "loading the checkpoint",
        "evaluation": "checking the evaluation",
        "resume": "resuming from the checkpoint",
        "lvis": "reading LVIS",
        "images": "drawing the loss and sample images",
    },
    "speed": {
        "speed": "measuring the speed of a training",
        "speed plot": "drawing the speed",
    },
}


class Progress:
    """Writes each step as it begins, and the iterations of the training in it.

    A file that cannot be written does not fail the run.
    """

    def __init__(self, path: Path, level: str) -> None:
        self._path = path
        reached = LEVELS[:LEVELS.index(level) + 1]
        self._steps = [(name, check, text) for name in reached for check, text in STEPS[name].items()]
        self._doing = ""

    def begin(self, check: str) -> None:
        """Report that `check` begins."""
        step = "op" if check.startswith("op ") else check
        for number, (level, name, text) in enumerate(self._steps, 1):
            if name == step:
                self._doing = f"{level}, step {number} of {len(self._steps)}: {text}"
                self._write()

    def iteration(self, done: int, total: int) -> None:
        """Report that the training of this step has done `done` of `total` iterations."""
        self._write(done=done, total=total, unit="iterations")

    def _write(self, **figures: int | str) -> None:
        draft = self._path.with_name(self._path.name + ".part")
        with contextlib.suppress(OSError):
            draft.write_text(json.dumps({"doing": self._doing, **figures}) + "\n", encoding="utf-8")
            draft.replace(self._path)
