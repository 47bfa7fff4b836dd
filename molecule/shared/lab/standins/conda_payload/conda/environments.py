"""The files that describe an environment: package records, history, and the user's list of environments."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from conda import CondaError, __version__


def is_environment(prefix: Path) -> bool:
    """Return whether conda would call a folder an environment."""
    return (prefix / "conda-meta" / "history").is_file()


def require_environment(prefix: Path) -> None:
    """Raise conda's own error for a folder that is no environment."""
    if not is_environment(prefix):
        raise CondaError("EnvironmentLocationNotFound", f"Not a conda environment: {prefix}")


def records(prefix: Path) -> list[dict[str, object]]:
    """Return conda-meta's record of each package that conda linked.

    Raises:
        CondaError: a record cannot be read.
    """
    found = []
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        try:
            found.append(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise corrupted(path) from error
    return found


def corrupted(path: Path) -> CondaError:
    """Return conda's error for a record that it cannot read."""
    return CondaError("CorruptedEnvironmentError", f"The target environment has been corrupted.\n  corrupted file: {path}")


def write_history(prefix: Path, before: Iterable[dict[str, object]], specs: Iterable[str]) -> None:
    """Append one revision to conda-meta/history: time, command, packages removed and added, requested specs.

    It comes last, as with conda: a folder with packages and no history is half done.
    """
    umask = os.umask(0o022)
    os.umask(umask)
    for path in (prefix / "conda-meta").glob("*.json"):
        # rattler makes records readable by their owner only; conda leaves it to the umask.
        path.chmod(0o666 & ~umask)
    old, new = _dists(before), _dists(records(prefix))
    lines = [time.strftime("==> %Y-%m-%d %H:%M:%S <=="), f"# cmd: {shlex.join(sys.argv)}", f"# conda version: {__version__}"]
    lines += [f"-{dist}" for dist in sorted(old - new)] + [f"+{dist}" for dist in sorted(new - old)]
    lines.append(f"# update specs: {list(specs)}")
    with (prefix / "conda-meta" / "history").open("a", encoding="utf-8") as history:
        history.write("\n".join(lines) + "\n")


def requested(prefix: Path) -> list[str]:
    """Return the specs that the environment was created and changed with, oldest first."""
    text = (prefix / "conda-meta" / "history").read_text(encoding="utf-8")
    return [spec for line in re.findall(r"^# update specs: (\[.*\])$", text, re.MULTILINE) for spec in ast.literal_eval(line)]


def _dists(linked: Iterable[dict[str, object]]) -> set[str]:
    return {
        f"{str(record.get('channel') or '').rstrip('/').rpartition('/')[2]}/{record['subdir']}"
        f"::{record['name']}-{record['version']}-{record['build']}"
        for record in linked
    }


def register(prefix: Path) -> None:
    """Add an environment to ~/.conda/environments.txt; a home that cannot be written to is only worth a warning."""
    path = Path.home() / ".conda" / "environments.txt"
    try:
        known = path.read_text(encoding="utf-8") if path.is_file() else ""
        if str(prefix) not in known.splitlines():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{known}{prefix}\n", encoding="utf-8")
    except OSError as error:
        print(f"WARNING: unable to register environment {prefix} in {path}: {error.strerror}", file=sys.stderr)
