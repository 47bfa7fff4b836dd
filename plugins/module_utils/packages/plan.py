"""The Python packages of the environment: the stack's lock, mmcv-full with its ops, and what the user adds."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.env import plan as env
from ansible_collections.codetr.provision.plugins.module_utils.miniconda import plan as miniconda
from ansible_collections.codetr.provision.plugins.module_utils.packages import mmcv
from ansible_collections.codetr.provision.plugins.module_utils.packages.params import Params
from ansible_collections.codetr.provision.plugins.module_utils.packages.probe import normal
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage

# OpenCV needs libGL and glib on a server; the others compile the packages that PyPI has only as sources.
SYSTEM_PACKAGES = ("libgl1", "libglib2.0-0", "g++", "git", "ca-certificates")
# Measured, or for stack cu113 the wheel's size and what CUDA 11's libraries take unpacked.
BYTES = {"cpu": 4_500_000_000, "cuda": 9_000_000_000}
SHADOWS = ("mmdet", "mmcv", "projects")


def ask(config: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Which environment to list."""
    return {"env": env.prefix_of(config, ctx), "shadows": list(SHADOWS)}


def pins(lock: str) -> dict[str, str]:
    """The versions that a hash-locked requirements text pins, by normalised name."""
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s\\;]+)", lock, re.M)
    return {normal(name): version for name, version in found}


def block(lock: str, names: tuple[str, ...]) -> str:
    """The entries of a hash-locked requirements text for the named projects, with their hashes."""
    entries = re.findall(r"^[A-Za-z0-9][\w.-]*==(?:.*\\\n)*.*\n", lock, re.M)
    return "".join(entry for entry in entries if normal(entry.split("==")[0]) in names)


def local_hashes(lock: str) -> dict[str, str]:
    """The sha256 of each project whose version has a local part (1.11.0+cu113): it is of one wheel, which the index does not have."""
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)==[^\s\\;]+\+\S+ \\\n +--hash=sha256:(\w+)$", lock, re.M)
    return {normal(name): sha256 for name, sha256 in found}


