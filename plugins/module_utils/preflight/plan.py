"""Whether a host is one that can be provisioned, and the folder that everything of ours is under."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage

SYSTEM_PACKAGES = ("ca-certificates",)
GIB = 1 << 30
CLOCK_SECONDS = 300
MEMORY_LEAST = 2 * GIB
MEMORY_GOOD = 6 * GIB
SHM_GOOD = GIB // 2
ROOM_MARGIN = GIB // 2


def ask(config: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Nothing: the base sections hold what preflight judges."""
    return {}


def plan(state: dict[str, Any], config: dict[str, Any], ctx: Context) -> Stage:
    """Judge the host and plan the prefix. The room that all stages together need is judged by ``check_space`` afterwards."""
    stage = Stage("preflight", version=state["os"]["name"])
    _system(stage, state, ctx)
    _machine(stage, state)
    _prefix(stage, state, ctx)
    # What a driver's own compilation left half way is the driver's stage to mend.
    unfinished = [name for name in state["unfinished"] if not re.search(r"nvidia|^dkms$|^linux-", name)]
    if unfinished and not state["inprogress"]:
        stage.problem(
            f"An installation of packages was interrupted on this host: {', '.join(unfinished[:5])} "
            f"{'is' if len(unfinished) == 1 else 'are'} not configured, and every installation would fail on that.",
            f"Run {ctx.release.manager.to_mend()} on the host, then run again.",
        )
    stage.system_packages = ctx.missing(state, SYSTEM_PACKAGES)
    made = (state["disks"][ctx.prefix]["self"] or {}).get("type") == "dir"
    folders = [path for path in folders_of(ctx.prefix) if (state["disks"].get(path) or {}).get("self") is None]
    if made and not folders and not stage.system_packages:
        stage.reason = f"{ctx.prefix} exists, owned by {ctx.user}"
        return stage
    stage.action = "prepare"
    stage.reason = f"make {ctx.prefix} for {ctx.user}"
    stage.before = {"prefix": ctx.prefix if made else None}
    stage.after = {"prefix": ctx.prefix, "owner": ctx.user, "system packages": stage.system_packages}
    return stage


def folders_of(prefix: str) -> list[str]:
    """The folders that preflight makes."""
    return [prefix, f"{prefix}/receipts", f"{prefix}/cache", f"{prefix}/log"]


def folders_to_make(state: dict[str, Any], prefix: str) -> list[str]:
    """Those of them that are absent, or not as they are made: mode 0755, owned by who provisions."""
    owner, found = state["user"]["owner"], {path: state["disks"][path]["self"] or {} for path in folders_of(prefix)}
    made = {"type": "dir", "mode": 0o755, "uid": owner.get("uid"), "gid": owner.get("gid")}
    return [path for path, entry in found.items() if any(entry.get(key) != value for key, value in made.items())]


def _system(stage: Stage, state: dict[str, Any], ctx: Context) -> None:
    system, arch = state["os"], state["machine"]["arch"]
    if not ctx.release.supported:
        stage.problem(f"{system['name'] or 'This system'} is not supported.", f"Use a host with {ctx.releases.supported}.")
    elif ctx.release.package_manager not in system["package_managers"]:
        stage.problem(
            f"{system['name']} has no {ctx.release.package_manager} on this host.",
            f"Install {ctx.release.package_manager}, or use a full image of the distribution.",
        )
    if arch != "x86_64":
        stage.problem(
            f"The architecture {arch} is not supported.",
            "Use an x86_64 host: the wheels of torch 1.11.0 that are pinned here exist for no other.",
        )


def _machine(stage: Stage, state: dict[str, Any]) -> None:
    machine = state["machine"]
    total, shm = machine["memory"]["total"], (machine["shm"] or {}).get("total")
    drift = None if machine["epoch"] is None or state.get("controller_epoch") is None else machine["epoch"] - state["controller_epoch"]
    if total is not None and total < MEMORY_LEAST:
        stage.problem(
            f"The host has {total / GIB:.1f} GiB of memory; compiling and training need {MEMORY_LEAST / GIB:.0f} GiB at least.",
            "Use a larger host.",
        )
    elif total is not None and total < MEMORY_GOOD:
        stage.warnings.append(f"{total / GIB:.1f} GiB of memory is little for training; {MEMORY_GOOD / GIB:.0f} GiB is comfortable.")
    if shm is not None and shm < SHM_GOOD:
        stage.warnings.append(
            f"/dev/shm has {shm / (1 << 20):.0f} MiB, and torch's data loaders pass images through it. "
            "Give the container --shm-size=1g, or train with data.workers_per_gpu=0."
        )
    if drift is not None and abs(drift) > CLOCK_SECONDS:
        stage.problem(
            f"The host's clock is {abs(drift):.0f} s {'ahead of' if drift > 0 else 'behind'} the controller's, "
            "so that certificates and package lists may be refused.",
            "Set it, for example with `timedatectl set-ntp true`.",
        )


