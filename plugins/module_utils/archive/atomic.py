"""A text file replaced as a whole: a reader sees the old one or the new one, after a power cut too."""

from __future__ import annotations

import os
from collections.abc import Iterable


def replace_text(path: str, pieces: Iterable[str]) -> None:
    """Make the file ``path`` hold the pieces one after the other, on the disk before this returns; its folder is made where missing."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    draft = f"{path}.new"
    # Names of files need not be text in any encoding; such bytes go through unchanged.
    with open(draft, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as handle:
        handle.writelines(pieces)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(draft, path)
