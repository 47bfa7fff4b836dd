"""The Python packages of the environment: the stack's lock, mmcv-full with its ops, and what the user adds."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.plan import env
from ansible_collections.codetr.provision.plugins.module_utils.plan.stage import Context, Stage
from ansible_collections.codetr.provision.plugins.module_utils.probe.packages import normal

# OpenCV needs libGL and glib on a server; the others compile mmcv's ops and the packages that PyPI has only as sources.
APT = ("libgl1", "libglib2.0-0", "g++", "git", "ca-certificates")
APT_RENAMED = {("ubuntu", "24.04"): {"libglib2.0-0": "libglib2.0-0t64"}}
BYTES = 4_500_000_000
SHADOWS = ("mmdet", "mmcv", "projects")


def apt_names(os_release: dict[str, Any]) -> list[str]:
    """The Debian packages by the names that this distribution gives them."""
    renamed = APT_RENAMED.get((os_release["id"], os_release["version"]), {})
    return [renamed.get(name, name) for name in APT]


def ask(wishes: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Which environment to list."""
    return {"env": env.prefix_of(wishes, ctx), "shadows": list(SHADOWS)}


def pins(lock: str) -> dict[str, str]:
    """The versions that a hash-locked requirements text pins, by normalised name."""
    found = re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s\\;]+)", lock, re.M)
    return {normal(name): version for name, version in found}


def block(lock: str, names: tuple[str, ...]) -> str:
    """The entries of a hash-locked requirements text for the named projects, with their hashes."""
    entries = re.findall(r"^[A-Za-z0-9][\w.-]*==(?:.*\\\n)*.*\n", lock, re.M)
    return "".join(entry for entry in entries if normal(entry.split("==")[0]) in names)


def wheel_key(stack: dict[str, Any], os_release: dict[str, Any]) -> str:
    """The folder of the wheel cache that holds mmcv-full for a stack: everything that its compiled code depends on.

    The distribution counts because code compiled on a newer glibc does not load on an older one.
    """
    mmcv, tag = stack["mmcv"], "cp" + stack["python"].replace(".", "")
    system = f"x86_64-{os_release['id']}{os_release['version']}"
    return f"mmcv-full-{mmcv['version']}_torch-{stack['expect']['torch']}_{tag}_{system}_{stack['compute']}"


def plan(state: dict[str, Any], wishes: dict[str, Any], ctx: Context) -> Stage:
    """Install what is missing or differs, or keep. A foreign mmdet, mmcv or projects is named, and refused unless it may be removed."""
    here, mmcv = state["packages"], ctx.stack["mmcv"]
    wanted = {**ctx.stack["pins"], "mmcv-full": mmcv["version"]}
    same = {name for name, version in wanted.items() if plain(here["dists"].get(name)) == plain(version)}
    differ = sorted(set(wanted) - same)
    extra = sorted(wishes["codetr_packages_extra"])
    extra_done = (state["receipts"].get("packages") or {}).get("remember", {}).get("extra", []) == extra
    half = state["inprogress"].get("packages") is not None
    foreign = _foreign(here, wishes, ctx)
    stage = Stage("packages", version=f"torch {ctx.stack['expect']['torch']}, mmcv-full {mmcv['version']}")
    stage.apt = [name for name in apt_names(state["os"]) if state["apt"].get(name) is None]
    if foreign and not wishes["codetr_packages_remove_foreign"]:
        stage.problem(
            f"The environment has {', '.join(foreign)}, which would be imported in the place of Co-DETR's own.",
            "Set codetr_packages_remove_foreign=true to have it uninstalled, or use another environment.",
        )
    stray = [name for name in foreign if name in here["folders"] and name not in here["editable"]]
    if stray and wishes["codetr_packages_remove_foreign"]:
        stage.problem(
            f"{here['site']}/{stray[0]} belongs to no package that pip knows, and would be imported in the place of Co-DETR's own.",
            "Move it away, then run again.",
        )
    key = wheel_key(ctx.stack, state["os"])
    key_wheel = ctx.wheels.get(key, "")
    need_mmcv = half or "mmcv-full" in differ
    stage.params = {
        "python": ctx.env_python(),
        "env": env.prefix_of(wishes, ctx),
        "lock": half or bool(set(differ) - {"mmcv-full"}),
        "lock_file": ctx.stack["lock_file"],
        "lock_first": ctx.stack["lock_first"],
        "locked": len(ctx.stack["pins"]),
        "pins": ctx.stack["pins"],
        "force": half,
        "mmcv": mmcv,
        "extra": extra,
        "install_extra": not extra_done,
        "foreign": foreign,
        "build": need_mmcv and not key_wheel,
        "install_mmcv": need_mmcv,
        "wheel": key_wheel,
        "key": key,
        "wheels": f"{ctx.prefix}/cache/wheels/{key}",
        "jobs": wishes["codetr_packages_jobs"] or state["machine"]["cpus"] or 1,
        "expect": ctx.stack["expect"],
        "index": _index(wishes, ctx),
        "check": ctx.stack["check"],
    }
    stage.remember = {"extra": extra, "wheel": key}
    if not half and not differ and not stage.apt and extra_done and not foreign:
        stage.reason = f"all {len(wanted)} packages are there"
        return stage
    stage.action = "repair" if half else "install" if not same else "update"
    source = (
        "" if not need_mmcv else "; mmcv-full from the wheel cache" if key_wheel else "; mmcv-full's ops are compiled, which takes minutes"
    )
    stage.reason = (
        "an earlier installation was cut short"
        if half
        else (
            f"{len(differ)} of {len(wanted)} packages are missing or differ{source}"
            if differ
            else "system libraries or extra packages are missing"
        )
    )
    stage.before = {name: here["dists"].get(name) for name in differ}
    stage.after = (
        {name: wanted[name] for name in differ} | ({"apt": stage.apt} if stage.apt else {}) | ({"removed": foreign} if foreign else {})
    )
    stage.disk = [{"path": ctx.prefix, "bytes": BYTES}] if stage.params["lock"] else []
    stage.needs = [
        {"url": url, "why": "Python packages"} for url in ([wishes["codetr_packages_index_url"] or ctx.pip_index] if differ else []) if url
    ]
    return stage


def plain(version: str | None) -> str | None:
    """A version without its local part: 1.11.0+cu113 and 1.11.0 differ in build, which the compute target tells already."""
    return version.split("+")[0] if version else version


def _index(wishes: dict[str, Any], ctx: Context) -> list[str]:
    options = ["--index-url", wishes["codetr_packages_index_url"]] if wishes["codetr_packages_index_url"] else []
    if wishes["provision_mirror"]:
        options = [*options, "--find-links", wishes["provision_mirror"].rstrip("/") + "/wheels/"]
    return options


def _foreign(here: dict[str, Any], wishes: dict[str, Any], ctx: Context) -> list[str]:
    ours = wishes["codetr_repo_dest"] or f"{ctx.prefix}/Co-DETR"
    found = []
    for name in SHADOWS:
        points_at = here["editable"].get(name)
        if points_at and points_at.rstrip("/") == ours and name not in here["folders"]:
            continue
        if name in here["dists"] or points_at or (name in here["folders"] and name != "mmcv"):
            version = here["dists"].get(name)
            found.append(f"{name} {version}" if version else name)
    return found
