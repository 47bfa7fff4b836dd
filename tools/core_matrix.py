#!/usr/bin/env python3
"""Run the collection under each ansible-core that it supports, each with a Python of its own.

``core_matrix.py [CORE:PYTHON ...]``: those pairs, or all of ``PAIRS``. Each pair gets a virtual environment below ``.venvs/``, installed by
hash from the core's lock. ``--steps syntax,run`` chooses steps. All steps run, whatever fails. An interpreter that is missing is a failure
unless ``--allow-missing`` is given, and so is a deprecation warning. What each step printed is in ``reports/core/CORE-pyPYTHON/STEP.log``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENVS = ROOT / ".venvs"
LOGS = ROOT / "reports" / "core"
STEPS = ("venv", "syntax", "lint", "unit", "run", "scenario")
# Ansible's front end for every deprecated thing that a play or plugin touches.
DEPRECATED = "[DEPRECATION WARNING]"
# Tests that start Ansible or load one of our plugins; all others do not notice which ansible-core is installed.
USES_ANSIBLE = re.compile(
    r"^\s*(from|import) ansible[. ]|provision\.plugins\.(action|plugin_utils|modules)\b|ansible[-\", ]+playbook\b", re.MULTILINE
)
LAST_LINES = 40


@dataclass(frozen=True)
class Pair:
    """A version of ansible-core and of the controller's Python, each as ``major.minor``."""

    core: str
    python: str

    @property
    def name(self) -> str:
        """How folders and reports call it."""
        return f"{self.core}-py{self.python}"

    @property
    def lock(self) -> Path:
        """The hash-locked requirements of this core."""
        return lock_of(self.core)

    @property
    def bin(self) -> Path:
        """Where the environment's programs are."""
        return VENVS / self.name / "bin"


# Each core once, each Python once. ansible-core 2.20 and newer need Python 3.12; the oldest keeps the Python of Debian 12.
PAIRS = (Pair("2.19", "3.11"), Pair("2.20", "3.12"), Pair("2.21", "3.13"))


@dataclass(frozen=True)
class Outcome:
    """How one step of one pair ended: with a problem, skipped, or neither."""

    pair: Pair
    step: str
    seconds: float
    problem: str = ""
    skipped: bool = False

    @property
    def result(self) -> str:
        """What the table says."""
        return f"FAILED: {self.problem}" if self.problem else "SKIPPED" if self.skipped else "passed"


def lock_of(core: str) -> Path:
    """requirements.txt is the lock of the core that the oldest supported Python can run; the others are beside their sources."""
    return ROOT / "requirements.txt" if core == PAIRS[0].core else ROOT / "requirements" / f"core-{core}.txt"


def parse(text: str) -> Pair:
    """Read ``CORE:PYTHON``.

    Raises:
        argparse.ArgumentTypeError: it is no such pair, or no lock has this core.
    """
    core, _, python = text.partition(":")
    if not re.fullmatch(r"3\.\d+", python):
        raise argparse.ArgumentTypeError(f"expected CORE:PYTHON, such as {PAIRS[-1].core}:{PAIRS[-1].python}, not {text}")
    if not lock_of(core).is_file():
        known = ", ".join(pair.core for pair in PAIRS)
        raise argparse.ArgumentTypeError(f"no lock for ansible-core {core}; there are locks for {known}")
    return Pair(core, python)


