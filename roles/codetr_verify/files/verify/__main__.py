"""`python -m verify`: exit status 0 when the requested level passed, 1 when not (0 with --exit-zero), 2 for wrong usage."""
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
    """Send the output of libraries, Python or C, to `log`; the terminal, which is returned, is for this program's own lines."""
    terminal = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
    with log.open("wb") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())
    return terminal


def _forget_working_directory() -> None:
    """Remove the working directory that `-m` put on the path: a training does not have it, so no check may import from it."""
    current = str(Path.cwd())
    if sys.path and sys.path[0] == current and current not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        del sys.path[0]


def main(arguments: list[str]) -> int:
    """Run all checks and write OUT/verify.json."""
    options = parse(arguments)
    _forget_working_directory()
    warnings.simplefilter("ignore")
    # spinning threads make a training many times slower when something else runs on the same cores
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        # held until this process ends: two runs in one folder would use each other's checkpoints
        lock = (options.out / "verify.lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for name in ("verify.json", "progress.json"):
            (options.out / name).unlink(missing_ok=True)
    except BlockingIOError:
        print(f"verify: another run uses {options.out}; wait for it, or end it.", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"verify: the result folder {options.out} cannot be written: {error.strerror}", file=sys.stderr)
        return 2
    terminal = _own_terminal(options.out / "libraries.log")

    def say(text: str) -> None:
        # flushed, so that the log can be followed
        print(text, file=terminal, flush=True)

    # relative paths in a config are relative to the repository
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
