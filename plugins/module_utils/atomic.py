"""Replacing a file as a whole: a reader sees the old one or the new one, after a power cut too."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import Optional, Tuple

# Never through a link, and never into a file that somebody else has put there.
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
Owner = Optional[Tuple[int, int]]


def replace_bytes(path: str, pieces: Iterable[bytes], mode: int | None = None, owner: Owner = None, sync: bool = True) -> None:
    """Make the file ``path`` hold the pieces one after the other.

    They go to ``<path>.new``, which then takes its place; what a killed run left there goes, and the folder is made where missing.

    Args:
        path: the file; its folder is made where missing.
        pieces: what it is to hold.
        mode: permissions of the new file; None for what the umask leaves.
        owner: user and group id that the new file gets, where this process may give them.
        sync: whether it is on the disk before this returns.
    """
    draft = f"{path}.new"
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft)
    try:
        with os.fdopen(os.open(draft, _NEW, 0o666), "wb") as stream:
            if owner:
                # A group that the owner is not in cannot be kept, which is no reason to refuse the owner's own file.
                with contextlib.suppress(PermissionError):
                    os.fchown(stream.fileno(), *owner)
            if mode is not None:
                os.fchmod(stream.fileno(), mode)
            stream.writelines(pieces)
            stream.flush()
            if sync:
                os.fsync(stream.fileno())
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
        raise


def replace_text(path: str, pieces: Iterable[str], mode: int | None = None, owner: Owner = None, sync: bool = True) -> None:
    """As ``replace_bytes``, of text in UTF-8.

    Names of files need not be text in any encoding; such bytes, held as lone surrogates, go through unchanged.
    """
    replace_bytes(path, (piece.encode("utf-8", "surrogateescape") for piece in pieces), mode, owner, sync)
