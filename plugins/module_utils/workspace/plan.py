"""What users work with: environment file, wrappers, VS Code entry, links, backbone weights, notebook, and the verify package."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import parts_for
from ansible_collections.codetr.provision.plugins.module_utils.miniconda import plan as miniconda
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage
from ansible_collections.codetr.provision.plugins.module_utils.workspace.checkout import (
    INTERPRETER_KEY,
    NOTEBOOK,
    change,
    plan_exclude,
    plan_links,
    plan_notebook,
    plan_vscode,
)
from ansible_collections.codetr.provision.plugins.module_utils.workspace.texts import ENTRY_NAME, Desk, environment_file, unquotable

APT = ("aria2",)
# The package that bin/verify and the role codetr_verify run lies in that role, below the same folder.
VERIFY = Path("codetr_verify", "files", "verify")


def local(role_path: str) -> dict[str, Any]:
    """The role's own files on the controller: ``{"bin": {name: text}, "verify": {relative path: text}, "notebook": text}``."""
    role = Path(role_path)
    verify = role.parent / VERIFY
    return {
        "bin": {path.name: path.read_text(encoding="utf-8") for path in sorted((role / "templates" / "bin").iterdir())},
        "verify": {
            str(path.relative_to(verify)): path.read_text(encoding="utf-8")
            for path in sorted(verify.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        },
        "notebook": (role / "templates" / "codetr_sandbox.py").read_text(encoding="utf-8"),
    }


def ask(config: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """The paths that the plan compares."""
    workspace, repo, torch_home = f"{ctx.prefix}/workspace", _repo(config, ctx), f"{ctx.prefix}/torch-home"
    weights = [_weight_path(torch_home, name) for name in config["codetr_workspace_weights"]]
    backbones = config["codetr_workspace_backbones"]
    return {
        "repo": repo,
        "config": config["codetr_workspace_config"],
        "files": [f"{workspace}/codetr.env", *(f"{workspace}/bin/{name}" for name in ctx.local["workspace"]["bin"])],
        "trees": [f"{workspace}/verify"],
        "folders": _folders(config, ctx),
        "weights": weights,
        "links": [f"{repo}/data", *(f"{repo}/models/{name}" for name in backbones)],
        "sources": [str(path) for path in backbones.values()],
        "launch": f"{repo}/.vscode/launch.json",
        "entry": ENTRY_NAME,
        "settings": f"{repo}/.vscode/settings.json",
        "key": INTERPRETER_KEY,
        "notebook": f"{repo}/{NOTEBOOK}",
    }


def plan(state: dict[str, Any], config: dict[str, Any], ctx: Context) -> Stage:
    """Compare every part with what it is to be. What is somebody else's is left alone and named."""
    stage = Stage("workspace", version=Path(config["codetr_workspace_config"]).stem)
    desk = _desk(config, ctx)
    here, uid = state["workspace"], state["user"]["owner"].get("uid")
    stage.remember = dict((state["receipts"].get("workspace") or {}).get("remember") or {})
    stage.params = {
        "python": desk.python,
        "repo": desk.repo,
        "config": desk.config,
        "data": desk.data,
        "verify_parent": desk.workspace,
        "verify_out": f"{desk.workspace}/verify-results",
        "torch_home": desk.torch_home,
        "expect": desk.expect,
        "stand_ins": desk.stand_ins,
        "user": ctx.user,
        "group": ctx.group,
        "verify_environment": {
            **desk.environment,
            "PYTHONPATH": desk.workspace,
            "TORCH_HOME": desk.torch_home,
            "MPLCONFIGDIR": f"{desk.cache}/matplotlib",
            "XDG_CACHE_HOME": desk.cache,
        },
    }
    _check(stage, here, config, ctx, desk)
    _plan_files(stage, here, ctx, desk, uid)
    plan_notebook(stage, here, config, desk, ctx.local["workspace"]["notebook"])
    plan_links(stage, here, config, desk, ctx)
    _plan_weights(stage, here, config, ctx, desk)
    plan_vscode(stage, here, config, desk, ctx)
    plan_exclude(stage, here, config, desk)
    stage.apt = [name for name in APT if stage.params["weights"] and state["apt"].get(name) is None]
    changes = list(stage.after)
    if not changes:
        stage.reason = f"everything is in place for {desk.config_name}"
        return stage
    stage.action = "install" if here["files"].get(f"{desk.workspace}/codetr.env") is None else "update"
    stage.reason = f"write {', '.join(changes[:3])}{f' and {len(changes) - 3} more' if len(changes) > 3 else ''}"
    return stage


def _repo(config: dict[str, Any], ctx: Context) -> str:
    return str(config["codetr_repo_dest"] or f"{ctx.prefix}/Co-DETR").rstrip("/")


def _weight_path(torch_home: str, name: str) -> str:
    return f"{torch_home}/hub/checkpoints/{name}.pth"


def _folders(config: dict[str, Any], ctx: Context) -> list[str]:
    workspace = f"{ctx.prefix}/workspace"
    packages = sorted({os.path.dirname(path) for path in ctx.local["workspace"]["verify"]})
    folders = [
        workspace,
        f"{workspace}/bin",
        *(f"{workspace}/verify/{path}".rstrip("/") for path in packages),
        f"{workspace}/verify-results",
    ]
    folders += [f"{ctx.prefix}/torch-home{part}" for part in ("", "/hub", "/hub/checkpoints")]
    return folders + ([] if config["codetr_workspace_work_dir"] else [f"{ctx.prefix}/work_dirs"])


def _desk(config: dict[str, Any], ctx: Context) -> Desk:
    # From what the controller knows, not from what this run does: the same on every run.
    used = {*config["codetr_workspace_weights"], *(part.name for part in parts_for(config["codetr_datasets_names"]))}
    if config["codetr_env_manager"] == "conda":
        used |= {miniconda.record_name(config), *config["miniconda_channels"]}
    used |= set(ctx.earlier["packages"].sources or [])
    stand_ins = sorted(name for name, record in ctx.artifacts.items() if record["stand_in"] and name in used)
    if (ctx.edits or {}).get("stand_in"):
        stand_ins.append("Co-DETR")
    return Desk(
        workspace=f"{ctx.prefix}/workspace",
        repo=_repo(config, ctx),
        python=ctx.env_python(),
        config=config["codetr_workspace_config"],
        work_dir=config["codetr_workspace_work_dir"],
        work_dirs=f"{ctx.prefix}/work_dirs",
        data=(config["codetr_datasets_root"] or f"{ctx.prefix}/data").rstrip("/"),
        torch_home=f"{ctx.prefix}/torch-home",
        cache=f"{ctx.prefix}/cache",
        port=config["codetr_workspace_master_port"],
        stack=ctx.stack["name"],
        compute=ctx.stack["compute"],
        environment=dict(ctx.stack.get("environment", {})),
        expect=dict(ctx.stack["expect"]),
        stand_ins=stand_ins,
    )


def _check(stage: Stage, here: dict[str, Any], config: dict[str, Any], ctx: Context, desk: Desk) -> None:
    if not 0 < desk.port < 65536:
        stage.problem(
            f"codetr_workspace_master_port is {desk.port}, and a port is a number from 1 to 65535.",
            "Leave it out for 29500, or give a free port.",
        )
    for name in unquotable(desk):
        stage.problem(
            f"The value of {name} in codetr.env has a quote or a line break in it.",
            "Choose paths and names without ' and without line breaks.",
        )
    if not here["config"]["found"] and not ctx.earlier["repo"].todo:
        stage.problem(
            f"There is no config {desk.config} in {desk.repo}.",
            "Set codetr_workspace_config to a path that is there, relative to the checkout or absolute.",
        )
    given = {f"models/{name}" for name in config["codetr_workspace_backbones"]}
    for path in here["config"]["missing"]:
        if path not in given:
            stage.warnings.append(
                f"{desk.config} loads {path}, which is not there: training stops at once until codetr_workspace_backbones names that file."
            )


def _plan_files(stage: Stage, here: dict[str, Any], ctx: Context, desk: Desk, uid: int | None) -> None:
    """Folders, and the files that are ours as a whole."""
    sources = ctx.local["workspace"]
    wanted = {f"{desk.workspace}/codetr.env": (environment_file(desk), "0644")}
    wanted |= {f"{desk.workspace}/bin/{name}": (text, "0755") for name, text in sources["bin"].items()}
    wanted |= {f"{desk.workspace}/verify/{path}": (text, "0644") for path, text in sources["verify"].items()}
    there = {**here["trees"], **here["files"]}
    stage.params["folders"] = [path for path, found in here["folders"].items() if found is None or uid not in (None, found["uid"])]
    stage.params["stale"] = [path for path in here["trees"] if path not in wanted]
    stage.params["files"] = []
    for path, (content, mode) in wanted.items():
        found = there.get(path)
        if (
            found is None
            or found["sha256"] != hashlib.sha256(content.encode()).hexdigest()
            or found["mode"] != int(mode, 8)
            or uid not in (None, found["uid"])
        ):
            stage.params["files"].append({"path": path, "content": content, "mode": mode})
            change(stage, path.removeprefix(f"{desk.workspace}/"), "absent" if found is None else "differs", "as planned")
    for path in stage.params["folders"]:
        change(stage, f"{path}/", "absent" if here["folders"][path] is None else "somebody else's", f"owned by {ctx.user}")
    for path in stage.params["stale"]:
        change(stage, path.removeprefix(f"{desk.workspace}/"), "left over", "absent")


def _plan_weights(stage: Stage, here: dict[str, Any], config: dict[str, Any], ctx: Context, desk: Desk) -> None:
    stage.params["weights"] = []
    for name in config["codetr_workspace_weights"]:
        record = ctx.artifacts.get(name)
        if record is None:
            stage.problem(
                f"codetr_workspace_weights: there is no record {name!r}.",
                "Use resnet50-0676ba61, or add a record of that name to provision_artifacts.",
            )
            continue
        if record["sha256"] is None:
            stage.problem(
                f"The record {name} has no sha256, so that the weights cannot be checked.",
                "Add it in provision_artifacts, or leave the name out of codetr_workspace_weights.",
            )
            continue
        path = _weight_path(desk.torch_home, name)
        found = here["weights"].get(path)
        stage.stand_in |= bool(record["stand_in"])
        if found is not None and found["sha256"] == record["sha256"]:
            continue
        stage.params["weights"].append({key: record[key] for key in ("name", "urls", "sha256", "size", "stand_in")} | {"dest": path})
        stage.needs.append({"url": record["urls"][0], "why": f"backbone weights {name}"})
        stage.disk.append({"path": path, "bytes": record["size"] or 0})
        change(stage, f"{name}.pth", found and found["sha256"], record["sha256"])
