#!/usr/bin/env python3
"""Run Molecule scenarios one after another and print their seconds.

``scenarios.py [NAME ...]``: those, or all of the ordinary ones. ``--long``: those that are marked long. All run, whatever fails.
Those that are opt-in run only by name.
"""

from __future__ import annotations

import argparse
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


def scenarios() -> list[str]:
    """All ordinary scenarios, in the order in which they run."""
    found = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")} - {*LONG, *OPT_IN}
    return [name for name in FIRST if name in found] + sorted(found - set(FIRST))


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
        rc = subprocess.run(["molecule", "test", "--scenario-name", name], cwd=ROOT, check=False).returncode
        results.append((name, rc, time.monotonic() - begun))
    print("\nscenario            seconds  result")
    for name, rc, seconds in results:
        print(f"{name:<20}{seconds:>7.0f}  {'passed' if rc == 0 else f'FAILED (exit status {rc})'}")
    failed = sum(1 for _, rc, _ in results if rc != 0)
    print(f"{len(results) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
