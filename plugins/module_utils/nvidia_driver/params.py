"""What the role nvidia_driver reads of the plan."""

from __future__ import annotations

from typing import Any, TypedDict


class TextFile(TypedDict):
    """A file with its content."""

    path: str
    text: str


class SourceFile(TextFile):
    """A file of sources that gets more components."""

    before: str
    mode: str


class Choice(TypedDict, total=False):
    """A package set as codetr_system_packages takes it."""

    packages: list[str]
    lead: str
    branch: str
    suite: str
    leave: bool


class Settings(TypedDict):
    """What every action of the role may have to set; for a driver that the role did not install, ``ours`` is false and nothing is set."""

    ours: bool
    hold_enabled: bool
    hold_file: TextFile | None
    nouveau: TextFile | None
    persistence: bool
    live: bool
    restart_timeout: int
    running: str
    kernels: list[str]
    sets: list[dict[str, Any]]
    unhold: list[str]
    source: str
    changes_driver: bool


class Params(Settings, total=False):
    """The rest is there where packages or NVIDIA's installer are used."""

    choices: list[Choice]
    branch: int
    sources: list[SourceFile]
    repository: dict[str, Any] | None
    record: dict[str, Any] | None
    installer: str
    unpacked: str
    arguments: list[str]
