"""Plan CUDA toolkits side by side. Toolkits of the user and the target of /usr/local/cuda stay as they are."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.cuda_toolkit import link as toolkit_link
from ansible_collections.codetr.provision.plugins.module_utils.cuda_toolkit import probe as toolkit_probe
from ansible_collections.codetr.provision.plugins.module_utils.cuda_toolkit import texts as toolkit_texts
from ansible_collections.codetr.provision.plugins.module_utils.cuda_toolkit import wanted as toolkit_wanted
from ansible_collections.codetr.provision.plugins.module_utils.cuda_toolkit.decide import RANK, Decision, check_packaged, decide
from ansible_collections.codetr.provision.plugins.module_utils.cuda_toolkit.params import Params, Runfile, TextFile
from ansible_collections.codetr.provision.plugins.module_utils.cuda_toolkit.wanted import Wanted
from ansible_collections.codetr.provision.plugins.module_utils.package_manager import managers, nvidia_repository
from ansible_collections.codetr.provision.plugins.module_utils.snapshot import parse
from ansible_collections.codetr.provision.plugins.module_utils.snapshot import records as snapshot
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage

# The runfile's installer needs libxml2 and does not include it.
SYSTEM_PACKAGES_RUNFILE = ("aria2", "ca-certificates", "libxml2")
SYSTEM_PACKAGES = tuple(sorted({*SYSTEM_PACKAGES_RUNFILE, *managers.REPOSITORY_NEEDS}))
# Estimates, for records without a size: runfiles of 11.3 are 2.6 GB and grow from there. Unpacked, and then installed, CUDA 8 was 1.6 times
# its runfile (SlackBuilds' page on it), and nothing says that later ones are much different.
RUNFILE_BYTES = 3_600_000_000
GROWTH = 1.6


def tmpdir_of(config: dict[str, Any], ctx: Context) -> str:
    """The folder that a runfile is downloaded to and unpacks into."""
    return (config["cuda_toolkit_tmpdir"] or f"{ctx.prefix}/cache").rstrip("/")


def prefix_of(config: dict[str, Any]) -> str:
    """The folder that holds the toolkits."""
    return str(config["cuda_toolkit_prefix"].rstrip("/"))


def before_of(ctx: Context) -> str:
    """The state file with the host's state before the stage began: an installer changes the link on its own."""
    return parse.state_path(f"{ctx.prefix}/receipts", "cuda_toolkit")


