"""The checkout of Co-DETR at a pinned commit, the stack's source edits in it, and its editable installation."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.packages import plan as packages
from ansible_collections.codetr.provision.plugins.module_utils.repo.params import Params
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage

SYSTEM_PACKAGES = ("git", "ca-certificates")
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
    """Clone, check out, edit, install or keep. The user's own changes are never overwritten; where they conflict, the run is refused."""
    current, dest, commit = state["repo"], dest_of(config, ctx), config["codetr_repo_commit"]
    names = groups_wanted(config, ctx)
    wanted, known = entries(ctx, names), entries(ctx)
    stage = Stage("repo", version=commit[:12], stand_in=bool((ctx.edits or {}).get("stand_in")))
    _check_edits(stage, config, ctx)
    clone = current["dest"] is None or current["empty"]
    if not clone and not current["git"]:
        stage.problem(f"{dest} exists and is not a git checkout.", "Move it away, or set codetr_repo_dest to another path.")
        return stage
    if not clone and current.get("error"):
        stage.problem(f"git cannot read the checkout {dest}: {current['error']}", "Repair it or move it away, then run again.")
        return stage
    move = not clone and current["commit"] != commit
    edit_states = {path: _edit_state(current["files"].get(path), entry) for path, entry in known.items()}
    apply = [path for path in wanted if clone or move or edit_states[path] == "before"]
    revert = [path for path in known if not clone and edit_states[path] == "after" and (move or path not in wanted)]
    own = sorted(path for path in current["changed"] if edit_states.get(path) not in ("after", "merged"))
    blocked = [path for path in wanted if not clone and not move and edit_states[path] == "foreign"]
    if own and (move or blocked):
        stage.problem(
            f"{dest} has local changes in {', '.join(own)}, and "
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
    stage.system_packages = ctx.missing(state, SYSTEM_PACKAGES)
    if own:
        stage.warnings.append(f"{dest} has local changes in {', '.join(own)}; they are left alone.")
    steps = [
        step
        for step, needed in (
            ("clone", clone),
            ("check out", move),
            ("take edits back", bool(revert)),
            ("edit", bool(apply)),
            ("install", install),
        )
        if needed
    ]
    if not steps and not stage.system_packages:
        places = sum(edit["count"] for entry in wanted.values() for edit in entry["edits"])
        stage.reason = f"commit {commit[:12]} is checked out, with {places} places edited"
        return stage
    stage.action = "clone" if clone else "checkout" if move else "edit" if apply or revert else "install"
    stage.reason = ", ".join(steps) or "git is missing"
    stage.before = {
        "commit": current["commit"],
        "edited": sorted(path for path, edit_state in edit_states.items() if edit_state == "after"),
        "installed": installed,
    }
    stage.after = {"commit": commit, "edited": sorted(wanted), "installed": True}
    if clone or move:
        stage.needs = [{"url": config["codetr_repo_url"], "why": "the repository"}] if config["codetr_repo_url"].startswith("http") else []
        stage.disk = [{"path": dest, "bytes": BYTES}] if clone else []
    return stage


def _check_edits(stage: Stage, config: dict[str, Any], ctx: Context) -> None:
    """Every group of edits that is asked for must exist; what a stack's file says of them is checked current and nowhere else."""
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


def _edit_state(found: dict[str, Any] | None, entry: dict[str, Any]) -> str:
    """``before`` or ``after`` our edits, by the file's hash; ``merged`` where they stand among other changes; else ``foreign``."""
    if found is None:
        return "foreign"
    if found["sha256"] == entry["sha256_before"]:
        return "before"
    if found["sha256"] == entry["sha256_after"]:
        return "after"
    pairs = list(zip(entry["edits"], found["find"], found["replace"], strict=True))
    removed = all(old == 0 or edit["find"] in edit["replace"] for edit, old, _unused in pairs)
    return "merged" if removed and all(new >= edit["count"] for edit, _unused, new in pairs) else "foreign"


def _installed(state: dict[str, Any], dest: str) -> bool:
    return any(path.rstrip("/") == dest for path in state["packages"]["editable"].values())