def candidates(version: str) -> list[Path]:
    """Every place where an interpreter of this version may be: PATH first, then pyenv's own folders."""
    found = [Path(folder) / f"python{version}" for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    return found + sorted((folder / "bin" / "python3" for folder in pyenv.glob(f"{version}.*")), reverse=True)


def find_python(version: str) -> Path | None:
    """The first interpreter that runs and is of this version. pyenv's shims exist for versions that they then refuse to run."""
    ask = ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    for path in candidates(version):
        try:
            asked = subprocess.run([path, *ask], capture_output=True, text=True, check=False)
        except OSError:
            continue
        if asked.returncode == 0 and asked.stdout.strip() == version:
            return path
    return None


def environment(pair: Pair) -> dict[str, str]:
    """The variables of every step: the pair's programs first, this checkout's collection first, deprecations shown."""
    values = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")}
    values["PATH"] = f"{pair.bin}{os.pathsep}{os.environ.get('PATH', '')}"
    values["ANSIBLE_COLLECTIONS_PATH"] = os.pathsep.join([str(ROOT / "playbooks" / "collections"), "/usr/share/ansible/collections"])
    values.update(ANSIBLE_DEPRECATION_WARNINGS="1", ANSIBLE_NOCOLOR="1", ANSIBLE_HOME=str(VENVS / f"{pair.name}.home"))
    return values


def install(pair: Pair, log: Path) -> str:
    """Make the pair's environment, unless it is there and made from the lock as it is now."""
    digest = hashlib.sha256(pair.lock.read_bytes()).hexdigest()
    stamp = pair.bin.parent / ".installed"
    if stamp.is_file() and stamp.read_text() == digest:
        return ""
    python = find_python(pair.python)
    if python is None:
        raise MissingPython(pair.python)
    shutil.rmtree(pair.bin.parent, ignore_errors=True)
    # Compiling the collections of package `ansible` would take longer than everything else that pip does.
    options = ["--quiet", "--disable-pip-version-check", "--no-compile", "--require-hashes"]
    pip: list[str | Path] = [pair.bin / "python", "-m", "pip", "install", *options, "--requirement", pair.lock]
    problem = call([python, "-m", "venv", pair.bin.parent], pair, log) or call(pip, pair, log)
    if not problem:
        stamp.write_text(digest)
    return problem


class MissingPython(Exception):
    """No interpreter of a version was found."""


def call(argv: Sequence[str | Path], pair: Pair, log: Path) -> str:
    """Run a program in the pair's environment and keep what it prints; returns what is wrong with it, or nothing."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as kept:
        done = subprocess.run(argv, cwd=ROOT, env=environment(pair), stdout=kept, stderr=kept, stdin=subprocess.DEVNULL, check=False)
    return f"exit status {done.returncode}" if done.returncode else ""


def deprecations(text: str) -> list[str]:
    """The deprecation warnings in an output."""
    return [line[line.index(DEPRECATED) :].strip() for line in text.splitlines() if DEPRECATED in line]


def tests_of_plugins() -> list[Path]:
    """Files of unit tests that depend on ansible-core."""
    return [path for path in sorted((ROOT / "tests" / "unit").glob("test_*.py")) if USES_ANSIBLE.search(path.read_text())]


def commands(pair: Pair, step: str) -> list[list[str | Path]]:
    """What a step runs, beside ``venv``."""
    playbooks = sorted((ROOT / "playbooks").glob("*.yml"))
    # This controller as the host, and no interpreter that happens to be on its PATH.
    local = ["-i", "localhost,", "-c", "local", "-e", "ansible_python_interpreter={{ ansible_playbook_python }}"]
    steps: dict[str, list[list[str | Path]]] = {
        "syntax": [[pair.bin / "ansible-playbook", "-i", "localhost,", "--syntax-check", *playbooks]],
        "lint": [[pair.bin / "ansible-lint", "--offline", "--profile", "production", "--strict"]],
        "unit": [[pair.bin / "pytest", "--quiet", "--numprocesses", "2", "--dist", "loadfile", *tests_of_plugins()]],
        "run": [
            [pair.bin / "ansible-playbook", *local, "-e", f"provision_report_dir={LOGS / pair.name}", ROOT / "playbooks" / "status.yml"],
        ],
        "scenario": [[pair.bin / "python", ROOT / "tools" / "scenarios.py", "default"]],
    }
    return steps[step]


def take(pair: Pair, step: str) -> str:
    """Carry out one step; returns what is wrong, or nothing."""
    log = LOGS / pair.name / f"{step}.log"
    log.unlink(missing_ok=True)
    if step == "venv":
        return install(pair, log)
    problem = next((wrong for argv in commands(pair, step) if (wrong := call(argv, pair, log))), "")
    warned = deprecations(log.read_text(encoding="utf-8", errors="replace"))
    return problem or (f"{len(warned)} deprecation warning(s), the first: {warned[0]}" if warned else "")


def run(pairs: Sequence[Pair], steps: Sequence[str], allow_missing: bool, do: Callable[[Pair, str], str] = take) -> list[Outcome]:
    """All steps of all pairs. Without its environment, a pair has no further steps."""
    outcomes = []
    for pair in pairs:
        for step in dict.fromkeys(("venv", *steps)):
            print(f"ansible-core {pair.core}, Python {pair.python}: {step}", flush=True)
            begun = time.monotonic()
            try:
                problem = do(pair, step)
            except MissingPython:
                problem = f"Python {pair.python} is neither on PATH nor in pyenv; install it, or pass --allow-missing"
                outcomes.append(Outcome(pair, step, 0.0, "" if allow_missing else problem, skipped=allow_missing))
                print(f"  {outcomes[-1].result}", flush=True)
                break
            outcomes.append(Outcome(pair, step, time.monotonic() - begun, problem))
            if problem:
                print(f"  FAILED: {problem}", *tail(pair, step), sep="\n", flush=True)
                if step == "venv":
                    break
    return outcomes


def tail(pair: Pair, step: str) -> list[str]:
    """The end of a step's output."""
    log = LOGS / pair.name / f"{step}.log"
    return [f"    {line}" for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]] if log.is_file() else []


def table(outcomes: Sequence[Outcome]) -> str:
    """Pairs, steps, seconds and results."""
    lines = ["", "core   python  step      seconds  result"]
    for item in outcomes:
        lines.append(f"{item.pair.core:<7}{item.pair.python:<8}{item.step:<9}{item.seconds:>8.0f}  {item.result}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the matrix; 0 only if all passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("pairs", nargs="*", type=parse, metavar="CORE:PYTHON")
    parser.add_argument("--steps", type=lambda text: text.split(","), default=list(STEPS), metavar="STEP,STEP", help=",".join(STEPS))
    parser.add_argument("--allow-missing", action="store_true", help="skip a pair whose Python is not installed")
    given = parser.parse_args(argv)
    unknown = [step for step in given.steps if step not in STEPS]
    if unknown:
        parser.error(f"unknown step {unknown[0]}; the steps are {', '.join(STEPS)}")
    outcomes = run(given.pairs or PAIRS, given.steps, given.allow_missing)
    print(table(outcomes))
    return 1 if any(item.problem for item in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
