"""Keep the present driver: complete it, configure it, load it, or wait for a reboot."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.gpu import table as gpu_table
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import candidates, files, install, messages
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import present as nvidia_present
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.decision import CPU_FIX, Decision, wait_for_restart
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.facts import Facts
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.present import Present

# Signers that every host with secure boot accepts; any other is the host's own key, enrolled or not.
DISTRIBUTION_SIGNERS = r"Canonical Ltd\.|Debian Secure Boot"


def keep(facts: Facts, driver: Present, decision: Decision) -> Decision:
    """Decide what the driver still lacks.

    Args:
        decision: says that the driver is kept.
    """
    branch, missing = gpu_table.branch_of(str(driver["version"])), ", ".join(driver["missing"])
    if facts.live and facts.probed["library"] is None:
        return _without_library(facts, driver, decision)
    if facts.interrupted and facts.ours and (missing or not _all_installed(facts)):
        return _repair(facts, decision, "an earlier installation was interrupted", branch)
    if missing and facts.ours and not driver["dkms"]:
        return _repair(facts, decision, f"{decision.version} has no module for kernel {missing}", branch)
    works = driver["loaded"] is not None and not driver["drift"]
    if missing and (facts.ours or (facts.live and not works)):
        return _complete(facts, driver, decision)
    if missing and facts.live:
        decision = decision.warn(
            f"{messages.sentence(decision.version)} has no module for kernel {missing}, which boots next, and will not work then. "
            + _next_kernel(facts, driver, driver["missing"][-1])
        )
    if facts.ours:
        decision = _configure(facts, decision)
    if facts.interrupted and facts.ours and not decision.todo:
        decision = replace(decision, action="configure", reason="an earlier installation was interrupted before its receipt was written")
    return _bring_up(facts, driver, decision) if facts.live else decision


def _repair(facts: Facts, decision: Decision, reason: str, branch: int) -> Decision:
    return install.install(facts, replace(decision, action="repair", reason=reason), exact=branch)


def _all_installed(facts: Facts) -> bool:
    """Whether an interrupted installation had installed all it asked for; then the driver is not touched again."""
    if facts.unfinished is None:
        return False
    note = facts.unfinished.note
    asked = [name for name in note.requested if re.match(r"(?:lib)?nvidia|cuda", name)]
    return bool(asked or note.uninstall) and all(name in facts.probed["packages"] for name in asked)


def _without_library(facts: Facts, driver: Present, decision: Decision) -> Decision:
    """The module may work, but no CUDA program can use it."""
    branch = gpu_table.branch_of(str(driver["version"]))
    if facts.ours:
        return _repair(facts, decision, f"{decision.version} lacks its CUDA library", branch)
    name = f"libnvidia-compute-{branch}" if facts.system["id"] == "ubuntu" else "libcuda1"
    return decision.refuse(
        f"Driver {driver['version']} ({nvidia_present.WHOSE[driver['whose']]}) has no CUDA library (libcuda.so.1).",
        f"Install the library from the driver's source (package {name} of the distribution), or {CPU_FIX}.",
    )


def _complete(facts: Facts, driver: Present, decision: Decision) -> Decision:
    """Add modules of the same kind for the kernels that lack one, and nothing else."""
    origin = "" if facts.ours else f" ({nvidia_present.WHOSE[driver['whose']]})"
    lacks = f"driver {driver['version']}{origin} has no module for kernel {', '.join(driver['missing'])}"
    found = candidates.completion(facts, driver)
    if found is None:
        return decision.refuse(
            f"{messages.sentence(lacks)}.",
            f"{_next_kernel(facts, driver, driver['missing'][-1])} Or {CPU_FIX}.",
        )
    if not found.sets:
        return decision.refuse(
            f"{messages.sentence(lacks)}, and none can be added: {'; '.join(found.against.values())}.",
            install.fix(facts, set(found.against), found.branch),
        )
    return replace(
        decision, action="repair", reason=f"{lacks}; {messages.completes(found.sets[0])}", chosen=found, completes=True, settings=True
    )


def _configure(facts: Facts, decision: Decision) -> Decision:
    """Compare the role's settings with the host: holds, unattended upgrades, nouveau, the persistence daemon."""
    probed, config = facts.probed, facts.config
    held = {name for name, entry in probed["packages"].items() if entry["hold"]}
    wants_hold, held_by_us = config["nvidia_driver_hold"], set(facts.remembered.get("held", []))
    hold = tuple(sorted(set(nvidia_present.closure(probed)) - held)) if wants_hold else ()
    unhold = () if wants_hold else tuple(sorted(held_by_us & held))
    daemon = probed["persistence"]
    unattended = filter(None, [facts.release.manager.unattended_file()])
    differs: dict[str, Any] = {
        f"packages to hold ({', '.join(hold)})": hold,
        f"packages to release ({', '.join(unhold)})": unhold,
        **{path: probed["files"].get(path) != (text if wants_hold else None) for path, text in unattended},
        "nouveau": probed["files"].get(files.NOUVEAU_FILE) is None and blacklists_nouveau(facts),
        "the persistence daemon": daemon["unit"] and daemon["enabled"] != wants_persistence(facts),
    }
    changes = tuple(name for name, value in differs.items() if value)
    decision = replace(decision, settings=True, unhold=unhold, changes=changes)
    if not changes:
        return decision
    return replace(
        decision, action="configure", reason=f"{decision.version} is installed; to change: {messages.listed(list(changes), 'and')}"
    )


