"""Failures of a fetch."""

from __future__ import annotations

import enum
from urllib.parse import urlsplit, urlunsplit


class FetchFailure(Exception):
    """The artifact could not be fetched. The text is a message for users: what happened and how to fix it."""


class Kind(enum.Enum):
    """What to do after a download has failed."""

    LOCAL = "this host cannot store the file: fail"
    STALE = "the partial file does not match the server's: start again"
    GONE = "this URL does not provide the file: skip it"
    BUSY = "the server is overloaded: wait, and probe before the next try"
    UNREACHED = "the server does not answer: wait a little"
    PASSING = "a temporary failure: wait and retry"


class DownloadFailed(Exception):
    """One URL did not provide the file; another may.

    Args:
        kind: what to do next.
        sentence: what the server or the network did, in lower case so that it can follow the URL.
    """

    def __init__(self, kind: Kind, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.sentence = sentence


def public(url: str) -> str:
    """Remove user name and password from a URL, for messages."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
