"""The request for a fetch (an artifact record with its destination), and its outcome."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ansible_collections.codetr.provision.plugins.module_utils.fetch.aria2 import Transfer
from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import FetchFailure, public

SCHEMES = ("http", "https", "ftp", "file")
OTHER_RECORD = "set another record in provision_artifacts, or a mirror that has the file in provision_mirror"


@dataclass(frozen=True)
class Request:
    """One artifact record and its destination.

    Attributes:
        sha256: of the whole file, or None when unknown, which is refused unless ``insecure_ok``.
        size: bytes, or None.
        mode: permission bits of the file.
        progress: path of the progress file, or empty.
    """

    name: str
    urls: list[str]
    dest: str
    sha256: str | None = None
    size: int | None = None
    mode: int = 0o644
    transfer: Transfer = field(default_factory=Transfer)
    insecure_ok: bool = False
    progress: str = ""


@dataclass(frozen=True)
class Outcome:
    """The file at the destination, or in check mode whether it would change (without hash and URL)."""

    changed: bool
    sha256: str | None = None
    size: int | None = None
    url: str | None = None
    resumed: bool = False


def validate(request: Request) -> None:
    """Refuse a record that cannot be fetched safely.

    Raises:
        FetchFailure: the text says what is wrong with it.
    """
    if not request.urls:
        raise FetchFailure(f"The record {request.name} has no URL; {OTHER_RECORD}.")
    for url in request.urls:
        if urlsplit(url).scheme not in SCHEMES or any(ord(letter) <= 32 for letter in url):
            schemes = ", ".join(SCHEMES)
            raise FetchFailure(f"{public(url)!r} in the record {request.name} is not a URL of {schemes} without spaces; {OTHER_RECORD}.")
    if request.sha256 is None and not request.insecure_ok:
        raise FetchFailure(
            f"The record {request.name} has no sha256, so the file cannot be verified. "
            "Set the sha256 in provision_artifacts, or allow this fetch without it.",
        )
    if request.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", request.sha256):
        fix = "Correct it in provision_artifacts"
        raise FetchFailure(f"{request.sha256!r} in the record {request.name} is not a sha256 (64 lower-case hexadecimal digits). {fix}.")
    if os.path.isdir(request.dest):
        fix = "Move the folder away, or choose another path"
        raise FetchFailure(f"{request.dest} is a folder, but {request.name} is a file to be placed there. {fix}.")
