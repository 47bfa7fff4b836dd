"""The checkout of Co-DETR at a pinned commit, the stack's source edits in it, and its editable installation."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.packages import plan as packages
from ansible_collections.codetr.provision.plugins.module_utils.repo.params import Params
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage

APT = ("git", "ca-certificates")
BYTES = 400_000_000
# The group that codetr_workspace_print_arguments adds.
PRINT_ARGUMENTS = "print_arguments"


def dest_of(config: dict[str, Any], ctx: Context) -> str:
    """Where the checkout is or will be."""
    return config["codetr_repo_dest"] or f"{ctx.prefix}/Co-DETR"


def groups_wanted(config: dict[str, Any], ctx: Context) -> list[str]:
    """Names of the groups of edits that the stack and the options ask for."""
    return [*ctx.stack["edits"], *([PRINT_ARGUMENTS] if config["codetr_workspace_print_arguments"] else [])]


def entries(ctx: Context, names: list[str] | None = None) -> dict[str, dict[str, Any]]:
    """The edited files of the named groups (of all, for None), by path."""
    groups = (ctx.edits or {}).get("groups", {})
    return {entry["path"]: entry for name, group in groups.items() if names is None or name in names for entry in group["files"]}


def ask(config: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Where the checkout is, and the old and new texts to count in it."""
    files = {path: [{"find": edit["find"], "replace": edit["replace"]} for edit in entry["edits"]] for path, entry in entries(ctx).items()}
    return {"dest": dest_of(config, ctx), "files": files}


def plan(state: dict[str, Any], config: dict[str, Any], ctx: Context) -> Stage:
    """Clone, check out, edit, install, or keep. The user's own work is never overwritten: it stops the run and is named."""
    here, dest, commit = state["repo"], dest_of(config, ctx), config["codetr_repo_commit"]
    names = groups_wanted(config, ctx)
    wanted, known = entries(ctx, names), entries(ctx)
    stage = Stage("repo", version=commit[:12], stand_in=bool((ctx.edits or {}).get("stand_in")))
    _check_edits(stage, config, ctx)
    clone = here["dest"] is None or here["empty"]
    if not clone and not here["git"]:
        stage.problem(f"{dest} exists and is no git checkout.", "Move it away, or set codetr_repo_dest to another path.")
        return stage
    if not clone and here.get("error"):
        stage.problem(f"git cannot read the checkout {dest}: {here['error']}", "Repair it or move it away, then run again.")
        return stage
    move = not clone and here["commit"] != commit
    marks = {path: _mark(here["files"].get(path), entry) for path, entry in known.items()}
    apply = [path for path in wanted if clone or move or marks[path] == "before"]
    revert = [path for path in known if not clone and marks[path] == "after" and (move or path not in wanted)]
    own = sorted(path for path in here["changed"] if marks.get(path) not in ("after", "merged"))
    lost = [path for path in wanted if not clone and not move and marks[path] == "foreign"]
    if own and (move or lost):
        stage.problem(
            f"{dest} has changes of somebody's own in {', '.join(own)}, and "
            + (f"commit {commit[:12]} is to be checked out." if move else "our edits have to go into the same files."),
            f"Commit or stash them (`git -C {dest} stash`), or set codetr_repo_dest to another path. Nothing was changed.",
        )
    installed = _installed(state, dest)
    install = clone or not installed
    params: Params = {
        "dest": dest,
        "part": f"{dest}.codetr-part",
        "url": config["codetr_repo_url"],
        "commit": commit,
        "clone": clone,
        "checkout": move,
        "edits": {key: (ctx.edits or {}).get(key, "") for key in ("source", "sha256")},
        "apply": apply,
        "revert": revert,
        "install": install,
        "python": ctx.env_python(),
        "index": packages.index_of(config),
        "sbom": config["codetr_packages_sbom"],
    }
    stage.params = dict(params)
    stage.apt = [name for name in APT if state["apt"].get(name) is None]
    if own:
        stage.warnings.append(f"{dest} has changes of somebody's own in {', '.join(own)}; they are left alone.")
    steps = [
        word
        for word, do in (
            ("clone", clone),
            ("check out", move),
            ("take edits back", bool(revert)),
            ("edit", bool(apply)),
            ("install", install),
        )
        if do
    ]
    if not steps and not stage.apt:
        places = sum(edit["count"] for entry in wanted.values() for edit in entry["edits"])
        stage.reason = f"commit {commit[:12]} is checked out, with {places} places edited"
        return stage
    stage.action = "clone" if clone else "checkout" if move else "edit" if apply or revert else "install"
    stage.reason = ", ".join(steps) or "git is missing"
    stage.before = {
        "commit": here["commit"],
        "edited": sorted(path for path, mark in marks.items() if mark == "after"),
        "installed": installed,
    }
    stage.after = {"commit": commit, "edited": sorted(wanted), "installed": True}
    if clone or move:
        stage.needs = [{"url": config["codetr_repo_url"], "why": "the repository"}] if config["codetr_repo_url"].startswith("http") else []
        stage.disk = [{"path": dest, "bytes": BYTES}] if clone else []
    return stage


