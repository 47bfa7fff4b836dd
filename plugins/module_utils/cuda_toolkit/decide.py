"""Decide about one wanted CUDA toolkit: keep, install, upgrade or repair it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.cuda_toolkit.wanted import Wanted, older
from ansible_collections.codetr.provision.plugins.module_utils.stage import Stage
from ansible_collections.codetr.provision.plugins.module_utils.version import numbers

RANK = ("repair", "upgrade", "install")


@dataclass(frozen=True)
class Decision:
    """What is done about one wanted toolkit: ``keep`` it, or an action that installs it at ``path``."""

    item: Wanted
    action: str
    path: str
    why: str
    installed: str = ""


def decide(stage: Stage, probed: dict[str, Any], prefix: str, earlier: dict[str, Any], item: Wanted) -> Decision:
    """Compare a wanted toolkit with what is installed.

    Args:
        probed: ``state["cuda_toolkit"]``.
        prefix: the folder that holds the toolkits.
        earlier: what the receipt of an earlier run remembers.
    """
    path = f"{prefix}/cuda-{item.minor}"
    at = next((entry for entry in probed["toolkits"] if entry["path"] == path), None)
    complete = [entry for entry in probed["toolkits"] if entry["minor"] == item.minor and entry["nvcc"] and entry["version"]]
    # The folder with the standard name is preferred to another one of the same minor version.
    complete.sort(key=lambda entry: (entry["path"] == path, numbers(entry["version"])), reverse=True)
    ours = bool(at and (at["marker"] or (at["packaged"] and earlier.get("toolkits", {}).get(item.minor, {}).get("source") == "nvidia")))
    if at and at["marker"] and at["marker"].get("state") != "whole":
        return Decision(item, "repair", path, f"the installation of CUDA {item.minor} was interrupted", at["version"] or "")
    if complete:
        best = complete[0]
        installed, origin = best["version"], "" if best["marker"] or (ours and best is at) else ", which this role did not install"
        if older(installed, item.version):
            if best is at and ours:
                return Decision(item, "upgrade", path, f"CUDA {installed} is older than {item.version}", installed)
            if item.exact:
                stage.problem(
                    f"{best['path']} holds CUDA {installed}, which this role did not install; {item.version} would go to the same folder.",
                    f"Set cuda_toolkit_versions to {item.minor} to use it as it is, or cuda_toolkit_prefix to another folder.",
                )
        return Decision(item, "keep", best["path"], f"CUDA {installed} is at {best['path']}{origin}", installed)
    # The package manager completes what it began; a runfile over it is refused by check_packaged.
    if at and not ours and not at["packaged"] and (at["type"] != "dir" or not at["empty"]):
        stage.problem(
            f"{path} exists, holds no readable, complete CUDA {item.minor} toolkit, and was not installed by this role.",
            "Move it away, or set cuda_toolkit_prefix to another folder.",
        )
        return Decision(item, "keep", path, f"{path} is in the way")
    if at and at["marker"] and not at["empty"]:
        return Decision(item, "repair", path, f"the CUDA {item.minor} toolkit of an earlier run is incomplete", at["version"] or "")
    return Decision(item, "install", path, f"CUDA {item.minor} is not installed")


def check_packaged(stage: Stage, probed: dict[str, Any], runs: list[Decision]) -> None:
    """Refuse runfiles over Debian packages."""
    for one in runs:
        if any(entry["path"] == one.path and entry["packaged"] for entry in probed["toolkits"]):
            stage.problem(
                f"{one.path} belongs to Debian packages, and a runfile would overwrite them.",
                "Set cuda_toolkit_source=nvidia, or set cuda_toolkit_prefix to another folder.",
            )