def blacklists_nouveau(facts: Facts) -> bool:
    """Whether the role writes its file against nouveau: a kernel has nouveau, and no other file disables it."""
    has_nouveau = any(kernel["nouveau"] for kernel in facts.probed["kernels"]["known"].values())
    return has_nouveau and facts.probed["nouveau"]["off"] in ("", files.NOUVEAU_FILE)


def wants_persistence(facts: Facts) -> bool:
    """Whether the persistence daemon should run; without a GPU it can only fail."""
    return bool(facts.gpus) and facts.config["nvidia_driver_persistence"]


def _bring_up(facts: Facts, driver: Present, decision: Decision) -> Decision:
    """Bring an installed driver to work: load its module, or wait for a reboot."""
    probed = facts.probed
    running = probed["kernels"]["running"]
    module = probed["modules"].get(running)
    outside = driver["whose"] == nvidia_present.OUTSIDE
    if driver["drift"]:
        decision = wait_for_restart(facts, decision, messages.drift(dict(driver)))
        names = [name for name in nvidia_present.closure(probed) if not probed["packages"][name]["hold"]]
        if names and probed["unattended"] and not facts.ours:
            decision = decision.warn(messages.unattended(names, facts.release.manager))
    elif driver["loaded"] is not None and module and module["version"] and module["version"] != driver["loaded"]:
        decision = wait_for_restart(facts, decision, f"module {driver['loaded']} is loaded, and {module['version']} is on disk")
    elif driver["loaded"] is None and not outside:
        decision = _load(facts, decision, module, running)
    if outside and driver["loaded"] is None:
        return decision.refuse(
            f"{messages.library(driver['library'])} comes from outside this system, but no module is loaded, "
            f"so the {facts.stack['name']} stack finds no GPU.",
            f"Load the module on the host below this one, or {CPU_FIX}.",
        )
    return decision


def _load(facts: Facts, decision: Decision, module: dict[str, Any] | None, running: str) -> Decision:
    """No module is loaded."""
    probed = facts.probed
    if probed["nouveau"]["loaded"]:
        return wait_for_restart(facts, decision, messages.NOUVEAU_WAITS)
    if module is None:
        return wait_for_restart(
            facts, decision, f"the module is installed for kernel {', '.join(probed['modules']) or 'none'}, and {running} is running"
        )
    if _rejected_by_secure_boot(probed["kernels"], module):
        return decision.refuse(
            f"Secure boot is on, and the module {module['path']} has no signature that this host accepts.",
            "Enroll the key that DKMS signs with (`mokutil --import`, then confirm at the console), use Ubuntu's signed modules "
            "(nvidia_driver_source=distribution), or turn secure boot off.",
        )
    if decision.todo:
        return decision
    return replace(decision, action="load", reason=f"{decision.version} is installed, but its module is not loaded", settings=True)


def _rejected_by_secure_boot(boot: dict[str, Any], module: dict[str, Any]) -> bool:
    trusted = re.match(DISTRIBUTION_SIGNERS, module["signed"] or "") is not None
    return bool(boot["secure_boot"]) and not trusted and boot["mok"] is not True


def _next_kernel(facts: Facts, driver: Present, kernel: str) -> str:
    return messages.next_kernel(driver, facts.probed["kernels"]["known"], facts.release.manager, kernel)
