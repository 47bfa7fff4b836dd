"""The NVIDIA driver: kept where it can run the stack, installed where there is none, replaced only when told to."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import package_sets
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.decide import decide
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.facts import gather
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.files import NOUVEAU_FILE, hold_files, snapshot_of
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.render import render
from ansible_collections.codetr.provision.plugins.module_utils.package_manager import managers
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage

# For NVIDIA's repository and its runfile; a distribution's own packages need nothing.
SYSTEM_PACKAGES = ("aria2", *managers.REPOSITORY_NEEDS)


def ask(config: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """What the probe asks: about which packages, the content of which files, and whether it asks without a GPU, too."""
    return {
        "candidates": package_sets.templates(ctx.local["nvidia_driver"]["packages"]),
        "kernels": config["nvidia_driver_kernels"],
        "always": config["nvidia_driver_without_gpu"],
        "files": [*hold_files(), NOUVEAU_FILE, snapshot_of(ctx)],
        "paths": ["/usr"],
    }


def plan(state: dict[str, Any], config: dict[str, Any], ctx: Context) -> Stage:
    """Gather the facts, decide, and render the decision; every reason against it is a problem before the host is touched."""
    facts = gather(state, config, ctx)
    decision = decide(facts)
    if facts.unreadable:
        decision = decision.refuse(*facts.unreadable.split(". ", 1))
    return render(decision, facts, state, config, ctx)


def version_after(stage: Stage, state: dict[str, Any], config: dict[str, Any], ctx: Context) -> str:
    """The driver's version once the stage is done, for the choice of packages: a branch's newest where one is installed, empty for none."""
    branch = stage.params.get("branch")
    if branch:
        return f"{branch}.999"
    facts = gather(state, config, ctx)
    driver = facts.present or facts.libraries
    return str(driver["version"] or "") if driver else ""
