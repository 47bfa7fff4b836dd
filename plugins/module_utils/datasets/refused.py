"""The exception of this package, and the way out that most of its sentences end with."""

from __future__ import annotations

FETCH_AGAIN = "Move {path} away and run again: it is then made anew from the archive"


class DatasetRefused(Exception):
    """The data set is not in order. The text is for people: what is wrong and what to do."""
