"""What the role codetr_packages reads of the plan."""

from __future__ import annotations

from typing import Any, TypedDict


class Params(TypedDict):
    """Parameters of the stage."""

    python: str
    lock: bool
    lock_file: str
    lock_first: str
    locked: int
    pins: dict[str, str]
    force: bool
    fetch: list[dict[str, Any]]
    rehash: dict[str, str]
    conda: list[str]
    mmcv: dict[str, Any]
    extra: list[str]
    install_extra: bool
    foreign: list[str]
    install_mmcv: bool
    source: str
    cached: Any
    prebuilt: Any
    build: Any
    why_not: str
    key: str
    plain_key: str
    wheels: str
    index: list[str]
    check: list[dict[str, str]]
    ours: list[str]
    sbom: bool
