"""What the role codetr_datasets reads of the plan."""

from __future__ import annotations

from typing import Any, TypedDict


class Params(TypedDict):
    """Parameters of the stage."""

    root: str
    make_root: bool
    keep_archives: bool
    decode: str
    decoders: list[str]
    choice: dict[str, Any]
    links: dict[str, str]
    progress: str
    parts: list[dict[str, Any]]