def _check_edits(stage: Stage, config: dict[str, Any], ctx: Context) -> None:
    """Every group of edits that is asked for must exist; what a stack's file says of them is checked here and nowhere else."""
    commit, name, printing = config["codetr_repo_commit"][:12], ctx.stack["name"], config["codetr_workspace_print_arguments"]
    groups = (ctx.edits or {}).get("groups", {})
    if ctx.stack["edits_required"] and not ctx.stack["edits"]:
        stage.problem(
            f"Stack {name} has edits_required: true and names no groups of edits.",
            f"Name groups under edits in the stack's file ({', '.join(groups) or 'none are listed for this commit'}), or set "
            "edits_required: false there.",
        )
    if ctx.edits is None:
        if ctx.stack["edits_required"] or printing:
            needs = f"stack {name}" if ctx.stack["edits_required"] else "codetr_workspace_print_arguments"
            stage.problem(
                f"There is no list of source edits for commit {commit}, and {needs} needs one.",
                "Use the default codetr_repo_commit, or set codetr_repo_edits to a file with edits for this commit.",
            )
        elif ctx.stack["edits"]:
            without = ", ".join(ctx.stack["edits"])
            stage.warnings.append(f"There is no list of source edits for commit {commit}; stack {name} goes without {without}.")
        return
    for group in [each for each in ctx.stack["edits"] if each not in groups]:
        stage.problem(
            f"Stack {name} names the group of edits {group}, which the list for commit {commit} lacks.",
            f"Add the group to {ctx.edits['source']}, or remove it from edits in the stack's file.",
        )
    if printing and PRINT_ARGUMENTS not in groups:
        stage.problem(
            f"The list of edits for commit {commit} has no group {PRINT_ARGUMENTS}.",
            f"Add it to {ctx.edits['source']}, or leave codetr_workspace_print_arguments off.",
        )


def _mark(have: dict[str, Any] | None, entry: dict[str, Any]) -> str:
    """``before`` and ``after`` by hash; ``merged`` when our edits stand in a file that somebody changed elsewhere; else ``foreign``."""
    if have is None:
        return "foreign"
    if have["sha256"] == entry["sha256_before"]:
        return "before"
    if have["sha256"] == entry["sha256_after"]:
        return "after"
    there = all(found == 0 or edit["find"] in edit["replace"] for found, edit in zip(have["find"], entry["edits"], strict=True))
    return (
        "merged"
        if there and all(found >= edit["count"] for found, edit in zip(have["replace"], entry["edits"], strict=True))
        else "foreign"
    )


def _installed(state: dict[str, Any], dest: str) -> bool:
    return any(path.rstrip("/") == dest for path in state["packages"]["editable"].values())
