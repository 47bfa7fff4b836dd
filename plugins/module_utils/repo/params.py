"""What the role codetr_repo reads of the plan."""

from __future__ import annotations

from typing import Any, TypedDict


class Params(TypedDict):
    """Parameters of the stage."""

    dest: str
    part: str
    url: str
    commit: str
    clone: bool
    checkout: bool
    apply: list[Any]
    revert: list[Any]
    install: bool
    python: str
    index: list[str]
    sbom: bool
