"""Run checks and record their results: a line each on the terminal, everything in verify.json."""
from __future__ import annotations

import json
import math
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from verify.diagnosis import diagnose
from verify.options import LEVELS

SCHEMA = 1


class CheckFailed(Exception):
    """A check failed. `output` is text for the diagnosis besides the message."""

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class CheckSkipped(Exception):
    """A check does not apply here; the message says why."""


@dataclass
class Check:
    """One finished check; `seconds` is wall time."""

    name: str
    status: str  # ok, FAIL or skipped
    detail: str
    seconds: float
    level: str = LEVELS[0]
    needs: str | None = None  # the failed check because of which this one was skipped
    message: str | None = None  # what a known failure means
    fix: str | None = None

    def line(self) -> str:
        """The check as the terminal shows it."""
        status = "skipped" if self.status == "skipped" else self.status
        detail = f"({self.detail})" if self.status == "skipped" else self.detail
        text = f"{status:<8} {self.name:<26} {detail}  [{self.seconds:.1f} s]"
        for value in (self.message, self.fix and f"Fix: {self.fix}"):
            if value:
                text += f"\n{'':<8} {value}"
        return text


@dataclass
class Result:
    """The content of verify.json."""

    host: str
    stack: str
    level: str
    stand_ins: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    images: list[dict[str, str]] = field(default_factory=list)
    versions: dict[str, str | None] = field(default_factory=dict)
    losses: list[dict[str, float]] = field(default_factory=list)
    random_backbone: bool = False
    ended: list[str] = field(default_factory=list)  # levels whose last check has run
    finished: bool = False
    seconds: float = 0.0

    @property
    def levels(self) -> dict[str, str]:
        """Each level: passed, failed, not reached, or not requested."""
        requested = LEVELS[:LEVELS.index(self.level) + 1]
        return {level: self._outcome(level) if level in requested else "not requested" for level in LEVELS}

    @property
    def level_passed(self) -> str | None:
        """The highest level that passed together with all below it."""
        highest = None
        for level, outcome in self.levels.items():
            if outcome != "passed":
                break
            highest = level
        return highest

    @property
    def passed(self) -> bool:
        """The run reached its end, and every requested level passed."""
        return self.finished and self.level_passed == self.level

    def _outcome(self, level: str) -> str:
        """A level passes when each check is ok, or skipped for its own reason; one that needs a failed check proves nothing."""
        checks = [check for check in self.checks if check.level == level]
        if any(check.status == "FAIL" for check in checks):
            return "failed"
        complete = level in self.ended and any(check.status == "ok" for check in checks) and all(check.needs is None for check in checks)
        return "passed" if complete else "not reached"

    def sentence(self) -> str:
        """The result for the last line on the terminal."""
        took = f"in {self.seconds:.0f} s"
        if self.passed:
            return f"passed, level {self.level}, {took}"
        reached = f"level {self.level_passed} passed" if self.level_passed else "no level passed"
        failed = [check.name for check in self.checks if check.status == "FAIL"]
        if failed:
            return f"FAILED: {', '.join(failed)}; {reached}, {took}"
        return f"NOT PASSED: level {self.level} was not reached; {reached}, {took}"

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON types."""
        checks = [{key: value for key, value in asdict(check).items() if value is not None} for check in self.checks]
        values: dict[str, Any] = _finite({
            "schema": SCHEMA, "host": self.host, "stack": self.stack, "level": self.level, "finished": self.finished,
            "passed": self.passed, "level_passed": self.level_passed, "levels": self.levels,
            "stand_in": bool(self.stand_ins), "stand_ins": self.stand_ins,
            "random_backbone": self.random_backbone, "checks": checks, "figures": self.figures, "images": self.images,
            "versions": self.versions, "losses": self.losses, "seconds": round(self.seconds, 1),
        })
        return values

    def write(self, path: Path) -> None:
        """Write the result to `path` atomically."""
        draft = path.with_name(path.name + ".part")
        draft.write_text(json.dumps(self.as_dict(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        draft.replace(path)


def _finite(value: Any) -> Any:
    """Replace NaN and infinity, which JSON lacks, by text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


class Recorder:
    """Runs checks one by one; whatever one raises is recorded and never ends the run."""

    def __init__(self, result: Result, skip: frozenset[str] = frozenset(), say: Callable[[str], None] = print,
                 save: Callable[[], None] = lambda: None, begin: Callable[[str], None] = lambda name: None) -> None:
        self._result = result
        self._skip = skip
        self._say = say
        self._save = save
        self._begin = begin
        self._not_ok: set[str] = set()
        self.level = LEVELS[0]

    def run(self, name: str, check: Callable[[], str], needs: tuple[str, ...] = ()) -> bool:
        """Run `check`, which returns its detail, unless one of `needs` is not ok. Returns whether it was ok."""
        self._begin(name)
        begun = time.monotonic()
        status, detail, output = "ok", "", ""
        broken = [need for need in needs if need in self._not_ok]
        try:
            if name in self._skip:
                raise CheckSkipped("left out by --skip")
            if broken:
                raise CheckSkipped(f"needs the check {broken[0]}, which is not ok")
            detail = check()
        except CheckSkipped as skipped:
            status, detail = "skipped", str(skipped)
        except CheckFailed as failed:
            status, detail, output = "FAIL", str(failed), failed.output
        except (Exception, SystemExit) as unexpected:
            # the last line is the detail; the diagnosis needs the whole traceback, some of whose inner lines it knows
            status, detail = "FAIL", traceback.format_exception_only(type(unexpected), unexpected)[-1].strip()
            output = traceback.format_exc()
        waited_for = broken[0] if broken and name not in self._skip else None
        self.add(Check(name, status, detail, round(time.monotonic() - begun, 2), self.level, waited_for), output)
        return status == "ok"

    def add(self, check: Check, output: str = "") -> None:
        """Record a finished check and print its line; a known failure gets its message and fix."""
        if check.status != "ok":
            self._not_ok.add(check.name)
        if check.status == "FAIL":
            known = diagnose(f"{check.detail}\n{output}")
            if known:
                check.message, check.fix = check.message or known.message, check.fix or known.fix
        self._result.checks.append(check)
        # a compiled library can crash the process: earlier results must not be lost
        self._save()
        self._say(check.line())
