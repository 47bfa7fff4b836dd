"""The exception of this package, and the fix that most of its messages end with."""

from __future__ import annotations

FETCH_AGAIN = "Move {path} away and run again; it is then extracted again from the archive"


class DatasetRefused(Exception):
    """The data set is not valid. The text is a message for users: what is wrong and how to fix it."""
