"""What the roles codetr_workspace and codetr_verify read of the plan."""

from __future__ import annotations

from typing import Any, TypedDict


class Params(TypedDict):
    """Parameters of the stage."""

    python: str
    repo: str
    config: str
    data: str
    verify_parent: str
    verify_out: str
    torch_home: str
    expect: dict[str, str]
    stand_ins: list[str]
    user: str
    group: str
    verify_environment: dict[str, str]
    roots: list[str]
    folders: list[str]
    reown: list[str]
    stale: list[str]
    files: list[dict[str, Any]]
    trees: list[dict[str, Any]]
    links: list[dict[str, Any]]
    models: str
    weights: list[dict[str, Any]]
    vscode: list[dict[str, Any]]
    exclude: dict[str, str]
