"""Where /usr/local/cuda points: at what was asked for, or else where it did before."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.stage import Stage
from ansible_collections.codetr.provision.plugins.module_utils.version import minor_of

DEFAULT = "/usr/local/cuda"


@dataclass(frozen=True)
class Link:
    """What is to become of the link.

    Attributes:
        target: what it is to point to; None for no link.
        change: whether it differs now.
        requested: what the option names, or None.
        free: false where the place is no link but somebody's own folder.
        was: what it pointed to when the host was found.
        remember: ``{"before", "after"}`` for the receipt, or None where the link is not ours.
    """

    target: str | None
    change: bool
    requested: str | None
    free: bool
    was: str | None
    remember: dict[str, Any] | None

    def set_after(self, runfiles: bool, packages: bool) -> bool:
        """Whether tasks put the link right: a runfile moves it on its own, and so may packages.

        Where there was none, NVIDIA's packages keep one among the system's alternatives, and take it away with themselves.
        """
        return self.free and (self.change or runfiles or (packages and (self.requested is not None or self.was is not None)))


def decide(
    stage: Stage, here: dict[str, Any], option: str, planned: dict[str, str], before: dict[str, Any], memory: dict[str, Any]
) -> Link:
    """Compare the link with the option, with the way the host was found, and with what an earlier run of ours did.

    Args:
        planned: the paths of all wanted toolkits by minor version.
        before: how the host was found, see ``toolkit.before_of``.
    """
    now = here["default"]
    free = now is None or now["type"] == "link"
    current = now["target"] if now and now["type"] == "link" else None
    earlier = memory.get("links", {}).get(DEFAULT)
    # Somebody who moved the link after us is the one that it belongs to.
    mine = bool(earlier and same(current, earlier["after"]))
    found = before["default"]
    if not option:
        target = earlier["before"] if mine and earlier else found
        # Before tasks run, the two differ only where we take something back or an earlier run was cut short.
        return Link(target, free and not same(target, current), None, free, found, None)
    there = {entry["minor"]: entry["path"] for entry in here["toolkits"] if entry["nvcc"]}
    path = {**there, **planned}.get(minor_of(option))
    if path is None:
        known = ", ".join(sorted({**there, **planned})) or "none"
        stage.problem(
            f"cuda_toolkit_default is {option}, and no such toolkit is there or asked for (known here: {known}).",
            "Add it to cuda_toolkit_versions, or choose another.",
        )
    elif not free:
        stage.problem(
            f"{DEFAULT} is somebody's own folder and no link, so it cannot be pointed at CUDA {minor_of(option)}.",
            "Move it away, or leave cuda_toolkit_default out.",
        )
    if path is None or not free:
        return Link(current, False, path, free, found, earlier if mine else None)
    first = earlier["before"] if mine and earlier else found
    return Link(path, not same(path, current), path, free, found, {"after": path, "before": first})


def same(one: str | None, other: str | None) -> bool:
    """Whether two targets of the link are one place, however they are written."""
    if one is None or other is None:
        return one is other
    return os.path.normpath(os.path.join("/usr/local", one)) == os.path.normpath(os.path.join("/usr/local", other))
