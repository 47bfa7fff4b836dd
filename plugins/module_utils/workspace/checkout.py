"""What the workspace adds to the checkout: links, VS Code settings, notebook, and the exclude list that hides them from git."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils import notebook
from ansible_collections.codetr.provision.plugins.module_utils.jsonc import same
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage
from ansible_collections.codetr.provision.plugins.module_utils.workspace.texts import ENTRY_NAME, Settings, launch_entry, notebook_fill

INTERPRETER_KEY = "python.defaultInterpreterPath"
NOTEBOOK = "codetr_sandbox.ipynb"


def change(stage: Stage, what: str, before: Any, after: Any) -> None:
    """Note one difference for people."""
    stage.before[what], stage.after[what] = before, after


def plan_notebook(stage: Stage, current: dict[str, Any], config: dict[str, Any], settings: Settings, source: dict[str, str]) -> None:
    """The notebook is ours until somebody changes a cell. Called after ``files`` is set, whose list it joins."""
    if config["codetr_workspace_notebook"]:
        fill, path = notebook_fill(settings), f"{settings.repo}/{NOTEBOOK}"
        digest = notebook.render(source["text"], fill)[1]
        found = current["notebook"]
        if found is None or (found["digest"] not in (digest, None) and found["digest"] == found["marker"]):
            item = {"path": path, "src": source["src"], "sha256": source["sha256"], "notebook": fill, "mode": "0644"}
            stage.params["files"].append(item)
            change(stage, NOTEBOOK, "absent" if found is None else "an older one of ours", "as planned")
        elif found["digest"] != digest:
            stage.warnings.append(f"{path} has cells of somebody's own and is left alone. Rename it to get ours beside it.")


def plan_links(stage: Stage, current: dict[str, Any], config: dict[str, Any], settings: Settings, ctx: Context) -> None:
    """The link to the datasets, and one for each backbone that the user has; what is somebody else's stops the run."""
    stage.params["links"], stage.params["models"] = [], f"{settings.repo}/models" if config["codetr_workspace_backbones"] else ""
    link = f"{settings.repo}/data"
    if settings.data != link:
        found = current["links"][link]
        target = _target(link, found)
        former = target is not None and target in (stage.remember.get("data"), f"{ctx.prefix}/data")
        if found is None or (former and target != settings.data):
            stage.params["links"].append({"path": link, "target": settings.data})
            change(stage, "data", target, settings.data)
        elif target is None:
            stage.problem(
                f"{link} is somebody's own and stands where the link to the datasets in {settings.data} belongs.",
                f"Move what is in it to {settings.data} and remove it, or set codetr_datasets_root to {link}.",
            )
        elif target != settings.data:
            stage.problem(
                f"{link} is a link of somebody's own to {target}, and the datasets are in {settings.data}.",
                f"Remove it, or set codetr_datasets_root to {target}.",
            )
        stage.remember["data"] = settings.data
    for name, source in config["codetr_workspace_backbones"].items():
        link = f"{settings.repo}/models/{name}"
        if "/" in name or name in ("", ".", "..") or not str(source).startswith("/"):
            stage.problem(
                f"codetr_workspace_backbones: {name!r}: {source!r} is not a file name with an absolute path.",
                "Write it as swin_tiny_patch4_window7_224.pth: /absolute/path.",
            )
            continue
        found = current["links"][link]
        if not current["sources"][str(source)]:
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


def plan_vscode(stage: Stage, current: dict[str, Any], config: dict[str, Any], settings: Settings, ctx: Context) -> None:
    """Our entry is known by its name. An interpreter that the user chose stays."""
    stage.params["vscode"] = []
    wanted, folder, noted = config["codetr_workspace_vscode"], f"{settings.repo}/.vscode", stage.remember
    launch, preferences = f"{folder}/launch.json", f"{folder}/settings.json"
    for path, part in ((launch, current["entry"]), (preferences, current["interpreter"])):
        if part["error"] and (wanted or noted.get("vscode")):
            stage.warnings.append(f"{path} is not JSON with comments and is left alone: {part['error']}. Repair it, then run again.")
    entry, interpreter, ours = current["entry"]["value"], current["interpreter"]["value"], launch_entry(settings)
    edit = {"path": launch, "list_key": "configurations", "match": {"name": ENTRY_NAME}, "state": "present" if wanted else "absent"}
    if not current["entry"]["error"] and (not same(entry, ours) if wanted else entry is not None and noted.get("vscode")):
        stage.params["vscode"].append({**edit, "value": ours})
        change(stage, f".vscode/launch.json: {ENTRY_NAME}", entry, ours if wanted else None)
    is_ours = interpreter in (settings.python, noted.get("interpreter")) or str(interpreter).startswith(f"{ctx.prefix}/")
    if current["interpreter"]["error"] or (not wanted and not (is_ours and noted.get("vscode"))):
        pass
    elif wanted and interpreter is not None and not is_ours:
        stage.warnings.append(f"{preferences} names another interpreter ({interpreter}), which stays. The env's is {settings.python}.")
    elif interpreter != (settings.python if wanted else None):
        state = "present" if wanted else "absent"
        stage.params["vscode"].append({"path": preferences, "key": INTERPRETER_KEY, "state": state, "value": settings.python})
        change(stage, f".vscode/settings.json: {INTERPRETER_KEY}", interpreter, settings.python if wanted else None)
    stage.remember |= {"vscode": wanted, "interpreter": settings.python if wanted else None}


def plan_exclude(stage: Stage, current: dict[str, Any], config: dict[str, Any], settings: Settings) -> None:
    """Keep what we put into the checkout out of ``git status``, whatever its ``.gitignore`` says."""
    wanted = ["/data"] if settings.data != f"{settings.repo}/data" else []
    wanted += ["/.vscode/launch.json", "/.vscode/settings.json"] if config["codetr_workspace_vscode"] else []
    wanted += [f"/{NOTEBOOK}"] if config["codetr_workspace_notebook"] else []
    wanted += [f"/models/{name}" for name in config["codetr_workspace_backbones"]]
    stage.params["exclude"] = {}
    # In a linked work tree .git is a file, and the list belongs to another checkout.
    if wanted != current["exclude"] and (current["git"] or {"type": "dir"})["type"] == "dir":
        stage.params["exclude"] = {"path": f"{settings.repo}/.git/info/exclude", "block": "\n".join(wanted)}
        change(stage, ".git/info/exclude", current["exclude"], wanted)
