"""States of hosts with CUDA toolkits, for tests, and what the plan makes of them."""

from __future__ import annotations

import copy
import json
from typing import Any

from hostfacts import bare, plan, wanted

REAL = "11.4.4"
PATH = "/usr/local/cuda-11.4"
UBUNTU20 = {"os__id": "ubuntu", "os__version": "20.04", "os__name": "Ubuntu 20.04.6 LTS"}


def entry(path: str = PATH, version: str | None = REAL, **changes: Any) -> dict[str, Any]:
    """A complete toolkit that the role did not install, as the probe finds it."""
    minor = ".".join((version or path.rpartition("-")[2]).split(".")[:2])
    found = {
        "path": path,
        "type": "dir",
        "empty": False,
        "version": version,
        "minor": minor,
        "nvcc": True,
        "packaged": False,
        "marker": None,
    }
    return {**found, **changes}


def mark(state: str = "whole") -> dict[str, Any]:
    return {"record": "cuda-11.4.4-linux-x86_64", "sha256": "a" * 64, "version": REAL, "stand_in": False, "state": state}


def state_of(toolkits: list[dict[str, Any]] | None = None, config: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    state = bare(config or wanted(cuda_toolkit_versions=[REAL]), **changes)
    state["cuda_toolkit"]["toolkits"] = toolkits or []
    return state


def stage(toolkits: list[dict[str, Any]] | None = None, changes: dict[str, Any] | None = None, **given: Any) -> dict[str, Any]:
    """The stage's plan on a Debian 12 host with these toolkits."""
    config = wanted(**{"cuda_toolkit_versions": [REAL], **given})
    return dict(plan(state_of(toolkits, config, **(changes or {})), config)["stages"]["cuda_toolkit"])


def problem(toolkits: list[dict[str, Any]] | None = None, changes: dict[str, Any] | None = None, **given: Any) -> dict[str, str]:
    (found,) = stage(toolkits, changes, **given)["problems"]
    assert len(found["fix"]) > 15
    return dict(found)


def confirmed(made: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    """The state after the stage's tasks have run."""
    after = copy.deepcopy(state)
    here, params = after["cuda_toolkit"], made["params"]
    for run in params["runfiles"]:
        here["toolkits"] = [one for one in here["toolkits"] if one["path"] != run["path"]]
        here["toolkits"].append(entry(run["path"], run["version"], marker=json.loads(run["marker"]["whole"])))
    target = params["link"]["target"]
    here["default"] = None if target is None else {"type": "link", "target": target}
    for file in params["files"]:
        here["env" if file["ours"] else "files"][file["path"]] = file["text"]
    here["files"].update(dict.fromkeys(params["gone"]))
    here["ldconf"] = [path for path in here["ldconf"] if path not in params["stray"]]
    here["before"] = None
    after["receipts"]["cuda_toolkit"] = {"remember": made["remember"], "stand_in": made["stand_in"]}
    after["inprogress"].pop("cuda_toolkit", None)
    return after
