"""Files of the controller that a plan refers to by path and sha256, and whose bytes are read only when they are carried to a host."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ansible_collections.codetr.provision.plugins.module_utils.files.pack import tree_digest

ROOT = Path(__file__).resolve().parents[2]


class SourceError(Exception):
    """A file cannot be read, or is not the one that was planned; the text says which, and what to do."""


def locate(src: str) -> Path:
    """The path of a source: absolute, or relative to the collection, which it may not leave.

    Raises:
        SourceError: it leaves the collection.
    """
    path = Path(src).expanduser()
    if path.is_absolute():
        return path
    if ".." in path.parts:
        raise SourceError(f"{src} leaves the collection; write an absolute path for a file of your own.")
    return ROOT / path


def read(src: str, sha256: str = "") -> bytes:
    """A source's bytes.

    Raises:
        SourceError: it cannot be read, or its sha256 is another one.
    """
    try:
        data = locate(src).read_bytes()
    except OSError as error:
        raise SourceError(f"{src} on the controller cannot be read: {error.strerror or error}.") from error
    _compare(src, hashlib.sha256(data).hexdigest(), sha256)
    return data


def tree(src: str, sha256: str = "") -> dict[str, bytes]:
    """The files below a folder by their relative path, without what Python compiled.

    Raises:
        SourceError: there are none, one cannot be read, or ``tree_digest`` of all is another one.
    """
    folder = locate(src)
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    if not paths:
        raise SourceError(f"{src} on the controller is no folder with files.")
    try:
        found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    except OSError as error:
        raise SourceError(f"{src} on the controller cannot be read: {error}.") from error
    _compare(src, tree_digest(digests(found)), sha256)
    return found


def digests(files: dict[str, bytes]) -> dict[str, str]:
    """The sha256 of each file."""
    return {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}


def _compare(src: str, found: str, wanted: str) -> None:
    if wanted and found != wanted:
        raise SourceError(f"{src} on the controller has changed since the plan was made. Run again.")
