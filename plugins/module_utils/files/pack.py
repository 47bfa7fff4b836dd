"""Pack many small files into one archive with a manifest, so that one module call carries them all to a host."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.files.place import MAX_BYTES, MAX_FILES


class PackError(Exception):
    """The files cannot be packed; the text says why."""


def tree_digest(digests: dict[str, str]) -> str:
    """The sha256 of a folder: of the sorted relative paths of its files and their sha256."""
    return hashlib.sha256("".join(f"{path}\0{digests[path]}\n" for path in sorted(digests)).encode()).hexdigest()


def pack(files: list[dict[str, Any]]) -> dict[str, Any]:
    """``{"manifest": [{"path", "mode", "size", "sha256"}], "archive": base64}``; the archive is the files' bytes in the manifest's order.

    Args:
        files: ``{"path", "mode", "data"}`` each; ``path`` is absolute on the host, ``mode`` octal text.

    Raises:
        PackError: there are too many files, or too many bytes.
    """
    total = sum(len(item["data"]) for item in files)
    if len(files) > MAX_FILES or total > MAX_BYTES:
        raise PackError(f"{len(files)} files with {total} bytes are too many for one transfer ({MAX_FILES} files, {MAX_BYTES} bytes).")
    manifest = [
        {"path": item["path"], "mode": item["mode"], "size": len(item["data"]), "sha256": hashlib.sha256(item["data"]).hexdigest()}
        for item in files
    ]
    return {"manifest": manifest, "archive": base64.b64encode(zlib.compress(b"".join(item["data"] for item in files), 9)).decode()}