def ask(config: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """What the probe asks."""
    return {
        "prefix": prefix_of(config),
        "folder": ctx.prefix,
        "default": toolkit_link.DEFAULT,
        "files": [toolkit_texts.PROFILE, toolkit_texts.LDCONF],
        "before": before_of(ctx),
        "paths": [prefix_of(config), tmpdir_of(config, ctx), *managers.CACHES],
    }


def plan(state: dict[str, Any], config: dict[str, Any], ctx: Context) -> Stage:
    """Install, upgrade or repair this role's toolkits, keep all others, and write or remove the files that announce toolkits."""
    stage, probed = Stage("cuda_toolkit"), state["cuda_toolkit"]
    interrupted = state["inprogress"].get("cuda_toolkit") is not None
    earlier = (state["receipts"].get("cuda_toolkit") or {}).get("remember") or {}
    items = toolkit_wanted.wanted(stage, config, ctx)
    decisions = [decide(stage, probed, prefix_of(config), earlier, item) for item in items]
    todo = [one for one in decisions if one.action in RANK]
    sources = {one.item.minor: toolkit_wanted.source(stage, state, config, ctx, one.item) for one in todo}
    runs = [one for one in todo if sources[one.item.minor] == "runfile"]
    packages = [one for one in todo if sources[one.item.minor] == "nvidia"]
    tmpdir = state["disks"].get(tmpdir_of(config, ctx)) or {}
    if runs and config["cuda_toolkit_tmpdir"] and not (tmpdir.get("resolves") and tmpdir["parent_type"] == "dir"):
        stage.problem(f"cuda_toolkit_tmpdir {tmpdir_of(config, ctx)} is no folder.", "Create it, or name an existing folder.")
    check_packaged(stage, probed, runs)
    found = {"default": (probed["default"] or {}).get("target"), "ldconf": probed["ldconf"]}
    before = _before(stage, ctx, probed, found) if interrupted else dict(found)
    if found["default"] is not None and not _leads_to_ours(probed, found["default"], [one.path for one in decisions]):
        # A link that was moved since a run was interrupted belongs to the user.
        before["default"] = found["default"]
    link = toolkit_link.decide(
        stage, probed, config["cuda_toolkit_default"], {one.item.minor: one.path for one in decisions}, before, earlier
    )
    files, gone = _files(probed, config, ctx, decisions, link)
    # An installer writes a linker file for its version. It is removed unless it existed before.
    ours = {one.item.minor for one in runs} | (
        {entry["minor"] for entry in probed["toolkits"] if entry["marker"]} if interrupted else set()
    )
    stray = [f"/etc/ld.so.conf.d/cuda-{minor.replace('.', '-')}.conf" for minor in sorted(ours)]
    stray = [path for path in stray if path not in before["ldconf"]]
    repository = nvidia_repository.params(state, config, ctx, "cuda_toolkit") if packages else None
    changes = [*(entry["path"] for entry in files), *gone, *([toolkit_link.DEFAULT] if link.change else [])]
    _name(stage, config, ctx, decisions, todo, changes, interrupted)
    needed = {*(SYSTEM_PACKAGES_RUNFILE if runs else ()), *(ctx.release.manager.repository_needs if packages else ())}
    stage.system_packages = ctx.missing(state, sorted(needed))
    runfiles = [_runfile(config, ctx, one) for one in runs]
    stage.remember = _remember(probed, earlier, config, ctx, decisions, sources, link, repository)
    params: Params = {
        "runfiles": runfiles,
        "repository": repository,
        "packages": [_package(one.item) for one in packages],
        "link": {"path": toolkit_link.DEFAULT, "target": link.target, "set": link.set_after(bool(runs), bool(packages))},
        "files": files,
        "gone": gone,
        "stray": stray,
        "ldconfig": bool(runs) or toolkit_texts.LDCONF in [*gone, *(entry["path"] for entry in files)] or bool(interrupted and stray),
        "checks": [{"nvcc": f"{one.path}/bin/nvcc", "minor": one.item.minor} for one in decisions],
        "before": {
            "links": {toolkit_link.DEFAULT: before["default"]},
            "watch": [toolkit_probe.LD_FILES],
            "files": stage.remember["files"],
            "leftovers": [*stray, *(run["installer"] for run in runfiles)],
        },
    }
    stage.params = dict(params)
    stage.needs = [{"url": url, "why": f"the CUDA {one.item.version} toolkit"} for one in runs for url in (one.item.record or {})["urls"]]
    stage.needs += repository["needs"] if repository else []
    stage.disk = _room(config, ctx, runs, packages)
    stage.stand_in = any(entry.get("stand_in") for entry in stage.remember["toolkits"].values())
    stage.warnings += [text for text in (toolkit_wanted.compiler_warning(state, ctx, one.item) for one in decisions) if text]
    stage.before = {"toolkits": {one.item.minor: one.installed or None for one in todo}, "default": before["default"]}
    stage.after = {
        "toolkits": {one.item.minor: {"version": one.item.version, "path": one.path, "from": sources[one.item.minor]} for one in todo},
        "default": link.target,
        "changes": changes,
        "system packages": stage.system_packages,
    }
    return stage


def _leads_to_ours(probed: dict[str, Any], target: str, planned: list[str]) -> bool:
    marked = [entry["path"] for entry in probed["toolkits"] if entry["marker"]]
    return any(toolkit_link.same(target, path) for path in [*marked, *planned])


def _before(stage: Stage, ctx: Context, probed: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The host's state before an interrupted run; its present state where that run had not written it yet."""
    try:
        state = parse.parse(probed["before"], before_of(ctx))
    except snapshot.StateError as error:
        stage.problem(*error.args[0].split(". ", 1))
        state = None
    return {"default": state.before.links.get(toolkit_link.DEFAULT), "ldconf": sorted(state.before.files)} if state else dict(found)


def _runfile(config: dict[str, Any], ctx: Context, one: Decision) -> Runfile:
    record, tmpdir = one.item.record or {}, tmpdir_of(config, ctx)
    installer = f"{tmpdir}/{record['urls'][0].rsplit('/', 1)[-1]}"
    about = {
        "record": one.item.record_name,
        "sha256": record["sha256"],
        "stand_in": bool(record.get("stand_in")),
        "version": one.item.version,
    }
    # --override skips only the installer's check of the compiler: the plan warns about an unsupported compiler, and the libraries are
    # useful without one.
    options = ["--silent", "--override", "--toolkit", f"--installpath={one.path}", f"--tmpdir={tmpdir}", "--no-man-page"]
    return {
        "version": one.item.version,
        "path": one.path,
        "clean": one.action != "install",
        "record": record,
        "installer": installer,
        "argv": ["sh", installer, *options],
        "log": f"{ctx.prefix}/log/cuda-{one.item.minor}.log",
        "marker": {"begun": _marker(about, "begun"), "whole": _marker(about, "whole")},
    }


def _marker(about: dict[str, Any], state: str) -> str:
    """The text of a toolkit's marker."""
    return json.dumps({**about, "state": state}, sort_keys=True) + "\n"


def _package(item: Wanted) -> str:
    """The package of the toolkit without a driver; with the patch where the user named one."""
    return f"cuda-toolkit-{item.minor.replace('.', '-')}" + (f"={item.version}-*" if item.exact else "")


def _files(
    probed: dict[str, Any], config: dict[str, Any], ctx: Context, decisions: list[Decision], link: toolkit_link.Link
) -> tuple[list[TextFile], list[str]]:
    """The files that differ, and those that are no longer wanted."""
    wanted = {f"{ctx.prefix}/cuda-{one.item.minor}.env": toolkit_texts.environment(one.path, ctx.prefix) for one in decisions}
    if config["cuda_toolkit_path"] and decisions:
        named = [one.path for one in decisions if one.path == link.requested] or [decisions[0].path]
        wanted[toolkit_texts.PROFILE] = toolkit_texts.environment(named[0], ctx.prefix, libraries=False)
    if config["cuda_toolkit_ldconfig"] and decisions:
        wanted[toolkit_texts.LDCONF] = toolkit_texts.libraries([one.path for one in decisions], ctx.prefix)
    present = {**probed["files"], **probed["env"]}
    files: list[TextFile] = [
        {"path": path, "text": text, "ours": os.path.dirname(path) == ctx.prefix}
        for path, text in wanted.items()
        if present.get(path) != text
    ]
    ours = toolkit_texts.head(ctx.prefix)
    return files, [path for path, text in probed["files"].items() if text is not None and text.startswith(ours) and path not in wanted]


def _name(
    stage: Stage,
    config: dict[str, Any],
    ctx: Context,
    decisions: list[Decision],
    todo: list[Decision],
    changes: list[str],
    interrupted: bool,
) -> None:
    """The action, its reason, and the version that the table shows."""
    stage.version = ", ".join(f"CUDA {one.item.version if one in todo else one.installed}" for one in decisions)
    if todo:
        stage.action = next(action for action in RANK if action in [one.action for one in todo])
        stage.reason = "; ".join(one.why for one in todo)
    elif interrupted:
        stage.action, stage.reason = "repair", "an earlier run was interrupted"
    elif changes:
        stage.action, stage.reason = "configure", ", ".join(changes) + (" differs" if len(changes) == 1 else " differ")
    elif decisions:
        stage.reason = "; ".join(one.why for one in decisions)
    else:
        asked = "cuda_toolkit_versions is empty" if not config["cuda_toolkit_versions"] else f"the {ctx.stack['name']} stack needs none"
        stage.action, stage.reason = "skip", asked


def _room(config: dict[str, Any], ctx: Context, runs: list[Decision], packages: list[Decision]) -> list[dict[str, Any]]:
    """What must be free: for the largest runfile and what it unpacks, since each goes before the next comes, and for all toolkits."""
    sizes = [(one.item.record or {}).get("size") or RUNFILE_BYTES for one in runs]
    disk = [{"path": tmpdir_of(config, ctx), "bytes": int(max(sizes) * (1 + GROWTH))}] if sizes else []
    disk += [{"path": prefix_of(config), "bytes": int(sum(sizes) * GROWTH)}] if sizes else []
    if packages:
        disk.append({"path": ctx.release.manager.cache, "bytes": len(packages) * RUNFILE_BYTES})
        disk.append({"path": prefix_of(config), "bytes": int(len(packages) * RUNFILE_BYTES * GROWTH)})
    return disk


def _remember(
    probed: dict[str, Any],
    remembered: dict[str, Any],
    config: dict[str, Any],
    ctx: Context,
    decisions: list[Decision],
    sources: dict[str, str],
    link: toolkit_link.Link,
    repository: dict[str, Any] | None,
) -> dict[str, Any]:
    """What removal needs: this role's toolkits, the link as it was, files, and the packages that tasks add."""
    paths, earlier = {entry["path"] for entry in probed["toolkits"]}, remembered.get("toolkits", {})
    toolkits = {name: entry for name, entry in earlier.items() if entry["path"] in paths}
    # Toolkits below another prefix are not probed, but belong to this role all the same.
    toolkits |= {entry["path"]: entry for entry in earlier.values() if os.path.dirname(entry["path"]) != prefix_of(config)}
    for entry in probed["toolkits"]:
        if entry["marker"]:
            about = {key: entry["marker"].get(key) for key in ("record", "sha256", "version", "stand_in")}
            toolkits[entry["minor"]] = {**about, "path": entry["path"], "source": "runfile"}
    for one in decisions:
        source, record = sources.get(one.item.minor), one.item.record or {}
        if source == "runfile":
            about = {"record": one.item.record_name, "sha256": record.get("sha256"), "stand_in": bool(record.get("stand_in"))}
            toolkits[one.item.minor] = {**about, "version": one.item.version, "path": one.path, "source": source}
        elif source == "nvidia":
            stand_in = bool(repository and repository["key"].get("stand_in"))
            toolkits[one.item.minor] = {"version": one.item.version, "path": one.path, "source": source, "stand_in": stand_in}
    files = {path for path in remembered.get("files", []) if path not in (toolkit_texts.PROFILE, toolkit_texts.LDCONF)}
    files |= {f"{ctx.prefix}/cuda-{one.item.minor}.env" for one in decisions} | set(repository["files"] if repository else [])
    if decisions:
        files |= {toolkit_texts.PROFILE} if config["cuda_toolkit_path"] else set()
        files |= {toolkit_texts.LDCONF} if config["cuda_toolkit_ldconfig"] else set()
    links = {toolkit_link.DEFAULT: link.remember} if link.remember else {}
    return {**snapshot.as_dict(snapshot.changes_from(remembered)), "toolkits": toolkits, "files": sorted(files), "links": links}
