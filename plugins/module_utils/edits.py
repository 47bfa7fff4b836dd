"""Counted source edits: literal text, its replacement, and how many places it must have."""

from __future__ import annotations

import hashlib
from typing import Any


class EditError(Exception):
    """An edit does not fit the file. The text says which, and what was found."""


def edited(data: bytes, entry: dict[str, Any], back: bool = False) -> bytes:
    """The file's bytes with the entry's edits in place, or taken back.

    Args:
        data: the file's bytes.
        entry: ``{"path", "sha256_before", "sha256_after", "edits": [{"find", "replace", "count"}]}``
        back: take the edits back instead.

    Raises:
        EditError: the file is neither as committed nor as edited, a text has fewer or more places than the entry says, or the
            result's hash is wrong.
    """
    before, after = entry["sha256_before"], entry["sha256_after"]
    found, start, goal = hashlib.sha256(data).hexdigest(), after if back else before, before if back else after
    if found == goal:
        return data
    if found != start:
        raise EditError(
            f"{entry['path']} was changed by somebody: its sha256 is {found}, not {start}. Save your work (git diff), restore the file "
            f"with `git checkout -- {entry['path']}`, and run again."
        )
    text = data.decode("utf-8")
    for edit in reversed(entry["edits"]) if back else entry["edits"]:
        old, new = (edit["replace"], edit["find"]) if back else (edit["find"], edit["replace"])
        places = text.count(old)
        if places != edit["count"]:
            raise EditError(
                f"{entry['path']}: {old!r} stands in {places} places, the list of edits says {edit['count']}. The list "
                "does not fit this commit."
            )
        text = text.replace(old, new)
    result = text.encode("utf-8")
    if hashlib.sha256(result).hexdigest() != goal:
        raise EditError(f"{entry['path']}: after the edits its sha256 is not {goal}. The list of edits is wrong; nothing was written.")
    return result