def plan(state: dict[str, Any], config: dict[str, Any], ctx: Context) -> Stage:
    """Install what is missing or differs, or keep. A foreign mmdet, mmcv or projects is named, and refused unless it may be removed."""
    current, version = state["packages"], ctx.stack["mmcv"]["version"]
    stage = Stage("packages", version=f"torch {ctx.stack['expect']['torch']}, mmcv-full {version}")
    source = mmcv.decide(stage, state, config, ctx, env.prefix_of(config, ctx))
    torch = _torch(stage, state, config, ctx)
    wanted = {**ctx.stack["pins"], **torch["wanted"], "mmcv-full": version}
    same = {name for name, version in wanted.items() if fits(current["dists"].get(name), version)}
    same -= {"mmcv-full"} if source.need else set()
    same -= set() if torch["conda_current"] else set(torch["wanted"])
    differ = sorted(set(wanted) - same)
    extra = sorted(config["codetr_packages_extra"])
    receipt = (state["receipts"].get("packages") or {}).get("remember", {})
    extra_done = receipt.get("extra", []) == extra
    interrupted = state["inprogress"].get("packages") is not None
    foreign = _foreign(current, config, ctx)
    compiles = source.compiles or (source.need and source.kind == "prebuilt" and bool(source.build))
    stage.system_packages = ctx.missing(state, [*SYSTEM_PACKAGES, *(source.system_packages if compiles else [])])
    _check_foreign(stage, current, config, foreign)
    locked = interrupted or bool(set(differ) - {"mmcv-full", *torch["wanted"]})
    params: Params = {
        "python": ctx.env_python(),
        "lock": locked,
        "lock_file": ctx.stack["lock_file"],
        "lock_first": ctx.stack["lock_first"],
        "locked": len(ctx.stack["pins"]),
        "pins": ctx.stack["pins"],
        "force": interrupted,
        "fetch": torch["fetch"] if locked else [],
        # A record that provision_artifacts changes is another file, and that is then the one to install.
        "rehash": {
            ctx.stack["lock_local"][normal(each["dest"].rsplit("/", 1)[-1].split("-")[0])]: each["sha256"]
            for each in torch["fetch"]
            if each["sha256"]
        },
        "conda": torch["conda"] if interrupted or not torch["conda_current"] else [],
        "mmcv": ctx.stack["mmcv"],
        "extra": extra,
        "install_extra": not extra_done,
        "foreign": foreign,
        "install_mmcv": source.need,
        "source": source.kind,
        "cached": source.cached,
        "prebuilt": source.prebuilt,
        "build": source.build,
        "why_not": " ".join(source.why_not).strip(),
        "key": source.key,
        "plain_key": source.plain_key,
        "wheels": f"{ctx.prefix}/cache/wheels/{source.key}",
        "index": index_of(config),
        "check": check_lines(ctx.stack["expect"]),
        "ours": sorted(wanted),
        "sbom": config["codetr_packages_sbom"],
    }
    stage.params = dict(params)
    wheel = source.prebuilt["name"] if source.kind == "prebuilt" else source.cached.get("key", source.key)
    stage.remember = {"extra": extra, "wheel": wheel if source.need else receipt.get("wheel", wheel), "lock": ctx.stack["lock_name"]}
    stage.sources = [*((ctx.stack["conda"] or {}).get("channels") or ctx.stack.get("wheels", [])), stage.remember["wheel"]]
    used = [*(stage.params["fetch"]), *([source.prebuilt] if source.need and source.kind == "prebuilt" else [])]
    stage.stand_in = any(each["stand_in"] for each in used) or any(
        ctx.artifacts.get(name, {}).get("stand_in", False) for name in (ctx.stack["conda"] or {}).get("channels", [])
    )
    unknown = [each["name"] for each in used if each["sha256"] is None]
    if unknown:
        stage.warnings.append(f"No published sha256 for {', '.join(unknown)}; downloaded unverified.")
    if not interrupted and not differ and not stage.system_packages and extra_done and not foreign:
        stage.reason = f"all {len(wanted)} packages are installed"
        return stage
    stage.action = "repair" if interrupted else "install" if not same else "update"
    stage.reason = _reason(interrupted, differ, len(wanted), source)
    stage.before = {name: current["dists"].get(name) for name in differ}
    stage.after = {name: wanted[name] for name in differ}
    if stage.system_packages:
        stage.after["system packages"] = stage.system_packages
    if foreign:
        stage.after["removed"] = foreign
    stage.disk = [{"path": ctx.prefix, "bytes": BYTES[ctx.stack["compute"]]}] if locked else []
    if differ and not config["codetr_packages_folder"]:
        urls = [(config["codetr_packages_index_url"] or ctx.pip_index, "Python packages")]
        urls += [(each["urls"][0], each["name"]) for each in used if each is not source.prebuilt]
        if source.kind == "prebuilt" and source.need and not source.build:
            name, why_not = source.prebuilt["name"], source.why_not[0].rstrip(".")
            urls.append((source.prebuilt["urls"][0], f"{name} (it cannot be compiled here either: {why_not})"))
        stage.needs = [{"url": url, "why": why} for url, why in urls if url]
    return stage


