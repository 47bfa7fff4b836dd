"""What the workspace puts into the checkout: links, VS Code settings, notebook, and the list that keeps git from counting them."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.jsonc import same
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage
from ansible_collections.codetr.provision.plugins.module_utils.workspace.texts import ENTRY_NAME, Desk, launch_entry, notebook

INTERPRETER_KEY = "python.defaultInterpreterPath"
NOTEBOOK = "codetr_sandbox.ipynb"


def change(stage: Stage, what: str, before: Any, after: Any) -> None:
    """Note one difference for people."""
    stage.before[what], stage.after[what] = before, after


def plan_notebook(stage: Stage, here: dict[str, Any], config: dict[str, Any], desk: Desk, source: str) -> None:
    """The notebook is ours until somebody changes a cell; after ``files``, whose list it joins."""
    if config["codetr_workspace_notebook"]:
        text, digest = notebook(source, desk)
        found = here["notebook"]
        if found is None or (found["digest"] not in (digest, None) and found["digest"] == found["mark"]):
            stage.params["files"].append({"path": f"{desk.repo}/{NOTEBOOK}", "content": text, "mode": "0644"})
            change(stage, NOTEBOOK, "absent" if found is None else "an older one of ours", "as planned")
        elif found["digest"] != digest:
            stage.warnings.append(f"{desk.repo}/{NOTEBOOK} has cells of somebody's own and is left alone. Rename it to get ours beside it.")


def plan_links(stage: Stage, here: dict[str, Any], config: dict[str, Any], desk: Desk, ctx: Context) -> None:
    """The link to the datasets, and one for each backbone that the user has; what is somebody else's stops the run."""
    stage.params["links"], stage.params["models"] = [], f"{desk.repo}/models" if config["codetr_workspace_backbones"] else ""
    link = f"{desk.repo}/data"
    if desk.data != link:
        found = here["links"][link]
        target = _target(link, found)
        former = target is not None and target in (stage.remember.get("data"), f"{ctx.prefix}/data")
        if found is None or (former and target != desk.data):
            stage.params["links"].append({"path": link, "target": desk.data})
            change(stage, "data", target, desk.data)
        elif target is None:
            stage.problem(
                f"{link} is somebody's own and stands where the link to the datasets in {desk.data} belongs.",
                f"Move what is in it to {desk.data} and remove it, or set codetr_datasets_root to {link}.",
            )
        elif target != desk.data:
            stage.problem(
                f"{link} is a link of somebody's own to {target}, and the datasets are in {desk.data}.",
                f"Remove it, or set codetr_datasets_root to {target}.",
            )
        stage.remember["data"] = desk.data
    for name, source in config["codetr_workspace_backbones"].items():
        link = f"{desk.repo}/models/{name}"
        if "/" in name or name in ("", ".", "..") or not str(source).startswith("/"):
            stage.problem(
                f"codetr_workspace_backbones: {name!r}: {source!r} is not a file name with an absolute path.",
                "Write it as swin_tiny_patch4_window7_224.pth: /absolute/path.",
            )
            continue
        found = here["links"][link]
        if not here["sources"][str(source)]:
            stage.problem(f"codetr_workspace_backbones: {source} is not on the host.", "Put the file there, or leave the backbone out.")
        elif found is not None and found["type"] != "link":
            stage.problem(f"{link} is a file of somebody's own.", f"Move it away, or leave {name} out of codetr_workspace_backbones.")
        elif _target(link, found) != source:
            stage.params["links"].append({"path": link, "target": source})
            change(stage, f"models/{name}", _target(link, found), source)


def _target(link: str, found: dict[str, Any] | None) -> str | None:
    """Where a link leads, as an absolute path; None for what is no link."""
    if found is None or found["type"] != "link":
        return None
    return os.path.normpath(os.path.join(os.path.dirname(link), found["target"]))


def plan_vscode(stage: Stage, here: dict[str, Any], config: dict[str, Any], desk: Desk, ctx: Context) -> None:
    """Our entry is known by its name. An interpreter that somebody chose himself stays."""
    stage.params["vscode"] = []
    wanted, launch, settings = config["codetr_workspace_vscode"], f"{desk.repo}/.vscode/launch.json", f"{desk.repo}/.vscode/settings.json"
    for path, part in ((launch, here["entry"]), (settings, here["interpreter"])):
        if part["error"] and (wanted or stage.remember.get("vscode")):
            stage.warnings.append(
                f"{path} is left as it is, because it cannot be read as JSON with comments: {part['error']}. Mend it, then run again."
            )
    entry, interpreter, ours = here["entry"]["value"], here["interpreter"]["value"], launch_entry(desk)
    edit = {"path": launch, "list_key": "configurations", "match": {"name": ENTRY_NAME}, "state": "present" if wanted else "absent"}
    if not here["entry"]["error"] and (not same(entry, ours) if wanted else entry is not None and stage.remember.get("vscode")):
        stage.params["vscode"].append({**edit, "value": ours})
        change(stage, f".vscode/launch.json: {ENTRY_NAME}", entry, ours if wanted else None)
    mine = interpreter in (desk.python, stage.remember.get("interpreter")) or str(interpreter).startswith(f"{ctx.prefix}/")
    if here["interpreter"]["error"] or (not wanted and not (mine and stage.remember.get("vscode"))):
        pass
    elif wanted and interpreter is not None and not mine:
        stage.warnings.append(f"{settings} names another interpreter ({interpreter}), which is left there. The env's is {desk.python}.")
    elif interpreter != (desk.python if wanted else None):
        stage.params["vscode"].append(
            {"path": settings, "key": INTERPRETER_KEY, "state": "present" if wanted else "absent", "value": desk.python}
        )
        change(stage, f".vscode/settings.json: {INTERPRETER_KEY}", interpreter, desk.python if wanted else None)
    stage.remember |= {"vscode": wanted, "interpreter": desk.python if wanted else None}


def plan_exclude(stage: Stage, here: dict[str, Any], config: dict[str, Any], desk: Desk) -> None:
    """What we put into the checkout is no change of it, whatever its ``.gitignore`` says."""
    wanted = ["/data"] if desk.data != f"{desk.repo}/data" else []
    wanted += ["/.vscode/launch.json", "/.vscode/settings.json"] if config["codetr_workspace_vscode"] else []
    wanted += [f"/{NOTEBOOK}"] if config["codetr_workspace_notebook"] else []
    wanted += [f"/models/{name}" for name in config["codetr_workspace_backbones"]]
    stage.params["exclude"] = {}
    # In a linked work tree .git is a file, and the list belongs to another checkout.
    if wanted != here["exclude"] and (here["git"] or {"type": "dir"})["type"] == "dir":
        stage.params["exclude"] = {"path": f"{desk.repo}/.git/info/exclude", "block": "\n".join(wanted)}
        change(stage, ".git/info/exclude", here["exclude"], wanted)
