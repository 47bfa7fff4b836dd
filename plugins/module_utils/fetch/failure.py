"""What can go wrong with a fetch, as sentences."""

from __future__ import annotations

import enum
from urllib.parse import urlsplit, urlunsplit


class FetchFailure(Exception):
    """The artifact is not at its path. The text is for people: what happened and what to do."""


class Kind(enum.Enum):
    """What can be hoped for after a download has failed."""

    LOCAL = "this host cannot store the bytes: no URL helps"
    STALE = "the bytes that are here already do not fit what the server has: start anew"
    GONE = "this URL does not give the file: leave it"
    BUSY = "the server wants fewer or later requests: wait and ask first"
    UNREACHED = "nobody answers: wait a little"
    PASSING = "it may work the next time: wait"


class DownloadFailed(Exception):
    """One URL did not give the file; another may.

    Args:
        kind: what to do next.
        sentence: what the server or the network did, starting with a small letter so that it can follow the URL.
    """

    def __init__(self, kind: Kind, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.sentence = sentence


def public(url: str) -> str:
    """The URL without user name and password: messages end up in logs."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
