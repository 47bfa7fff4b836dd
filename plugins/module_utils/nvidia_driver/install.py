"""Choose the driver to install: branch, source and packages, or the reasons why none fits."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.codetr.provision.plugins.module_utils.gpu import table as gpu_table
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import candidates, messages, package_sets
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.candidate import Candidate
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.decision import CPU_FIX, Decision, wait_for_restart
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.facts import Facts
from ansible_collections.codetr.provision.plugins.module_utils.stack import choose as stacks

NO_LIMIT = 9999


def install(facts: Facts, decision: Decision, least: int = 0, exact: int | None = None) -> Decision:
    """Choose what the decision's action (install, replace or repair) installs.

    Args:
        least: the oldest branch to consider.
        exact: the only branch to consider.
    """
    action = decision.action
    if facts.gpus and not facts.probed["kernels"]["ours"] and not facts.config["nvidia_driver_without_gpu"] and action != "repair":
        return _refuse_in_container(facts, decision)
    # A repair first tries to leave the driver as it is; its tasks check the GPU's users before they change anything else.
    if facts.live and facts.busy and action != "repair":
        decision = decision.refuse(
            f"A GPU is in use by {', '.join(facts.busy)}, so its driver cannot be changed.",
            "Stop what uses the GPU, then run again.",
        )
    virtual = [gpu for gpu in facts.gpus if gpu["virtual"]]
    if virtual:
        return decision.refuse(
            f"{gpu_table.labels(virtual)} is a vGPU of a hypervisor; no driver that this role installs can drive it.",
            f"Install the hypervisor's guest driver, which is then kept, or {CPU_FIX}.",
        )
    branches = candidates.branches(facts, least, exact)
    suitable = [branch for branch in branches if facts.drives_all(branch)]
    if not suitable:
        return decision.refuse(*_no_branch(facts, branches))
    able = [branch for branch in suitable if not facts.gpus or facts.runs_stack(f"{branch}.999")]
    if not able:
        return decision.refuse(
            f"Driver {suitable[0]} can drive {gpu_table.labels(facts.gpus)}, but the {facts.stack['name']} stack needs "
            f"{facts.least_driver()} or newer.",
            "Set nvidia_driver_branch to auto, or to a newer branch.",
        )
    rejected: list[Candidate] = []
    for each in candidates.list_candidates(facts, able, candidates.sources(facts, action)):
        if each.sets:
            return _take(facts, decision, each, rejected)
        if each.against:
            rejected.append(each)
    return decision.refuse(*(_all_rejected(facts, rejected, able[0]) if rejected else _nothing_offered(facts, able)))


def _take(facts: Facts, decision: Decision, chosen: Candidate, rejected: list[Candidate]) -> Decision:
    """Decide for a candidate."""
    reason = f"{decision.reason}; {messages.origin(chosen.branch, chosen.source, chosen.sets[0], facts.open_required)}"
    # Other sources of the same branch need no explanation.
    others = [each for each in rejected if each.branch != chosen.branch]
    if others:
        reason += f". {messages.not_used(others)}"
    made = replace(
        decision,
        reason=reason,
        version=f"driver {chosen.branch} (CUDA {facts.table['branches'].get(chosen.branch, '?')})",
        chosen=chosen,
        settings=True,
    ).warn(messages.old_key(facts.probed["sources"]))
    if facts.live and facts.probed["nouveau"]["loaded"]:
        return wait_for_restart(facts, made, messages.NOUVEAU_WAITS)
    if facts.live and facts.loaded and (made.action == "replace" or gpu_table.branch_of(facts.loaded) != chosen.branch):
        return wait_for_restart(facts, made, f"module {facts.loaded} stays loaded until then")
    return made


def _refuse_in_container(facts: Facts, decision: Decision) -> Decision:
    where = f"This is a {facts.container} container" if facts.container else "The kernel of this system is not its own"
    return decision.refuse(
        f"{where}, so the driver for {messages.these(facts.gpus)} must be installed on the host below it."
        + (f" Driver {facts.loaded} is loaded there, but its CUDA library is missing here." if facts.loaded else ""),
        f"{'Pass' if facts.loaded else 'Install the driver there and pass'} the GPU through (podman and docker: --gpus all), or {CPU_FIX}.",
    )


def _no_branch(facts: Facts, branches: list[int]) -> tuple[str, str]:
    """No branch drives all GPUs."""
    gpus = facts.gpus
    undriven = [gpu for gpu in gpus if not any(gpu_table.drives(branch, gpu) for branch in branches)] or gpus
    first = max((gpu["first"] or 0 for gpu in gpus), default=0)
    last = min((gpu["last"] or NO_LIMIT for gpu in gpus), default=NO_LIMIT)
    if first > last:
        return f"No driver drives all GPUs of this host: {gpu_table.labels(gpus)}.", f"Set codetr_stack=cpu, or {stacks.IGNORE_FIX}."
    if facts.requested is not None:
        least = max(first, gpu_table.branch_of(facts.least_driver()))
        span = f"{least} or newer" if last == NO_LIMIT else f"{least} to {last}"
        return (
            f"Driver {facts.requested} cannot drive {gpu_table.labels(undriven)}.",
            f"Set nvidia_driver_branch to auto, or to {span}.",
        )
    return (
        f"None of the drivers for the {facts.stack['name']} stack ({', '.join(map(str, branches)) or 'none'}) "
        f"can drive {gpu_table.labels(undriven)}.",
        f"Set nvidia_driver_branch to a branch that can, or {CPU_FIX}.",
    )


def _all_rejected(facts: Facts, rejected: list[Candidate], branch: int) -> tuple[str, str]:
    """Every candidate is ruled out."""
    text = " ".join(f"Driver {what} cannot be installed: {why}." for what, why in messages.by_reason(rejected))
    # The fix is for the candidate with the fewest obstacles. That no prebuilt modules exist is nothing a user can change.
    kinds = min((set(each.against) - {"prebuilt"} for each in rejected), key=len)
    return text, fix(facts, kinds, branch)


def _nothing_offered(facts: Facts, branches: list[int]) -> tuple[str, str]:
    """No source has any of the branches."""
    option = facts.config["nvidia_driver_source"]
    source = "No known source has driver" if option == "auto" else f"{messages.sentence(messages.FROM[option])} has no driver"
    return (
        f"{source} {messages.listed([str(branch) for branch in branches])}{' with open modules' if facts.open_required else ''} "
        f"for {facts.system['name']}.",
        "Set nvidia_driver_branch or nvidia_driver_source to another value, or install a driver yourself: any driver that fits is kept.",
    )


def fix(facts: Facts, kinds: set[str], branch: int) -> str:
    """What to do about the obstacles of these kinds, see ``Candidate.against``."""
    found = []
    if "secure" in kinds:
        found.append(messages.secure_boot(facts.probed["kernels"], facts.release))
    if "kernel" in kinds:
        found.append(_fix_kernel(facts, branch))
    if "headers" in kinds:
        found.append(_fix_headers(facts))
    text = "; ".join(found) or "set nvidia_driver_source to another source"
    return f"{messages.sentence(text)}; or {CPU_FIX}."


def _fix_kernel(facts: Facts, branch: int) -> str:
    """The kernel is newer than the driver supports."""
    system, table = facts.system, facts.table
    debian = table["debian"].get(system["version"], {}) if system["id"] == "debian" else {}
    suites = [
        each["suite"]
        for each in debian.get(branch, [])
        if each.get("suite") and not package_sets.too_new(facts.kernels, each["kernel_last"])
    ]
    options = [*(f"add {suite} to the apt sources" for suite in suites), "boot an older kernel and remove the newer one"]
    if facts.requested is not None and any(each > branch and facts.drives_all(each) for each in table["branches"]):
        options.append("set nvidia_driver_branch to auto, which uses the first that fits")
    return ", or ".join(filter(None, (", ".join(options[:-1]), options[-1])))


def _fix_headers(facts: Facts) -> str:
    """The archive has no headers for an installed kernel any more."""
    boot, newest = facts.probed["kernels"], facts.kernels[-1]
    available = boot["known"].get(newest, {}).get("headers") or f"linux-headers-{newest}" in facts.probed["candidates"]
    if newest != boot["running"] and available:
        return f"reboot the host into kernel {newest}, which is installed, and run again"
    flavour = messages.flavour_of(facts.probed, facts.system)
    wanted = facts.release.manager.to_install([f"linux-image-{flavour}", f"linux-headers-{flavour}"])
    return f"install the current kernel ({wanted}), reboot, and run again"
