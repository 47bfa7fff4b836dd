"""Which stack a host gets: what its GPUs can run, and what the user asks for."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.gpu import table as gpu_table
from ansible_collections.codetr.provision.plugins.module_utils.gpu.table import capability_number
from ansible_collections.codetr.provision.plugins.module_utils.version import numbers

CPU = "cpu"
# Not preflight: what preflight_only_warn waves through is the host, and never a stack that has no code for its gpus.
STAGE = "stack"
# These drivers hand a GPU to a virtual machine.
HANDED_ON = ("vfio-pci", "pci-stub")
# In order of preference: the first that serves every GPU is taken.
ORDER = ("cu113", "modern")
IGNORE_FIX = "name the ones to leave out in provision_ignore_gpus (PCI address or id, 10de:1eb8 say)"


def considered(state: dict[str, Any], config: dict[str, Any], catalog: dict[str, Any]) -> list[dict[str, Any]]:
    """The host's GPUs, described, without those that ``provision_ignore_gpus`` names and those that virtual machines have."""
    ignored = {str(name).lower() for name in config["provision_ignore_gpus"]}
    deep = ((state.get("nvidia_driver") or {}).get("deep") or {}).get("gpus")
    known = gpu_table.describe(state.get("gpus", []), catalog["local"]["nvidia_driver"]["gpus"], deep)
    here = [gpu for gpu in known if gpu["driver"] not in HANDED_ON]
    return [gpu for gpu in here if not {gpu["address"].lower(), f"10de:{gpu['device']}", gpu["device"]} & ignored]


def serves(stack: dict[str, Any], gpu: dict[str, Any]) -> bool:
    """Whether a stack has a variant with code for a GPU, whatever the driver."""
    return any(covers(variant, gpu) for variant in stack.get("gpu", []))


def covers(variant: dict[str, Any], gpu: dict[str, Any]) -> bool:
    """Whether one variant of a stack has code for a GPU; a GPU that is not known is taken to be newer than all that are."""
    if gpu["capability"] is None:
        return variant["compute_capability"][1] is None
    low, high = variant["compute_capability"]
    own = capability_number(gpu["capability"])
    return capability_number(low) <= own and (high is None or own <= capability_number(high))


def variant_for(stack: dict[str, Any], gpus: list[dict[str, Any]], version: str) -> dict[str, Any] | None:
    """The variant of a stack that runs on all these gpus with a driver of this version, or None."""
    for variant in stack.get("gpu", []):
        if all(covers(variant, gpu) for gpu in gpus) and numbers(version) >= numbers(_needs(variant, gpus)):
            return dict(variant)
    return None


def least_driver(stack: dict[str, Any], gpus: list[dict[str, Any]]) -> str:
    """The oldest driver with which a stack runs on these gpus."""
    fits = [variant for variant in stack["gpu"] if all(covers(variant, gpu) for gpu in gpus)] or stack["gpu"]
    least = min((_needs(variant, gpus) for variant in fits), key=numbers)
    return least[: -len(".0")] if least.endswith(".0") else least


def _needs(variant: dict[str, Any], gpus: list[dict[str, Any]]) -> str:
    """The oldest driver with which one variant runs on these gpus."""
    rules = [rule["driver"] for rule in variant.get("newer_driver", []) if any(_at_least(rule, gpu) for gpu in gpus)]
    return str(max([variant["driver"], *rules], key=numbers))


def _at_least(rule: dict[str, Any], gpu: dict[str, Any]) -> bool:
    return gpu["capability"] is None or capability_number(gpu["capability"]) >= capability_number(rule["from"])


