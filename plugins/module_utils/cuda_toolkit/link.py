"""Decide where /usr/local/cuda points: at the requested toolkit, or else where it pointed before."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.stage import Stage
from ansible_collections.codetr.provision.plugins.module_utils.version import minor_of

DEFAULT = "/usr/local/cuda"


@dataclass(frozen=True)
class Link:
    """The planned link.

    Attributes:
        target: where it will point; None for no link.
        change: whether it points elsewhere now.
        requested: the path that the option names, or None.
        free: false where the place is a folder of the user's and no link.
        was: where it pointed before this role changed anything.
        remember: ``{"before", "after"}`` for the receipt, or None where this role does not set the link.
    """

    target: str | None
    change: bool
    requested: str | None
    free: bool
    was: str | None
    remember: dict[str, Any] | None

    def set_after(self, runfiles: bool, packages: bool) -> bool:
        """Whether tasks set the link: a runfile moves it on its own, and packages may.

        Where there was none, NVIDIA's packages manage one as an alternative of the system and remove it with themselves.
        """
        return self.free and (self.change or runfiles or (packages and (self.requested is not None or self.was is not None)))


def decide(
    stage: Stage, probed: dict[str, Any], option: str, planned: dict[str, str], before: dict[str, Any], remembered: dict[str, Any]
) -> Link:
    """Compare the link with the option, with its state before this role, and with what an earlier run set.

    Args:
        planned: the paths of all wanted toolkits by minor version.
        before: the host's state before this role changed anything, see ``plan.before_of``.
    """
    link = probed["default"]
    free = link is None or link["type"] == "link"
    current = link["target"] if link and link["type"] == "link" else None
    earlier = remembered.get("links", {}).get(DEFAULT)
    # A link that the user moved afterwards belongs to the user.
    set_by_us = bool(earlier and same(current, earlier["after"]))
    found = before["default"]
    if not option:
        target = earlier["before"] if set_by_us and earlier else found
        # Before tasks run, the two differ only where a setting is reverted or an earlier run was interrupted.
        return Link(target, free and not same(target, current), None, free, found, None)
    installed = {entry["minor"]: entry["path"] for entry in probed["toolkits"] if entry["nvcc"]}
    path = {**installed, **planned}.get(minor_of(option))
    if path is None:
        known = ", ".join(sorted({**installed, **planned})) or "none"
        stage.problem(
            f"cuda_toolkit_default is {option}, but that toolkit is neither installed nor requested (available: {known}).",
            "Add it to cuda_toolkit_versions, or choose another toolkit.",
        )
    elif not free:
        stage.problem(
            f"{DEFAULT} is a folder and not a link, so it cannot point to CUDA {minor_of(option)}.",
            "Move the folder away, or leave cuda_toolkit_default empty.",
        )
    if path is None or not free:
        return Link(current, False, path, free, found, earlier if set_by_us else None)
    first = earlier["before"] if set_by_us and earlier else found
    return Link(path, not same(path, current), path, free, found, {"after": path, "before": first})


def same(one: str | None, other: str | None) -> bool:
    """Whether two link targets are the same path, however they are written."""
    if one is None or other is None:
        return one is other
    return os.path.normpath(os.path.join("/usr/local", one)) == os.path.normpath(os.path.join("/usr/local", other))
