"""What the role miniconda reads of the plan."""

from __future__ import annotations

from typing import Any, TypedDict


class Params(TypedDict):
    """Parameters of the stage."""

    prefix: str
    conda: str
    installer: str
    record: dict[str, Any]
    run: bool
    clean: bool
    condarc: str
    shell_init: bool