def choose(state: dict[str, Any], config: dict[str, Any], catalog: dict[str, Any]) -> tuple[str, str, list[dict[str, str]]]:
    """The stack's name, why, and what stands against it.

    Args:
        state: of the host.
        config: ``codetr_stack``, ``provision_ignore_gpus`` and ``nvidia_driver_without_gpu`` count.
        catalog: see ``planner.context``.
    """
    option, gpus, stacks = config["codetr_stack"], considered(state, config, catalog), catalog["stacks"]
    if option == "auto":
        return _automatic(state, gpus, stacks)
    stack = stacks[option]
    why = "codetr_stack asks for it"
    if stack["compute"] == "cpu":
        return option, why, []
    if not gpus and not config["nvidia_driver_without_gpu"]:
        return option, why, [
            _problem(
                f"codetr_stack={option} needs an NVIDIA GPU: {no_gpu(state)}.",
                "Set codetr_stack=cpu (or auto), or nvidia_driver_without_gpu=true to prepare an image for hosts that have one.",
            )
        ]
    cannot = [gpu for gpu in gpus if not serves(stack, gpu)]
    if cannot:
        others = [name for name in ORDER if name != option and all(serves(stacks[name], gpu) for gpu in gpus)]
        instead = f"Set codetr_stack={others[0]}, which serves every GPU here" if others else "Set codetr_stack=cpu"
        return option, why, [
            _problem(
                f"Stack {option} has no code for {gpu_table.labels(cannot)}: {_range(stack)}.",
                f"{instead}{', or ' + IGNORE_FIX if len(cannot) < len(gpus) else ''}.",
            )
        ]
    return option, why, []


def _automatic(state: dict[str, Any], gpus: list[dict[str, Any]], stacks: dict[str, Any]) -> tuple[str, str, list[dict[str, str]]]:
    if not gpus:
        return CPU, no_gpu(state), []
    for name in ORDER:
        if name in stacks and all(serves(stacks[name], gpu) for gpu in gpus):
            return name, f"it serves {gpu_table.labels(gpus)}", []
    if len({gpu["capability"] for gpu in gpus}) > 1:
        what = f"No one stack serves all GPUs of this host: {gpu_table.labels(gpus)}."
        fix = ", or ".join([*_leave_out(gpus, stacks), "set codetr_stack=cpu"])
        return CPU, "no stack for GPUs serves this host", [_problem(what, f"{fix[0].upper()}{fix[1:]}.")]
    what = f"No stack serves {gpu_table.labels(gpus)}."
    return CPU, "no stack for GPUs serves this host", [_problem(what, "Set codetr_stack=cpu to train on the processor.")]


def _leave_out(gpus: list[dict[str, Any]], stacks: dict[str, dict[str, Any]]) -> list[str]:
    """For each stack that serves some of the gpus, how to leave out the others; gpus that two stacks leave out are named once."""
    found: dict[str, str] = {}
    for name in [name for name in ORDER if name in stacks]:
        out = [gpu for gpu in gpus if not serves(stacks[name], gpu)]
        ids = ",".join(dict.fromkeys(f"10de:{gpu['device']}" for gpu in out))
        if len(out) < len(gpus):
            names = ", ".join(dict.fromkeys(gpu["name"] for gpu in out))
            found.setdefault(ids, f"leave out {names} with provision_ignore_gpus={ids}, so that stack {name} serves the rest")
    return list(found.values())


def no_gpu(state: dict[str, Any]) -> str:
    """Why no GPU counts, where none does."""
    found = state.get("gpus")
    if found and all(gpu["driver"] in HANDED_ON for gpu in found):
        return "every NVIDIA GPU is handed to virtual machines (vfio-pci)"
    return "provision_ignore_gpus leaves no NVIDIA GPU" if found else "no NVIDIA GPU on the PCI bus"


def _range(stack: dict[str, Any]) -> str:
    lows = [variant["compute_capability"][0] for variant in stack["gpu"]]
    highs = [variant["compute_capability"][1] for variant in stack["gpu"]]
    top = "" if None in highs else f" to {max(highs, key=capability_number)}"
    return f"it is for compute capability {min(lows, key=capability_number)}{top}" + (" and newer" if not top else "")


def _problem(message: str, fix: str) -> dict[str, str]:
    return {"stage": STAGE, "message": message, "fix": fix}
