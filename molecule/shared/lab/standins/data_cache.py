"""Remembers what a stand-in built, so that building it again costs only a look at its inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def digest(path: Path) -> str:
    """Return the sha256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def key_of(inputs: Iterable[str | Path]) -> str:
    """Hash inputs in order: a string counts as itself, a path as the bytes of its file."""
    total = hashlib.sha256()
    for item in inputs:
        data = item.read_bytes() if isinstance(item, Path) else item.encode()
        total.update(f"{len(data)}:".encode() + data)
    return total.hexdigest()


def remembered(stamp: Path, inputs: Iterable[str | Path], make: Callable[[], tuple[dict[str, Any], Iterable[Path]]]) -> dict[str, Any]:
    """Return what ``make`` returned for the same inputs before, or call it.

    ``make`` returns its result and the files that the result stands on. The old result holds as long as the inputs
    hash to the same key and each of those files still has its size and modification time.
    """
    key = key_of(inputs)
    if stamp.exists():
        old = json.loads(stamp.read_text())
        if old["key"] == key and all(_trace(Path(name)) == trace for name, trace in old["files"].items()):
            return dict(old["result"])
    result, files = make()
    document = {"key": key, "result": result, "files": {str(path): _trace(path) for path in files}}
    stamp.parent.mkdir(parents=True, exist_ok=True)
    replacement = stamp.with_suffix(".new")
    replacement.write_text(json.dumps(document, indent=1))
    replacement.replace(stamp)
    return result


def _trace(path: Path) -> list[int] | None:
    """Size in bytes and modification time in nanoseconds; None for a file that is not there."""
    if not path.exists():
        return None
    state = path.stat()
    return [state.st_size, state.st_mtime_ns]
