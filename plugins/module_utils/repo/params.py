"""What the role codetr_repo reads of the plan."""

from __future__ import annotations

from typing import TypedDict


class Params(TypedDict):
    """Parameters of the stage."""

    dest: str
    part: str
    url: str
    commit: str
    clone: bool
    checkout: bool
    edits: dict[str, str]
    apply: list[str]
    revert: list[str]
    install: bool
    python: str
    index: list[str]
    sbom: bool
