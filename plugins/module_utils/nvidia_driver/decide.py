"""Decide about the driver: skip, keep, install, replace or repair."""

from __future__ import annotations

import re
from dataclasses import replace

from ansible_collections.codetr.provision.plugins.module_utils.gpu import table as gpu_table
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import candidates, messages
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import present as nvidia_present
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.decision import CPU_FIX, Decision
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.facts import Facts
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.install import install
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.keep import keep
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.present import Present


def decide(facts: Facts) -> Decision:
    """The decision for a host, with every problem found."""
    decision = Decision(version=facts.version)
    reason = _reason_to_skip(facts)
    if reason is not None:
        return replace(decision, action="skip", reason=reason)
    decision = _with_driver(facts, facts.present, decision) if facts.present else _without_driver(facts, decision)
    return decision.warn(_fabric_manager(facts))


def _reason_to_skip(facts: Facts) -> str | None:
    """Why nothing is done about the driver; None where something is."""
    config = facts.config
    if not config["nvidia_driver_manage"]:
        return "nvidia_driver_manage is false"
    if facts.stack_refused:
        return "the stack does not fit this host"
    if not facts.gpus:
        return None if config["nvidia_driver_without_gpu"] else facts.no_gpu
    return "the cpu stack uses no GPU" if facts.stack["compute"] == "cpu" else None


def _without_driver(facts: Facts, decision: Decision) -> Decision:
    only = f" (only libraries of {facts.libraries['version']} are)" if facts.libraries else ""
    reason = f"no driver is installed for {messages.these(facts.gpus)}{only}" if facts.gpus else "requested without a GPU"
    return install(facts, replace(decision, action="install", reason=reason))


def _with_driver(facts: Facts, driver: Present, decision: Decision) -> Decision:
    version = driver["version"]
    if version is None:
        return decision.refuse(
            f"The version of the driver ({nvidia_present.WHOSE[driver['whose']]}) cannot be determined.",
            "Run playbooks/status.yml with -e provision_status_deep=true to query it, or set nvidia_driver_manage=false to leave it alone.",
        )
    branch, requested = gpu_table.branch_of(version), facts.requested
    # A GPU that the loaded driver has bound is one that it drives, whatever the table says.
    undriven = [gpu for gpu in facts.gpus if not gpu_table.drives(branch, gpu) and not (driver["loaded"] and gpu["driver"] == "nvidia")]
    title = f"driver {version} ({nvidia_present.WHOSE[driver['whose']]})"
    replaces = facts.config["nvidia_driver_replace"] and requested is not None
    if driver["broken"]:
        return _repair_broken(facts, driver, title, decision)
    if replaces and requested is not None and requested < branch:
        return _refuse_downgrade(facts, requested, title, decision)
    if replaces and requested is not None and requested > branch:
        return _replace(facts, driver, f"nvidia_driver_replace asks for {requested} instead of {title}", decision)
    if undriven or (facts.gpus and not facts.runs_stack(version)):
        return _does_not_fit(facts, driver, title, undriven, decision)
    reason = f"{title} can run the {facts.stack['name']} stack and is kept" if facts.gpus else f"{title} is installed"
    if requested is not None and requested > branch:
        reason += f"; nvidia_driver_branch={requested} replaces it only with nvidia_driver_replace=true"
    elif requested is not None and requested < branch:
        reason += f"; the older nvidia_driver_branch={requested} is not needed"
    return keep(facts, driver, replace(decision, reason=reason))


def _refuse_downgrade(facts: Facts, requested: int, title: str, decision: Decision) -> Decision:
    return decision.refuse(
        f"nvidia_driver_branch={requested} would replace the newer {title}; drivers are never downgraded.",
        "Leave nvidia_driver_branch at auto: the newer driver runs everything that the older one does"
        + (
            ". Or remove the driver yourself and run again."
            if candidates.offered(facts, requested)
            else f", and no known source has {requested}."
        ),
    )


def _does_not_fit(facts: Facts, driver: Present, title: str, undriven: list[dict[str, object]], decision: Decision) -> Decision:
    why = (
        f"it cannot drive {gpu_table.labels(undriven)}"
        if undriven
        else f"the {facts.stack['name']} stack needs {facts.least_driver()} or newer"
    )
    if driver["whose"] == nvidia_present.OUTSIDE:
        return decision.refuse(
            f"{messages.sentence(title)} does not fit: {why}.",
            f"Change it where it comes from (the host below this one, the cloud image, the container runtime), or {CPU_FIX}.",
        )
    if not facts.config["nvidia_driver_replace"]:
        return decision.refuse(
            f"{messages.sentence(title)} does not fit: {why}. It is not replaced unless you say so.",
            f"Set nvidia_driver_replace=true to replace it, or {CPU_FIX}.",
        )
    return _replace(facts, driver, f"{title} does not fit: {why}", decision)


def _replace(facts: Facts, driver: Present, reason: str, decision: Decision) -> Decision:
    """Replace the driver by a newer branch of a package source."""
    if driver["whose"] == nvidia_present.OUTSIDE:
        decision = decision.refuse(
            f"Driver {driver['version']} comes from outside this system, so this role cannot replace it.",
            "Change it where it comes from, or set nvidia_driver_replace=false to keep it.",
        )
    elif driver["whose"] == nvidia_present.RUNFILE:
        decision = decision.refuse(
            f"Driver {driver['version']} was installed by NVIDIA's installer (runfile); packages installed over it would break both.",
            "Run `nvidia-uninstall` on the host first, or set nvidia_driver_replace=false to keep it.",
        )
    held_by_us, packages = set(facts.remembered.get("held", [])), facts.probed["packages"]
    held = [name for name in nvidia_present.closure(facts.probed) if packages[name]["hold"] and name not in held_by_us]
    if held:
        decision = decision.warn(f"These packages are held on the host and change anyway, as nvidia_driver_replace asks: {' '.join(held)}.")
    return install(facts, replace(decision, action="replace", reason=reason), least=gpu_table.branch_of(str(driver["version"])))


def _repair_broken(facts: Facts, driver: Present, title: str, decision: Decision) -> Decision:
    """Packages of the driver are not configured."""
    names = ", ".join(driver["broken"][:3]) + (" ..." if len(driver["broken"]) > 3 else "")
    if not facts.ours:
        return decision.refuse(
            f"Packages of {title} are not fully configured: {names}.",
            f"Run {facts.release.manager.to_mend()} on the host, check the output, then run again.",
        )
    reason = f"an earlier installation stopped before {names} was configured"
    return install(facts, replace(decision, action="repair", reason=reason), exact=gpu_table.branch_of(str(driver["version"])))


def _fabric_manager(facts: Facts) -> str:
    """A warning where GPUs are joined by NVSwitch and the fabric manager of the driver's exact version is missing; else empty."""
    if not facts.live or not facts.probed.get("switches"):
        return ""
    packages = facts.probed["packages"]
    found = next((entry["version"] for name, entry in packages.items() if re.fullmatch(r"nvidia-fabricmanager(?:-\d+)?", name)), None)
    version = facts.present["version"] if facts.present else None
    if found and version and version in found:
        return ""
    return (
        "NVSwitch connects the GPUs of this host: CUDA fails with error 802 until nvidia-fabricmanager of exactly the driver's version "
        f"runs, and {f'{found} is installed' if found else 'none is installed'}. Install it from the driver's source and enable "
        "nvidia-fabricmanager.service."
    )
