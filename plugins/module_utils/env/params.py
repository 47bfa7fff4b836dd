"""What the role codetr_env, and the stages after it, read of the plan."""

from __future__ import annotations

from typing import TypedDict


class Planned(TypedDict):
    """What later stages read, whether or not the environment is made."""

    prefix: str
    python: str


class Params(Planned, total=False):
    """Parameters of the stage; the rest is there where an environment is made."""

    clean: bool
    cache: str
    argv: list[str]
