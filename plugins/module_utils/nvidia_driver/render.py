"""Turn the decision about the driver into the stage of a plan."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import files
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.candidate import Candidate
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.decision import Decision
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.facts import Facts
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.keep import blacklists_nouveau, wants_persistence
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.params import Choice, Params, Settings, TextFile
from ansible_collections.codetr.provision.plugins.module_utils.package_manager import nvidia_repository
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.apt import sources as apt_sources
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage

# Headers, compiler, driver and one compiled module, as measured on Debian 12: 387 MB of packages and 250 MB of module and build tree.
PACKAGE_BYTES = 900_000_000
RUNFILE_BYTES = 1_500_000_000
# For a record without a size.
INSTALLER_BYTES = 300_000_000
PRIORITY = 600
PATTERNS = "nvidia-* libnvidia-* cuda-drivers* libcuda1 cuda-compat*"


def render(decision: Decision, facts: Facts, state: dict[str, Any], config: dict[str, Any], ctx: Context) -> Stage:
    """The stage for a decision."""
    stage = Stage(
        "nvidia_driver",
        action=decision.action,
        reason=decision.reason,
        version=decision.version,
        stand_in=facts.stand_in,
        remember=dict(facts.remembered),
        warnings=list(decision.warnings),
        waits=list(decision.waits),
    )
    for message, fix in decision.problems:
        stage.problem(message, fix)
    if decision.changes:
        stage.after = {"driver": decision.version, "changes": list(decision.changes)}
    if decision.chosen and decision.completes:
        _completion(stage, decision, decision.chosen, facts)
    elif decision.chosen:
        _installation(stage, decision, decision.chosen, facts, state, config, ctx)
    elif decision.settings:
        stage.params = dict(_settings(decision, facts))
    return stage


def _settings(decision: Decision, facts: Facts) -> Settings:
    """What every action of the role may have to set."""
    return {
        "ours": facts.ours or bool(decision.chosen and not decision.completes),
        "hold_enabled": facts.config["nvidia_driver_hold"],
        "hold_file": _hold_file(facts),
        "nouveau": {"path": files.NOUVEAU_FILE, "text": files.NOUVEAU_TEXT} if blacklists_nouveau(facts) else None,
        "persistence": wants_persistence(facts),
        "live": facts.live,
        "restart_timeout": facts.config["provision_reboot_timeout"],
        "running": facts.probed["kernels"]["running"],
        "kernels": facts.kernels,
        "sets": [],
        "unhold": list(decision.unhold),
        "source": "",
        "changes_driver": False,
    }


def _hold_file(facts: Facts) -> TextFile | None:
    """The file that keeps unattended upgrades from the driver; None where holding its packages does."""
    found = facts.release.manager.unattended_file()
    return {"path": found[0], "text": found[1]} if found else None


def _completion(stage: Stage, decision: Decision, chosen: Candidate, facts: Facts) -> None:
    """Modules are added to the present driver."""
    (each,) = chosen.sets
    packages = [*each["packages"], *each["headers"]]
    choice: Choice = {"packages": packages, "lead": "", "branch": str(chosen.branch), "suite": "", "leave": True}
    params: Params = {
        **_settings(decision, facts),
        "sets": chosen.sets,
        "choices": [choice],
        "source": chosen.source,
        "branch": chosen.branch,
        "sources": [],
        "repository": None,
        "record": None,
    }
    stage.params = dict(params)
    stage.disk = [{"path": "/usr", "bytes": PACKAGE_BYTES}]
    stage.before = {"kernels without a module": facts.present["missing"] if facts.present else []}
    stage.after = {"kernels": facts.kernels, "packages": packages}


def _installation(
    stage: Stage, decision: Decision, chosen: Candidate, facts: Facts, state: dict[str, Any], config: dict[str, Any], ctx: Context
) -> None:
    """A driver is installed, replaced or repaired."""
    repair = decision.action == "repair"
    params: Params = {
        **_settings(decision, facts),
        "sets": [*({**each, "changes": False} for each in chosen.sets), *chosen.sets] if repair else chosen.sets,
        "choices": _choices(chosen, facts, repair),
        "source": chosen.source,
        "branch": chosen.branch,
        "changes_driver": facts.live and facts.loaded is not None,
        "sources": [],
        "repository": None,
        "record": None,
    }
    stage.disk = [{"path": "/usr", "bytes": RUNFILE_BYTES if chosen.source == "runfile" else PACKAGE_BYTES}]
    stage.before = {"driver": facts.present["version"] if facts.present else None}
    stage.after = {
        "driver": decision.version,
        "source": chosen.source,
        "kernels": facts.kernels,
        "packages": chosen.sets[0]["packages"],
    }
    if chosen.source == "distribution":
        _add_components(stage, params, chosen, facts)
    elif chosen.source == "nvidia":
        _add_repository(stage, params, state, config, ctx)
    else:
        _add_installer(stage, params, chosen, facts, state, ctx)
    stage.params = dict(params)


def _choices(chosen: Candidate, facts: Facts, repair: bool) -> list[Choice]:
    """The sets as codetr_system_packages takes them. A repair first tries to leave the installed versions as they are."""
    plain = [_choice(each, facts) for each in chosen.sets]
    if not repair:
        return plain
    installed = {name: facts.release.manager.exact(name, entry["version"]) for name, entry in facts.probed["packages"].items()}
    same: list[Choice] = [{**each, "packages": [installed.get(name, name) for name in each["packages"]], "leave": True} for each in plain]
    return [*same, *plain]


def _choice(each: dict[str, Any], facts: Facts) -> Choice:
    """All packages that are asked for by name."""
    # NVIDIA's installer has a daemon of its own, without a unit; Ubuntu's packages bring theirs.
    daemon = each["how"] != "runfile" and wants_persistence(facts) and facts.system["id"] == "debian"
    packages = [*each["packages"], *each["headers"], *(["nvidia-persistenced"] if daemon else [])]
    return {"packages": packages, "lead": each["lead"], "branch": str(each["branch"]), "suite": each["suite"] or ""}


def _add_components(stage: Stage, params: Params, chosen: Candidate, facts: Facts) -> None:
    """Components of the Debian archive."""
    if facts.system["id"] != "debian":
        return
    probed, first = facts.probed, chosen.sets[0]
    edits = apt_sources.with_components(probed["sources"], facts.release.codename, first["components"])
    # Whatever the archive is called on this host, its driver can be installed.
    if edits is None and first["lead"] in probed["candidates"]:
        edits = {}
    if edits is None:
        stage.problem(
            "No apt source of the Debian archive was found on this host, so its components cannot be added.",
            f"Add one with the components {' '.join(first['components'])}, or set nvidia_driver_source.",
        )
    params["sources"] = [
        {"path": path, "text": text, "before": probed["sources"][path], "mode": probed["source_modes"].get(path, "0644")}
        for path, text in (edits or {}).items()
    ]


def _add_repository(stage: Stage, params: Params, state: dict[str, Any], config: dict[str, Any], ctx: Context) -> None:
    """NVIDIA's repository."""
    repository = nvidia_repository.params(state, config, ctx, "nvidia_driver", PRIORITY, PATTERNS)
    params["repository"] = repository
    stage.needs = list(repository["needs"])
    stage.system_packages = ctx.missing(state, ["aria2", *ctx.release.manager.repository_needs])
    stage.stand_in = bool(repository["key"].get("stand_in"))


