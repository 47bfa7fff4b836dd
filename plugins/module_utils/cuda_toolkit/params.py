"""What the role cuda_toolkit reads of the plan."""

from __future__ import annotations

from typing import Any, TypedDict


class Marker(TypedDict):
    """The text of a toolkit's marker while it is being installed, and afterwards."""

    begun: str
    whole: str


class Runfile(TypedDict):
    """A toolkit that is installed by its runfile."""

    version: str
    path: str
    clean: bool
    record: dict[str, Any]
    installer: str
    argv: list[str]
    log: str
    marker: Marker


class DefaultLink(TypedDict):
    """The default link: where it is to point, None for no link, and whether tasks set it."""

    path: str
    target: str | None
    set: bool


class TextFile(TypedDict):
    """A file with its content; ``ours`` where it is in the folder of the provisioned user."""

    path: str
    text: str
    ours: bool


class Before(TypedDict):
    """What the snapshot before the stage looks at, and which of our files and leftovers are about to come."""

    links: dict[str, str | None]
    watch: list[str]
    files: list[str]
    leftovers: list[str]


class Check(TypedDict):
    """A compiler that must be of a version."""

    nvcc: str
    minor: str


class Params(TypedDict):
    """Parameters of the stage."""

    runfiles: list[Runfile]
    repository: dict[str, Any] | None
    packages: list[str]
    link: DefaultLink
    files: list[TextFile]
    gone: list[str]
    stray: list[str]
    ldconfig: bool
    checks: list[Check]
    before: Before
