"""What is known of an environment from its own files: packages, history, and the user's list of environments."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Iterable
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from conda import CondaError, __version__

_METADATA = (".dist-info/METADATA", ".egg-info/PKG-INFO")


def is_environment(prefix: Path) -> bool:
    """True for a folder that conda would call an environment."""
    return (prefix / "conda-meta" / "history").is_file()


def require_environment(prefix: Path) -> None:
    """Raise conda's own complaint when a folder is not an environment."""
    if not is_environment(prefix):
        raise CondaError("EnvironmentLocationNotFound", f"Not a conda environment: {prefix}")


def records(prefix: Path) -> list[dict[str, object]]:
    """What conda-meta says of each package that conda linked.

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
    """conda's complaint about a record that it cannot read."""
    return CondaError("CorruptedEnvironmentError", f"The target environment has been corrupted.\n  corrupted file: {path}")


def listing(prefix: Path) -> list[dict[str, object]]:
    """The packages of an environment as `conda list --json` gives them; those that pip installed belong to channel pypi.

    As with conda, files decide: what pip took away or replaced is no longer conda's, whatever its record says.
    """
    linked = [(record, _metadata_files(record)) for record in records(prefix)]
    rows = [_row(record) for record, files in linked if all((prefix / path).is_file() for path in files)]
    conda_own = {path for _, files in linked for path in files}
    for path in sorted((prefix / "lib").glob("python3*/site-packages/*.*-info/*")):
        text = path.relative_to(prefix).as_posix()
        if text.endswith(_METADATA) and text not in conda_own:
            found = Distribution.at(path.parent)
            rows.append(_pypi_row(re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower(), found.version))
    return sorted(rows, key=lambda row: str(row["name"]))


def _metadata_files(record: dict[str, Any]) -> list[str]:
    return [path for path in record["files"] if path.endswith(_METADATA)]


def _row(record: dict[str, object]) -> dict[str, object]:
    channel = str(record.get("channel") or "").rstrip("/")
    return {
        "base_url": channel,
        "build_number": record["build_number"],
        "build_string": record["build"],
        "channel": channel.rpartition("/")[2],
        "dist_name": f"{record['name']}-{record['version']}-{record['build']}",
        "name": record["name"],
        "platform": record["subdir"],
        "version": record["version"],
    }


def _pypi_row(name: str, version: str) -> dict[str, object]:
    return {
        "base_url": "https://conda.anaconda.org/pypi",
        "build_number": 0,
        "build_string": "pypi_0",
        "channel": "pypi",
        "dist_name": f"{name}-{version}-pypi_0",
        "name": name,
        "platform": "pypi",
        "version": version,
    }


def write_history(prefix: Path, before: Iterable[dict[str, object]], specs: Iterable[str]) -> None:
    """Append one revision to conda-meta/history: time, command, what went and came, what was asked for.

    It comes last, as with conda: a folder with packages and no history is half done.
    """
    umask = os.umask(0o022)
    os.umask(umask)
    for path in (prefix / "conda-meta").glob("*.json"):
        # rattler writes records for the owner's eyes only; conda leaves it to the umask.
        path.chmod(0o666 & ~umask)
    old, new = _dists(before), _dists(records(prefix))
    lines = [time.strftime("==> %Y-%m-%d %H:%M:%S <=="), f"# cmd: {shlex.join(sys.argv)}", f"# conda version: {__version__}"]
    lines += [f"-{dist}" for dist in sorted(old - new)] + [f"+{dist}" for dist in sorted(new - old)]
    lines.append(f"# update specs: {list(specs)}")
    with (prefix / "conda-meta" / "history").open("a", encoding="utf-8") as history:
        history.write("\n".join(lines) + "\n")


def asked_for(prefix: Path) -> list[str]:
    """The specs that the environment was made and changed with, oldest first."""
    text = (prefix / "conda-meta" / "history").read_text(encoding="utf-8")
    return [spec for line in re.findall(r"^# update specs: (\[.*\])$", text, re.MULTILINE) for spec in ast.literal_eval(line)]


def _dists(linked: Iterable[dict[str, object]]) -> set[str]:
    return {f"{row['channel']}/{row['platform']}::{row['dist_name']}" for row in map(_row, linked)}


def register(prefix: Path, *, present: bool) -> None:
    """Add an environment to ~/.conda/environments.txt, or take it out; a home that cannot be written to is only worth a warning."""
    path = Path("~/.conda/environments.txt").expanduser()
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        if (str(prefix) in lines) == present:
            return
        lines = [*lines, str(prefix)] if present else [line for line in lines if line != str(prefix)]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        print(f"WARNING: unable to register environment {prefix} in {path}: {error.strerror}", file=sys.stderr)
