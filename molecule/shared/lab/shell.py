"""Running other programs, with failures that can be read."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.settings import LabError

LAST_LINES = 12


def run(
    argv: Sequence[str | Path], *, stdin: str | None = None, environment: Mapping[str, str] | None = None, timeout: float | None = None
) -> str:
    """Run argv and return its standard output.

    Args:
        argv: the program and its arguments.
        stdin: text for its standard input; none means an empty one.
        environment: variables on top of this process's own.
        timeout: seconds after which it is killed.

    Raises:
        LabError: the program is missing, exits with another status than 0, or runs past timeout.
    """
    command = [str(part) for part in argv]
    try:
        done = subprocess.run(
            command, input=stdin or "", text=True, capture_output=True, check=False, timeout=timeout,
            env={**os.environ, **(environment or {})},
        )
    except FileNotFoundError as error:
        raise LabError(f"{command[0]} is not installed: run `make lab` or `lab tools` first.") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{' '.join(command[:4])} ...` did not finish within {timeout:.0f} seconds.") from error
    if done.returncode != 0:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-LAST_LINES:])
        raise LabError(f"`{' '.join(command[:6])}` exited with status {done.returncode}:\n{tail}")
    return done.stdout


def succeeds(argv: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, timeout: float | None = None) -> bool:
    """Return whether argv exits with status 0."""
    try:
        run(argv, environment=environment, timeout=timeout)
    except LabError:
        return False
    return True
