"""`python -m verify`: exit status 0 when the level asked for passed, 1 when not (0 with --exit-zero), 2 for wrong usage."""
from __future__ import annotations

import fcntl
import os
import sys
import time
import warnings
from pathlib import Path
from typing import TextIO

from verify.options import parse
from verify.progress import Progress
from verify.result import Recorder, Result
from verify.session import Session


def _own_terminal(log: Path) -> TextIO:
    """Send all that libraries print, from Python or C, to `log`; what remains of the terminal is for lines of ours."""
    terminal = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
    with log.open("wb") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())
    return terminal


def _forget_working_directory() -> None:
    """Take the folder that `-m` put first on the path away again: a training does not have it, so it must not help here."""
    here = str(Path.cwd())
    if sys.path and sys.path[0] == here and here not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        del sys.path[0]


def main(arguments: list[str]) -> int:
    """Run all checks and write OUT/verify.json."""
    options = parse(arguments)
    _forget_working_directory()
    warnings.simplefilter("ignore")
    # threads that wait by spinning make a training many times slower when something else runs on the same cores
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        # held until this process ends: two runs would take each other's checkpoints for their own
        alone = (options.out / "verify.lock").open("w")
        fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for name in ("verify.json", "progress.json"):
            (options.out / name).unlink(missing_ok=True)
    except BlockingIOError:
        print(f"verify: another run is at work in {options.out}; wait for it, or end it.", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"verify: the result folder {options.out} cannot be written: {error.strerror}", file=sys.stderr)
        return 2
    terminal = _own_terminal(options.out / "libraries.log")

    def say(text: str) -> None:
        # whoever follows the output sees each line as it comes
        print(text, file=terminal, flush=True)

    # relative paths in a config count from the repository
    os.chdir(options.repo)
    result = Result(options.host, options.stack, options.level, list(options.stand_ins))
    for name in options.stand_ins:
        say(f"{'stand-in':<8} {name:<26} not the real one")
    begun = time.monotonic()

    def save() -> None:
        result.seconds = time.monotonic() - begun
        result.write(options.out / "verify.json")

    progress = Progress(options.out / "progress.json", options.level)

    def on_iteration(name: str, done: int, total: int) -> None:
        say(f"         {name}: iteration {done} of {total}")
        progress.iteration(done, total)

    Session(options, result, Recorder(result, options.skip, say, save, progress.begin), on_iteration).run()
    result.finished = True
    save()
    say(f"{result.sentence()}; {options.out / 'verify.json'}")
    return 0 if result.passed or options.exit_zero else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