def _prefix(stage: Stage, state: dict[str, Any], ctx: Context) -> None:
    disk = state["disks"][ctx.prefix]
    owner = state["user"]["owner"]
    if not owner["exists"]:
        stage.problem(f"There is no user {owner['name']} on the host.", "Create it first, or set provision_user to one that exists.")
    if disk["self"] is not None and not (disk["self"]["type"] == "dir" or (disk["resolves"] and disk["parent_type"] == "dir")):
        stage.problem(
            f"provision_prefix {ctx.prefix} is a {disk['self']['type']}, not a folder.",
            "Move it away, or set provision_prefix to another path.",
        )
    elif disk["parent_type"] != "dir":
        stage.problem(
            f"{disk['parent']} is in the way of provision_prefix {ctx.prefix}: it is not a folder.", "Set provision_prefix to another path."
        )
    if (disk["room"] or {}).get("read_only"):
        stage.problem(
            f"The file system of {ctx.prefix} is mounted read-only.", "Mount it writable, or set provision_prefix to a path on another."
        )


# What can be put on another disk, by stage; a driver goes where the system is.
MOVES = {"nvidia_driver": "", "cuda_toolkit": "cuda_toolkit_prefix or cuda_toolkit_tmpdir", "datasets": "codetr_datasets_root"}


def check_space(stages: list[Stage], state: dict[str, Any]) -> list[dict[str, str]]:
    """What all stages together need on each file system, against what is free there.

    Returns:
        Problems, one per file system that is too small, with figures in GB.
    """
    wanted: dict[Any, dict[str, Any]] = {}
    for stage in stages:
        for need in stage.disk if stage.todo else []:
            disk = state["disks"].get(need["path"]) or {}
            room = disk.get("room")
            if room:
                blank = {"free": room["free"], "parent": disk["parent"], "bytes": ROOM_MARGIN, "for": [], "moves": []}
                entry = wanted.setdefault(room["device"], blank)
                entry["bytes"] += need["bytes"]
                entry["moves"].append(MOVES.get(stage.stage, "provision_prefix"))
                entry["for"].append(f"{stage.stage} {need['bytes'] / 1e9:.1f} GB")
    return [
        {
            "stage": "preflight",
            "message": f"The file system of {entry['parent']} has {entry['free'] / 1e9:.1f} GB free, and "
            f"{entry['bytes'] / 1e9:.1f} GB are needed ({', '.join(entry['for'])}, and working space).",
            "fix": "Free some space" + _elsewhere(entry["moves"]) + ".",
        }
        for entry in wanted.values()
        if entry["bytes"] > entry["free"]
    ]


def _elsewhere(moves: list[str]) -> str:
    names = [name for name in dict.fromkeys(moves) if name]
    return f", or put {' or '.join(names)} on a larger disk" if names else ""


def check_reachable(silent: dict[str, str], needs: list[dict[str, str]]) -> list[dict[str, str]]:
    """Problems for the addresses that do not answer. Of several addresses for one purpose, one that answers is enough.

    Args:
        silent: URL to why it does not answer.
        needs: ``{"url", "why", "stage"}`` of all stages.
    """
    problems = []
    for why in dict.fromkeys(need["why"] for need in needs):
        group = [need for need in needs if need["why"] == why]
        if all(need["url"] in silent for need in group):
            failures = "; ".join(f"{need['url']}: {silent[need['url']]}" for need in group)
            problems.append(
                {
                    "stage": group[0]["stage"],
                    "message": f"The host cannot reach what it needs for {why} ({failures}).",
                    "fix": "Check the address, the name server and the proxy (provision_environment), "
                    "or set provision_mirror to a mirror that the host can reach.",
                }
            )
    return problems
