"""States and config for tests: a bare Debian 12 host, and the same host with everything in place."""

from __future__ import annotations

import copy
import json
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils import planner
from ansible_collections.codetr.provision.plugins.module_utils.miniconda import plan as miniconda
from ansible_collections.codetr.provision.plugins.module_utils.repo import plan as repo
from ansible_collections.codetr.provision.plugins.plugin_utils import catalog, options

GB = 10**9
READ: dict[str, dict[str, Any]] = {}


def wanted(**given: Any) -> dict[str, Any]:
    """All config, with those given set."""
    return options.coerce(given)


def known(config: dict[str, Any]) -> dict[str, Any]:
    """The catalog, with no wheel cached unless a test says so."""
    # Files are read once for all plans that ask for the same ones; thousands of plans are made.
    names = ("provision_artifacts", "provision_mirror", "codetr_repo_edits", "codetr_repo_commit", "codetr_stack")
    asked = json.dumps([config[name] for name in names])
    if asked not in READ:
        READ[asked] = catalog.load(config)
    return {**READ[asked], "wheels": {}, "pip_index": "http://index.test/simple"}


def bare(config: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The state of a fresh Debian 12 VM with 4 processors, 16 GB of memory and 100 GB of disk."""
    config = config or wanted()
    asked = planner.questions(config, known(config))
    room = {"total": 200 * GB, "free": 100 * GB, "read_only": False, "device": 1}
    state: dict[str, Any] = {
        "user": {
            "login": "me",
            "uid": 1000,
            "owner": {
                "name": config["provision_user"] or "me",
                "exists": True,
                "uid": 1000,
                "gid": 1000,
                "group": "me",
                "home": "/home/me",
                "shell": "/bin/bash",
            },
        },
        "os": {
            "id": "debian",
            "version": "12",
            "codename": "bookworm",
            "like": [],
            "name": "Debian GNU/Linux 12 (bookworm)",
            "package_managers": ["apt"],
            "systemd": True,
        },
        "machine": {
            "arch": "x86_64",
            "kernel": "6.1.0-40-cloud-amd64",
            "python": [3, 11, 2],
            "cpus": 4,
            "epoch": 1.8e9,
            "memory": {"total": 16 * GB, "available": 15 * GB},
            "shm": {"total": 8 * GB, "free": 8 * GB, "read_only": False, "device": 2},
            "container": "",
        },
        "disks": {
            path: {"self": None, "resolves": False, "parent": "/opt", "parent_type": "dir", "room": dict(room)}
            for path in asked["base"]["paths"]
        },
        "gpus": [],
        "system_packages": dict.fromkeys(asked["base"]["system_packages"]),
        "unfinished": [],
        "receipts": {},
        "inprogress": {},
        "controller_epoch": 1.8e9,
        "miniconda": {"prefix": None, "empty": True, "conda": None, "condarc": None, "shell_init": False},
        "env": {"prefix": None, "empty": True, "kind": None, "python": None, "base": None},
        "packages": {"site": None, "dists": {}, "editable": {}, "folders": [], "conda": {}},
        "repo": {"dest": None, "empty": True, "git": False, "commit": None, "origin": None, "changed": [], "files": {}},
    }
    from ansible_collections.codetr.provision.plugins.module_utils.cuda_toolkit import probe as toolkit
    from ansible_collections.codetr.provision.plugins.module_utils.datasets import probe as datasets
    from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
    from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import probe as nvidia_driver
    from ansible_collections.codetr.provision.plugins.module_utils.workspace import probe as workspace

    nothing = Host("/nonexistent", {"commands": {}, "readings": {}})
    state["cuda_toolkit"] = toolkit.probe(nothing, asked["cuda_toolkit"])
    state["nvidia_driver"] = nvidia_driver.probe(nothing, asked["nvidia_driver"])
    state["datasets"] = datasets.probe(nothing, {**asked["datasets"], "home": "/home/me"})
    state["workspace"] = workspace.probe(nothing, {**asked["workspace"], "home": "/home/me"})
    for path, change in changes.items():
        node = state
        *heads, last = path.split("__")
        for head in heads:
            node = node[head]
        node[last] = change
    return state


def directory() -> dict[str, Any]:
    """What lstat says of a folder."""
    return {"type": "dir", "mode": 0o755, "uid": 1000, "gid": 1000, "size": 4096, "mtime": 1, "target": None}


def provisioned(config: dict[str, Any] | None = None) -> dict[str, Any]:
    """The state after conda, env, packages and repository were installed (data and workspace are tested on their own)."""
    config = config or wanted()
    state = copy.deepcopy(bare(config))
    have = known(config)
    stack = have["stacks"]["cpu"]
    for disk in state["disks"].values():
        disk.update(self=directory(), resolves=True)
    state["system_packages"] = dict.fromkeys(state["system_packages"], "1.0")
    state["miniconda"] = {
        "prefix": directory(),
        "empty": False,
        "conda": "24.11.1",
        "condarc": miniconda.condarc(config),
        "shell_init": False,
    }
    state["env"] = {"prefix": directory(), "empty": False, "kind": "conda", "python": "3.10.13", "base": None}
    ctx = planner.context(config, have, "cpu", state["user"]["owner"])
    dest = repo.dest_of(config, ctx)
    state["packages"] = {
        "site": "/x",
        "dists": {**have["locks"]["cpu-py310"]["pins"], "mmcv-full": stack["mmcv"]["version"]},
        "editable": {"mmdet": dest},
        "folders": [],
        "conda": {},
    }
    files = {
        path: {"sha256": entry["sha256_after"], "find": [0] * len(entry["edits"]), "replace": [edit["count"] for edit in entry["edits"]]}
        for path, entry in repo.entries(ctx, repo.groups_wanted(config, ctx)).items()
    }
    state["repo"] = {
        "dest": directory(),
        "empty": False,
        "git": True,
        "commit": config["codetr_repo_commit"],
        "origin": config["codetr_repo_url"],
        "changed": sorted(files),
        "files": files,
    }
    return state


def plan(state: dict[str, Any], config: dict[str, Any] | None = None, **catalog_changes: Any) -> dict[str, Any]:
    """Plan a state. Problems of the data and of the workspace are left out: their own tests make the states for them."""
    config = config or wanted()
    made = planner.build(state, config, {**known(config), **catalog_changes})
    made["problems"] = [problem for problem in made["problems"] if problem["stage"] not in ("datasets", "workspace")]
    return made
