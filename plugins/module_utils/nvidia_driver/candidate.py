"""One driver that could be installed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SOURCES = ("distribution", "nvidia", "runfile")


@dataclass(frozen=True)
class Candidate:
    """A branch from one source.

    Attributes:
        branch: the driver's branch.
        source: one of ``SOURCES``.
        sets: package sets that the host can take, the best first; see ``package_sets.of_distribution``.
        against: what rules out the other sets, by kind: kernel, secure, prebuilt, headers.
    """

    branch: int
    source: str
    sets: list[dict[str, Any]]
    against: dict[str, str] = field(default_factory=dict)
