#!/usr/bin/env python3
"""Run Molecule scenarios, two at a time, and print their seconds.

``scenarios.py [NAME ...]``: those, or all ordinary ones. ``--long``: those that are marked long. All run, whatever fails. Opt-in scenarios
run only by name. The output of each is in ``reports/molecule/NAME.log``, and on the terminal too where only one runs; the errors of failed
scenarios are repeated at the end.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# It makes the image of a prepared host and compiles mmcv's wheel. Scenarios that need either wait for it, or they would do that work again.
SLOW = "codetr_packages"
AFTER_SLOW = ("codetr_repo", "default", "matrix")
# Those that take longest start first, so that no core is idle at the end.
FIRST = (SLOW, "nvidia_driver", "codetr_packages_cu113", "default", "codetr_datasets")
LONG = ("matrix", "nvidia_driver_long")
OPT_IN = ("vm",)
LOGS = ROOT / "reports" / "molecule"
# Molecule puts a bar before each line; colours.
FRAME = re.compile(r"\x1b\[[\d;]*m|^ *(\x1b\[[\d;]*m)*│(\x1b\[[\d;]*m)* ?")
# How Ansible and Molecule begin an error, which ends at the next empty line; lines of pytest with an error; how many lines are repeated.
ERROR = re.compile(r"fatal: |failed: |\[ERROR\]|ERROR |CRITICAL ")
ERROR_LINE = re.compile(r"E  +|FAILED (?!- RETRYING)")
MOST_LINES = 60


@dataclass
class Queue:
    """Scenarios that wait for a free worker, and the results of those that ended: exit status and seconds by name."""

    waiting: list[str]
    results: dict[str, tuple[int, float]] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        """Know whether the slow one is among them."""
        self.slow_pending = SLOW in self.waiting

    def take(self) -> str | None:
        """Return the next scenario that can start, waiting for the slow one where it must, or None when none is left."""
        with self.changed:
            while self.waiting:
                ready = [name for name in self.waiting if not (self.slow_pending and name in AFTER_SLOW)]
                if ready:
                    self.waiting.remove(ready[0])
                    return ready[0]
                self.changed.wait()
            return None

    def done(self, name: str, status: int, seconds: float) -> None:
        """Note the result of a scenario."""
        with self.changed:
            self.results[name] = status, seconds
            self.slow_pending = self.slow_pending and name != SLOW
            self.changed.notify_all()


def scenarios() -> list[str]:
    """Return all ordinary scenarios, in the order in which they start."""
    found = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")} - {*LONG, *OPT_IN}
    return [name for name in FIRST if name in found] + sorted(found - set(FIRST))


def run(name: str, *, show: bool) -> int:
    """Run one scenario, write its output to its log and, with show, to the terminal, and return its exit status."""
    LOGS.mkdir(parents=True, exist_ok=True)
    command = ["molecule", "test", "--scenario-name", name]
    # Each line of the log is written when it is said.
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with (
        log(name).open("wb") as kept,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as child,
    ):
        assert child.stdout is not None
        while output := os.read(child.stdout.fileno(), 1 << 16):
            if show:
                os.write(sys.stdout.fileno(), output)
            kept.write(output)
    return child.returncode


def log(name: str) -> Path:
    """Return the path of a scenario's output."""
    return LOGS / f"{name}.log"


def errors(output: str) -> list[str]:
    """Return the last lines of an output that belong to errors."""
    lines, inside = [], False
    for line in (FRAME.sub("", line).rstrip() for line in output.splitlines()):
        inside = bool(ERROR.match(line)) or (inside and bool(line))
        if inside or ERROR_LINE.match(line):
            lines.append(line)
    return lines[-MOST_LINES:]


def outcome(status: int) -> str:
    """Return an exit status in words."""
    return "passed" if status == 0 else f"FAILED (exit status {status})"


def work(queue: Queue, *, show: bool) -> None:
    """Run scenarios until none is left."""
    while (name := queue.take()) is not None:
        print(f"===== molecule test --scenario-name {name}: started", flush=True)
        begun = time.monotonic()
        status = run(name, show=show)
        seconds = time.monotonic() - begun
        print(f"===== {name}: {outcome(status)}, {seconds:.0f} s, output in {log(name).relative_to(ROOT)}", flush=True)
        queue.done(name, status, seconds)


def report(results: dict[str, tuple[int, float]]) -> int:
    """Print the errors of failed scenarios and a table, and return the number of failed ones."""
    for name, (status, _) in results.items():
        if status != 0:
            output = log(name).read_text(encoding="utf-8", errors="replace")
            print("", f"===== errors in {name}, with those that its tests expect =====", *errors(output), sep="\n")
    print("\nscenario               seconds  result")
    for name, (status, seconds) in results.items():
        print(f"{name:<23}{seconds:>7.0f}  {outcome(status)}")
    failed = sum(1 for status, _ in results.values() if status != 0)
    print(f"{len(results) - failed} passed, {failed} failed", flush=True)
    return failed


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print a table, and return 0 only if all passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="how many run at the same time (%(default)s)")
    arguments = parser.parse_args(argv)
    known = [*scenarios(), *LONG, *OPT_IN]
    unknown = [name for name in arguments.names if name not in known]
    if unknown:
        print(f"There is no scenario {unknown[0]}; choose from {', '.join(known)}.", file=sys.stderr)
        return 2
    queue = Queue(list(dict.fromkeys(arguments.names or (LONG if arguments.long else scenarios()))))
    jobs = max(1, min(arguments.jobs, len(queue.waiting)))
    workers = [threading.Thread(target=work, args=(queue,), kwargs={"show": jobs == 1}) for _ in range(jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return 1 if report(queue.results) else 0


if __name__ == "__main__":
    sys.exit(main())
