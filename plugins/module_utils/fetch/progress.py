"""A progress file: one line of JSON, replaced as a whole, so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Callable

from ansible_collections.codetr.provision.plugins.module_utils.atomic import replace_text

SECONDS_BETWEEN = 0.5


class Progress:
    """Writes ``{"phase", "done", "total", "rate", "unit"}`` (``rate`` is per second) to ``path``; nothing where that is empty.

    The phase ``wait`` has one more key, ``seconds``: the time left to wait.
    A path that cannot be written never fails the work itself.
    """

    def __init__(self, path: str, unit: str = "bytes") -> None:
        self.path = path
        self.unit = unit
        self._last = 0.0
        self._phase = ""

    def paced(self, phase: str) -> Callable[[int, int | None], None]:
        """Return a callback for the amount done and the total; it reports them with the average rate."""
        started = time.monotonic()
        return lambda done, total: self.report(phase, done, total, done / max(time.monotonic() - started, 1e-3))

    def report(self, phase: str, done: int, total: int | None, rate: float | None = None, seconds: float | None = None) -> None:
        """Replace the line, at most every half second unless the phase changes or it is the last one."""
        now = time.monotonic()
        if not self.path or (phase == self._phase and done != total and now - self._last < SECONDS_BETWEEN):
            return
        self._last, self._phase = now, phase
        figures = {"phase": phase, "done": done, "total": total, "rate": None if rate is None else int(rate), "unit": self.unit}
        line = json.dumps(figures if seconds is None else {**figures, "seconds": round(seconds)})
        with contextlib.suppress(OSError):
            replace_text(self.path, [line, "\n"], sync=False)
