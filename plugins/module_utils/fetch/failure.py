"""What can go wrong with a fetch, as sentences."""

from __future__ import annotations

import os
from urllib.parse import urlsplit, urlunsplit


class FetchFailure(Exception):
    """The artifact is not at its path. The text is for people: what happened and what to do."""


class DownloadFailed(Exception):
    """One URL did not give the file; another may.

    Args:
        code: aria2's exit status, or -1 where aria2 was not involved.
        sentence: what the server or the network did, starting with a small letter so that it can follow the URL.
    """

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


def public(url: str) -> str:
    """The URL without user name and password: messages end up in logs."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def proxy_in_use(url: str) -> str:
    """The proxy that the environment names for this URL's scheme, without its password; empty where there is none."""
    for name in (urlsplit(url).scheme + "_proxy", "all_proxy"):
        value = os.environ.get(name) or os.environ.get(name.upper())
        if value:
            return public(value)
    return ""
