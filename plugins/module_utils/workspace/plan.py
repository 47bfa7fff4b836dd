"""The folder that users train from: environment file, wrappers, VS Code entry, links, backbone weights, notebook, verify package."""

from __future__ import annotations

import hashlib
import os
from pathlib import PurePosixPath
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
from ansible_collections.codetr.provision.plugins.module_utils.workspace.texts import ENTRY_NAME, Settings, environment_file, unquotable

SYSTEM_PACKAGES = ("aria2",)


def ask(config: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """The paths to probe."""
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
    """Compare every part with what is wanted. Whatever belongs to somebody else is left alone and named."""
    stage = Stage("workspace", version=PurePosixPath(config["codetr_workspace_config"]).stem)
    settings = _settings(config, ctx)
    current, uid = state["workspace"], state["user"]["owner"].get("uid")
    stage.remember = dict((state["receipts"].get("workspace") or {}).get("remember") or {})
    stage.params = {
        "python": settings.python,
        "repo": settings.repo,
        "config": settings.config,
        "data": settings.data,
        "verify_parent": settings.workspace,
        "verify_out": f"{settings.workspace}/verify-results",
        "torch_home": settings.torch_home,
        "expect": settings.expect,
        "stand_ins": settings.stand_ins,
        "user": ctx.user,
        "group": ctx.group,
        "verify_environment": {
            **settings.environment,
            "PYTHONPATH": settings.workspace,
            "TORCH_HOME": settings.torch_home,
            "MPLCONFIGDIR": f"{settings.cache}/matplotlib",
            "XDG_CACHE_HOME": settings.cache,
        },
    }
    _check(stage, current, config, ctx, settings)
    _plan_files(stage, current, ctx, settings, uid)
    plan_notebook(stage, current, config, settings, ctx.local["workspace"]["notebook"])
    plan_links(stage, current, config, settings, ctx)
    _plan_weights(stage, current, config, ctx, settings)
    plan_vscode(stage, current, config, settings, ctx)
    plan_exclude(stage, current, config, settings)
    stage.system_packages = ctx.missing(state, SYSTEM_PACKAGES) if stage.params["weights"] else []
    changes = list(stage.after)
    if not changes:
        stage.reason = f"everything is in place for {settings.config_name}"
        return stage
    stage.action = "install" if current["files"].get(f"{settings.workspace}/codetr.env") is None else "update"
    stage.reason = f"write {', '.join(changes[:3])}{f' and {len(changes) - 3} more' if len(changes) > 3 else ''}"
    return stage


def _repo(config: dict[str, Any], ctx: Context) -> str:
    return str(config["codetr_repo_dest"] or f"{ctx.prefix}/Co-DETR").rstrip("/")


def _weight_path(torch_home: str, name: str) -> str:
    return f"{torch_home}/hub/checkpoints/{name}.pth"


def _folders(config: dict[str, Any], ctx: Context) -> list[str]:
    workspace = f"{ctx.prefix}/workspace"
    packages = sorted({os.path.dirname(path) for path in ctx.local["workspace"]["verify"]["files"]})
    folders = [
        workspace,
        f"{workspace}/bin",
        *(f"{workspace}/verify/{path}".rstrip("/") for path in packages),
        f"{workspace}/verify-results",
    ]
    folders += [f"{ctx.prefix}/torch-home{part}" for part in ("", "/hub", "/hub/checkpoints")]
    return folders + ([] if config["codetr_workspace_work_dir"] else [f"{ctx.prefix}/work_dirs"])


def _settings(config: dict[str, Any], ctx: Context) -> Settings:
    # From what the controller knows, not from what this run does, so that it is the same in every run.
    used = {*config["codetr_workspace_weights"], *(part.name for part in parts_for(ctx.local["datasets"], config["codetr_datasets_names"]))}
    if config["codetr_env_manager"] == "conda":
        used |= {miniconda.record_name(config), *config["miniconda_channels"]}
    used |= set(ctx.earlier["packages"].sources or [])
    stand_ins = sorted(name for name, record in ctx.artifacts.items() if record["stand_in"] and name in used)
    if (ctx.edits or {}).get("stand_in"):
        stand_ins.append("Co-DETR")
    return Settings(
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


def _check(stage: Stage, current: dict[str, Any], config: dict[str, Any], ctx: Context, settings: Settings) -> None:
    if not 0 < settings.port < 65536:
        stage.problem(
            f"codetr_workspace_master_port is {settings.port}, and a port is a number from 1 to 65535.",
            "Leave it out for 29500, or give a free port.",
        )
    for name in unquotable(settings):
        stage.problem(
            f"The value of {name} in codetr.env has a quote or a line break in it.",
            "Choose paths and names without ' and without line breaks.",
        )
    if not current["config"]["found"] and not ctx.earlier["repo"].todo:
        stage.problem(
            f"There is no config {settings.config} in {settings.repo}.",
            "Set codetr_workspace_config to an existing path, relative to the checkout or absolute.",
        )
    given = {f"models/{name}" for name in config["codetr_workspace_backbones"]}
    for path in current["config"]["missing"]:
        if path not in given:
            stage.warnings.append(
                f"{settings.config} loads {path}, which does not exist. Training fails until codetr_workspace_backbones names that file."
            )


def _plan_files(stage: Stage, current: dict[str, Any], ctx: Context, settings: Settings, uid: int | None) -> None:
    """Folders, and the files that are ours as a whole. Their bytes stay on the controller until the module codetr_files carries them."""
    sources, workspace = ctx.local["workspace"], settings.workspace
    verify, content = sources["verify"], environment_file(settings)
    env = {"path": f"{workspace}/codetr.env", "content": content, "mode": "0644"}
    files = [(env, hashlib.sha256(content.encode()).hexdigest())]
    for name, source in sources["bin"].items():
        files.append(({"path": f"{workspace}/bin/{name}", **source, "mode": "0755"}, source["sha256"]))
    tree = {f"{workspace}/verify/{path}": digest for path, digest in verify["files"].items()}
    found = {**current["trees"], **current["files"]}
    folders = current["folders"]
    stage.params |= {
        "roots": [workspace, settings.repo],
        "folders": [path for path, status in folders.items() if status is None],
        # Only root can give them away.
        "reown": [path for path, status in folders.items() if status is not None and uid not in (None, status["uid"])],
        "files": [item for item, digest in files if not _matches(found.get(item["path"]), digest, item["mode"], uid)],
        "trees": [],
        "stale": [path for path in current["trees"] if path not in tree],
    }
    for item in stage.params["files"]:
        change(stage, item["path"].removeprefix(f"{workspace}/"), _before(found.get(item["path"])), "as planned")
    differing = [path for path, digest in tree.items() if not _matches(found.get(path), digest, "0644", uid)]
    if differing:
        stage.params["trees"] = [{"path": f"{workspace}/verify", "src": verify["src"], "sha256": verify["sha256"], "mode": "0644"}]
    if len(differing) == len(tree) and not any(path in found for path in tree):
        change(stage, f"verify/ ({len(tree)} files)", "absent", "as planned")
    else:
        for path in differing:
            change(stage, path.removeprefix(f"{workspace}/"), _before(found.get(path)), "as planned")
    for path in stage.params["folders"]:
        change(stage, f"{path}/", "absent", f"owned by {ctx.user}")
    for path in stage.params["reown"]:
        change(stage, f"{path}/", "somebody else's", f"owned by {ctx.user}")
    for path in stage.params["stale"]:
        change(stage, path.removeprefix(f"{workspace}/"), "left over", "absent")


def _matches(status: dict[str, Any] | None, sha256: str, mode: str, uid: int | None) -> bool:
    """Whether a file is on the host as it should be."""
    return status is not None and status["sha256"] == sha256 and status["mode"] == int(mode, 8) and uid in (None, status["uid"])


def _before(status: dict[str, Any] | None) -> str:
    return "absent" if status is None else "differs"


def _plan_weights(stage: Stage, current: dict[str, Any], config: dict[str, Any], ctx: Context, settings: Settings) -> None:
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
        path = _weight_path(settings.torch_home, name)
        found = current["weights"].get(path)
        stage.stand_in |= bool(record["stand_in"])
        if found is not None and found["sha256"] == record["sha256"]:
            continue
        stage.params["weights"].append({key: record[key] for key in ("name", "urls", "sha256", "size", "stand_in")} | {"dest": path})
        stage.needs.append({"url": record["urls"][0], "why": f"backbone weights {name}"})
        stage.disk.append({"path": path, "bytes": record["size"] or 0})
        change(stage, f"{name}.pth", found and found["sha256"], record["sha256"])