def _add_installer(stage: Stage, params: Params, chosen: Candidate, facts: Facts, state: dict[str, Any], ctx: Context) -> None:
    """NVIDIA's installer (runfile)."""
    record = ctx.artifacts[facts.table["runfile"][chosen.branch]["record"]]
    # A private folder for the installer to unpack into, so that a killed run leaves nothing behind.
    unpacked = f"{ctx.prefix}/cache/nvidia-driver"
    params["record"] = record
    params["installer"] = f"{ctx.prefix}/cache/{record['urls'][0].rsplit('/', 1)[-1]}"
    params["unpacked"] = unpacked
    params["arguments"] = _arguments(unpacked, facts.kernels)
    stage.needs = [{"url": url, "why": "the driver's installer"} for url in record["urls"]]
    stage.system_packages = ctx.missing(state, ["aria2", "ca-certificates"])
    stage.disk.append({"path": ctx.prefix, "bytes": record.get("size") or INSTALLER_BYTES})
    stage.stand_in = bool(record.get("stand_in"))


def _arguments(unpacked: str, kernels: list[str]) -> list[str]:
    """NVIDIA's installer, silent and headless, with DKMS, so that the next kernel gets a module too.

    Without ``--no-drm`` it ends by loading nvidia-drm, and fails where that cannot be: nouveau has the GPU, or there is none.
    """
    kernel = [f"--kernel-name={kernels[-1]}", f"--kernel-source-path=/lib/modules/{kernels[-1]}/build"] if kernels else []
    return [
        "--silent", "--dkms", "--no-drm", "--no-x-check", "--no-nouveau-check", "--no-opengl-files", "--no-install-compat32-libs",
        f"--tmpdir={unpacked}", *kernel,
    ]  # fmt: skip
