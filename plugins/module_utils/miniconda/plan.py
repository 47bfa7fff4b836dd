"""Miniconda or Miniforge at a prefix of ours."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.miniconda.params import Params
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage
from ansible_collections.codetr.provision.plugins.module_utils.version import numbers

SYSTEM_PACKAGES = ("aria2", "bzip2", "ca-certificates")
INSTALLED_BYTES = 700_000_000
ANACONDA_CHANNELS = ("defaults", "main", "r", "anaconda", "pkgs/main", "pkgs/r")


def prefix_of(config: dict[str, Any], ctx: Context) -> str:
    """Where conda is or will be."""
    return config["miniconda_prefix"] or f"{ctx.prefix}/miniconda3"


def record_name(config: dict[str, Any]) -> str:
    """The artifact record that the config name."""
    return f"{config['miniconda_distribution']}-{config['miniconda_version']}-linux-x86_64"


def ask(config: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Where to look for a conda."""
    return {"prefix": prefix_of(config, ctx)}


def condarc(config: dict[str, Any]) -> str:
    """The text of PREFIX/.condarc: channels by name, and no interactive questions."""
    lines = ["# Written by codetr-provision.", "channels:", *(f"  - {name}" for name in config["miniconda_channels"])]
    if config["miniconda_channel_alias"]:
        lines.append(f"channel_alias: {config['miniconda_channel_alias']}")
    lines += ["auto_activate_base: false", "auto_update_conda: false", "notify_outdated_conda: false", "show_channel_urls: true"]
    return "\n".join(lines) + "\n"


def plan(state: dict[str, Any], config: dict[str, Any], ctx: Context) -> Stage:
    """Install, upgrade in place, repair what was cut short, write the configuration, or keep."""
    current, prefix, name = state["miniconda"], prefix_of(config, ctx), record_name(config)
    record = ctx.artifacts.get(name)
    stage = Stage("miniconda")
    if config["codetr_env_manager"] != "conda":
        stage.action, stage.reason = "skip", f"codetr_env_manager is {config['codetr_env_manager']}"
        return stage
    if " " in prefix:
        stage.problem(
            f"miniconda_prefix {prefix!r} contains a space, which conda's installer refuses.", "Choose a path without spaces."
        )
    anaconda = [channel for channel in config["miniconda_channels"] if channel in ANACONDA_CHANNELS or "repo.anaconda.com" in channel]
    if anaconda and not config["miniconda_accept_anaconda_terms"]:
        stage.problem(
            f"The channel {anaconda[0]} is subject to Anaconda's terms of service, which have not been accepted.",
            "Use conda-forge, or read the terms and set miniconda_accept_anaconda_terms=true.",
        )
    if record is None:
        known = ", ".join(sorted(key for key in ctx.artifacts if key.startswith(("miniconda3-", "miniforge3-"))))
        stage.problem(
            f"There is no artifact record {name}.", f"Add it to provision_artifacts with its URL and sha256, or choose one of: {known}."
        )
        return stage
    wanted = version_of(config["miniconda_version"])
    _decide(stage, state, current, prefix, wanted)
    init = config["miniconda_shell_init"] and not _initialised(state, current, prefix)
    todo = [name for name, differs in ((".condarc", current["condarc"] != condarc(config)), ("the shell start-up", init)) if differs]
    if stage.action == "keep" and todo:
        stage.action, stage.reason = "configure", "conda is installed; " + ", ".join(todo) + " differs"
    stage.stand_in = bool(record.get("stand_in")) and (
        stage.action in ("install", "upgrade", "repair") or bool((state["receipts"].get("miniconda") or {}).get("stand_in"))
    )
    stage.system_packages = ctx.missing(state, SYSTEM_PACKAGES) if stage.todo else []
    params: Params = {
        "prefix": prefix,
        "conda": f"{prefix}/bin/conda",
        "installer": f"{ctx.prefix}/cache/{record['urls'][0].rsplit('/', 1)[-1]}",
        "record": record,
        "run": stage.action in ("install", "upgrade", "repair"),
        "clean": stage.action == "repair" and current["conda"] is None,
        "condarc": condarc(config),
        "shell_init": init,
    }
    stage.params = dict(params)
    stage.version = f"conda {wanted if stage.params['run'] else current['conda']}"
    if stage.params["run"]:
        stage.needs = [{"url": url, "why": "the conda installer"} for url in record["urls"]]
        stage.disk = [{"path": ctx.prefix, "bytes": record.get("size") or 150_000_000}, {"path": prefix, "bytes": INSTALLED_BYTES}]
    stage.remember = (
        {"installer": name, "sha256": record["sha256"]}
        if stage.params["run"]
        else dict((state["receipts"].get("miniconda") or {}).get("remember", {}))
    )
    if config["miniconda_shell_init"]:
        stage.remember["shell_init"] = prefix
    stage.before = {"conda": current["conda"]}
    stage.after = {"conda": stage.version.split()[-1], "prefix": prefix, "changes": todo, "system packages": stage.system_packages}
    return stage


def _initialised(state: dict[str, Any], current: dict[str, Any], prefix: str) -> bool:
    """Whether the owner's bash knows conda; where that cannot be seen, what the last run wrote down counts."""
    if current["shell_init"] is not None:
        return bool(current["shell_init"])
    return bool((state["receipts"].get("miniconda") or {}).get("remember", {}).get("shell_init") == prefix)


def _decide(stage: Stage, state: dict[str, Any], current: dict[str, Any], prefix: str, wanted: str) -> None:
    interrupted = state["inprogress"].get("miniconda") is not None
    exists = current["prefix"] is not None and not current["empty"]
    if interrupted and exists:
        stage.action, stage.reason = "repair", "an earlier installation was interrupted"
    elif not exists:
        stage.action, stage.reason = "install", f"no conda is installed at {prefix}"
        if current["prefix"] is not None and current["prefix"]["type"] != "dir":
            stage.problem(
                f"miniconda_prefix {prefix} is a {current['prefix']['type']}, not a folder.",
                "Move it away, or set miniconda_prefix to another path.",
            )
    elif current["conda"] is None:
        stage.problem(f"{prefix} exists and holds something that is no conda.", "Move it away, or set miniconda_prefix to another path.")
    elif numbers(current["conda"]) < numbers(wanted):
        stage.action, stage.reason = "upgrade", f"conda {current['conda']} is older than {wanted}"
    elif numbers(current["conda"]) > numbers(wanted):
        stage.reason = f"conda {current['conda']} is newer than {wanted} and stays"
    else:
        stage.reason = f"conda {current['conda']} is installed" + ("" if state["receipts"].get("miniconda") else ", not by these roles")


def version_of(installer: str) -> str:
    """The conda version that an installer's version names: ``py310_24.11.1-0`` holds conda 24.11.1."""
    match = re.search(r"(\d+(?:\.\d+)+)", installer)
    return match.group(1) if match else installer