def _torch(stage: Stage, state: dict[str, Any], config: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Where torch comes from when it is not the package index.

    Returns:
        ``fetch``: artifact records of wheels with ``dest``; ``conda``: the command that installs it; ``conda_current``: whether conda's is
        there already, or is not asked for; ``wanted``: versions of what conda brings.
    """
    conda, expect = ctx.stack["conda"], ctx.stack["expect"]
    made: dict[str, Any] = {"fetch": [], "conda": [], "conda_current": True, "wanted": {}}
    if config["codetr_torch_source"] == "conda" and conda is None:
        stage.problem(
            f"codetr_torch_source=conda, and conda has no torch {expect['torch']} for stack {ctx.stack['name']}.",
            "Leave codetr_torch_source at wheels, or set codetr_stack=cu113.",
        )
    elif conda is not None and config["codetr_env_manager"] != "conda":
        stage.problem(
            f"codetr_torch_source=conda needs an environment that conda makes, and codetr_env_manager is {config['codetr_env_manager']}.",
            "Set codetr_env_manager=conda, or leave codetr_torch_source at wheels.",
        )
    elif conda is not None:
        name, version, build = conda["packages"][0].split("=")
        channels = [part for channel in conda["channels"] for part in ("--channel", channel)]
        argv = [f"{miniconda.prefix_of(config, ctx)}/bin/conda", "install", "--yes", "--quiet", "--prefix", env.prefix_of(config, ctx)]
        made["conda"] = [*argv, "--override-channels", *channels, *conda["packages"]]
        made["wanted"] = {project: expect[project] for project in ("torch", "torchvision")}
        made["conda_current"] = state["packages"]["conda"].get(name) == f"{version}-{build}"
    elif not config["codetr_packages_folder"]:
        made["fetch"] = [mmcv.fetched(ctx.artifacts[name], f"{ctx.prefix}/cache/wheels/torch") for name in ctx.stack.get("wheels", [])]
    return made


def check_lines(expect: dict[str, str]) -> list[dict[str, str]]:
    """The guide's own check lines: what they print, and what it must be."""
    lines = {
        "torch": "import torch; print(torch.__version__.split('+')[0])",
        "cuda": "import torch; print(torch.version.cuda)",
        "mmcv": "import mmcv; print(mmcv.__version__)",
    }
    checks = [{"code": code, "prints": expect[name]} for name, code in lines.items() if name in expect]
    return [*checks, {"code": "import mmcv.ops, mmcv._ext; print('ops load')", "prints": "ops load"}]


def _reason(interrupted: bool, differ: list[str], wanted: int, source: mmcv.Source) -> str:
    if interrupted:
        return "an earlier installation was interrupted"
    if not differ:
        return "system libraries or extra packages are missing"
    origins = {
        "cached": "mmcv-full from the wheel cache",
        "prebuilt": f"mmcv-full from {source.prebuilt.get('name')}",
        "build": "mmcv-full's ops are compiled, which takes minutes",
    }
    return f"{len(differ)} of {wanted} packages are missing or differ{'; ' + origins[source.kind] if source.need else ''}"


def fits(installed: str | None, version: str) -> bool:
    """Whether a version is the wanted one. Where no local part is asked for (+cu113), any will do: the check lines tell them apart."""
    return installed is not None and (installed == version or ("+" not in version and installed.split("+")[0] == version))


def index_of(config: dict[str, Any]) -> list[str]:
    """pip's options for where packages come from."""
    if config["codetr_packages_folder"]:
        return ["--no-index", "--find-links", config["codetr_packages_folder"]]
    options = ["--index-url", config["codetr_packages_index_url"]] if config["codetr_packages_index_url"] else []
    if config["provision_mirror"]:
        options = [*options, "--find-links", config["provision_mirror"].rstrip("/") + "/wheels/"]
    return options


def _check_foreign(stage: Stage, current: dict[str, Any], config: dict[str, Any], foreign: list[str]) -> None:
    if foreign and not config["codetr_packages_remove_foreign"]:
        stage.problem(
            f"The environment has {', '.join(foreign)}, which would be imported instead of Co-DETR's own.",
            "Set codetr_packages_remove_foreign=true to have it uninstalled, or use another environment.",
        )
    stray = [name for name in foreign if name in current["folders"] and name not in current["editable"]]
    if stray and config["codetr_packages_remove_foreign"]:
        stage.problem(
            f"{current['site']}/{stray[0]} belongs to no package that pip knows, and would be imported instead of Co-DETR's own.",
            "Move it away, then run again.",
        )


def _foreign(current: dict[str, Any], config: dict[str, Any], ctx: Context) -> list[str]:
    ours = config["codetr_repo_dest"] or f"{ctx.prefix}/Co-DETR"
    found = []
    for name in SHADOWS:
        points_at = current["editable"].get(name)
        if points_at and points_at.rstrip("/") == ours and name not in current["folders"]:
            continue
        if name in current["dists"] or points_at or (name in current["folders"] and name != "mmcv"):
            version = current["dists"].get(name)
            found.append(f"{name} {version}" if version else name)
    return found
