#!/usr/bin/env python3
"""Run Molecule scenarios one after another and print their seconds.

``scenarios.py [NAME ...]``: those, or all of the ordinary ones. ``--long``: those that are marked long. All run, whatever fails.
Those that are opt-in run only by name. What each printed is also in ``reports/molecule/NAME.log``; what failed is said again at the end.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# codetr_packages comes before those that build on it, because it compiles the wheel that they take from the cache.
FIRST = (
    "preflight",
    "miniconda",
    "codetr_env",
    "codetr_packages",
    "codetr_packages_cu113",
    "codetr_repo",
    "codetr_datasets",
    "codetr_workspace",
    "default",
)
LONG = ("matrix", "nvidia_driver_long")
OPT_IN = ("vm",)
LOGS = ROOT / "reports" / "molecule"
# What Molecule puts before each line, and colours.
FRAME = re.compile(r"\x1b\[[\d;]*m|^ *(\x1b\[[\d;]*m)*│(\x1b\[[\d;]*m)* ?")
# How Ansible and Molecule begin what is wrong, which goes on to the next empty line; lines of pytest that say it; how many are said again.
WRONG = re.compile(r"fatal: |failed: |\[ERROR\]|ERROR |CRITICAL ")
WRONG_LINE = re.compile(r"E  +|FAILED (?!- RETRYING)")
MOST_LINES = 60


def scenarios() -> list[str]:
    """All ordinary scenarios, in the order in which they run."""
    found = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")} - {*LONG, *OPT_IN}
    return [name for name in FIRST if name in found] + sorted(found - set(FIRST))


def run(name: str) -> int:
    """The exit status of one scenario, whose output is shown and kept."""
    LOGS.mkdir(parents=True, exist_ok=True)
    command = ["molecule", "test", "--scenario-name", name]
    with (
        log(name).open("wb") as kept,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child,
    ):
        assert child.stdout is not None
        while said := os.read(child.stdout.fileno(), 1 << 16):
            os.write(sys.stdout.fileno(), said)
            kept.write(said)
    return child.returncode


def log(name: str) -> Path:
    """Where the output of a scenario is kept."""
    return LOGS / f"{name}.log"


def wrong(said: str) -> list[str]:
    """The last lines of an output that say what is wrong."""
    lines, inside = [], False
    for line in (FRAME.sub("", line).rstrip() for line in said.splitlines()):
        inside = bool(WRONG.match(line)) or (inside and bool(line))
        if inside or WRONG_LINE.match(line):
            lines.append(line)
    return lines[-MOST_LINES:]


def main() -> int:
    """Run, print a table, and return 0 only if all passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--long", action="store_true")
    arguments = parser.parse_args()
    known = [*scenarios(), *LONG, *OPT_IN]
    unknown = [name for name in arguments.names if name not in known]
    if unknown:
        print(f"There is no scenario {unknown[0]}; there are {', '.join(known)}.", file=sys.stderr)
        return 2
    results = []
    for name in arguments.names or (LONG if arguments.long else scenarios()):
        print(f"\n===== molecule test --scenario-name {name} =====", flush=True)
        begun = time.monotonic()
        rc = run(name)
        results.append((name, rc, time.monotonic() - begun))
    for name, rc, _ in results:
        if rc != 0:
            said = log(name).read_text(encoding="utf-8", errors="replace")
            print("", f"===== what failed in {name}, with what its tests expect to fail =====", *wrong(said), sep="\n")
    print("\nscenario            seconds  result")
    for name, rc, seconds in results:
        print(f"{name:<20}{seconds:>7.0f}  {'passed' if rc == 0 else f'FAILED (exit status {rc})'}")
    failed = sum(1 for _, rc, _ in results if rc != 0)
    print(f"{len(results) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
