"""Choose the stack of a host by its GPUs and by what the user asks for."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.gpu import table as gpu_table
from ansible_collections.codetr.provision.plugins.module_utils.gpu.table import capability_number
from ansible_collections.codetr.provision.plugins.module_utils.stack.schema import name_of, ranked
from ansible_collections.codetr.provision.plugins.module_utils.version import numbers

# Not preflight: what preflight_only_warn waves through is the host, and never a stack that has no code for its GPUs.
STAGE = "stack"
# These drivers hand a GPU to a virtual machine.
HANDED_ON = ("vfio-pci", "pci-stub")
IGNORE_FIX = "name the ones to leave out in provision_ignore_gpus (PCI address or id, 10de:1eb8 say)"


def considered(state: dict[str, Any], config: dict[str, Any], catalog: dict[str, Any]) -> list[dict[str, Any]]:
    """The host's GPUs, described, without those that ``provision_ignore_gpus`` names and those that virtual machines have."""
    ignored = {str(name).lower() for name in config["provision_ignore_gpus"]}
    deep = ((state.get("nvidia_driver") or {}).get("deep") or {}).get("gpus")
    described = gpu_table.describe(state.get("gpus", []), catalog["local"]["nvidia_driver"]["gpus"], deep)
    usable = [gpu for gpu in described if gpu["driver"] not in HANDED_ON]
    return [gpu for gpu in usable if not {gpu["address"].lower(), f"10de:{gpu['device']}", gpu["device"]} & ignored]


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
    """The variant of a stack that runs on all these GPUs with a driver of this version, or None."""
    for variant in stack.get("gpu", []):
        if all(covers(variant, gpu) for gpu in gpus) and numbers(version) >= numbers(_needs(variant, gpus)):
            return dict(variant)
    return None


def least_driver(stack: dict[str, Any], gpus: list[dict[str, Any]]) -> str:
    """The oldest driver with which a stack runs on these GPUs."""
    fits = [variant for variant in stack["gpu"] if all(covers(variant, gpu) for gpu in gpus)] or stack["gpu"]
    least = min((_needs(variant, gpus) for variant in fits), key=numbers)
    return least[: -len(".0")] if least.endswith(".0") else least


def _needs(variant: dict[str, Any], gpus: list[dict[str, Any]]) -> str:
    """The oldest driver with which one variant runs on these GPUs."""
    rules = [rule["driver"] for rule in variant.get("newer_driver", []) if any(_at_least(rule, gpu) for gpu in gpus)]
    return str(max([variant["driver"], *rules], key=numbers))


def _at_least(rule: dict[str, Any], gpu: dict[str, Any]) -> bool:
    return gpu["capability"] is None or capability_number(gpu["capability"]) >= capability_number(rule["from"])


def choose(state: dict[str, Any], config: dict[str, Any], catalog: dict[str, Any]) -> tuple[str, str, list[dict[str, str]]]:
    """The stack's name, why it was chosen, and the problems with it.

    Args:
        state: of the host.
        config: ``codetr_stack``, ``provision_ignore_gpus`` and ``nvidia_driver_without_gpu`` count.
        catalog: see ``planner.context``.
    """
    gpus, stacks = considered(state, config, catalog), catalog["stacks"]
    if config["codetr_stack"] == "auto":
        return _automatic(state, gpus, stacks)
    name = name_of(config["codetr_stack"])
    stack, why = stacks[name], "codetr_stack asks for it"
    if stack["compute"] == "cpu":
        return name, why, []
    if not gpus and not config["nvidia_driver_without_gpu"]:
        return name, why, [
            _problem(
                f"codetr_stack={name} needs an NVIDIA GPU: {no_gpu(state)}.",
                f"Set codetr_stack={_cpu(stacks)} (or auto), or nvidia_driver_without_gpu=true to prepare an image for hosts with a GPU.",
            )
        ]
    cannot = [gpu for gpu in gpus if not serves(stack, gpu)]
    if cannot:
        others = [other for other in ranked(stacks, "cuda") if other != name and all(serves(stacks[other], gpu) for gpu in gpus)]
        instead = f"Set codetr_stack={others[0]}, which serves every GPU here" if others else f"Set codetr_stack={_cpu(stacks)}"
        return name, why, [
            _problem(
                f"Stack {name} has no code for {gpu_table.labels(cannot)}: {_range(stack)}.",
                f"{instead}{', or ' + IGNORE_FIX if len(cannot) < len(gpus) else ''}.",
            )
        ]
    return name, why, []


def _automatic(state: dict[str, Any], gpus: list[dict[str, Any]], stacks: dict[str, Any]) -> tuple[str, str, list[dict[str, str]]]:
    """The stack of the highest priority that serves the host."""
    cpu = ranked(stacks, "cpu")
    if not gpus:
        return cpu[0], no_gpu(state), _ties(cpu, stacks)
    fitting = [name for name in ranked(stacks, "cuda") if all(serves(stacks[name], gpu) for gpu in gpus)]
    if fitting:
        return fitting[0], f"it serves {gpu_table.labels(gpus)}", _ties(fitting, stacks)
    if len({gpu["capability"] for gpu in gpus}) > 1:
        message = f"No one stack serves all GPUs of this host: {gpu_table.labels(gpus)}."
        fix = ", or ".join([*_leave_out(gpus, stacks), f"set codetr_stack={cpu[0]}"])
        return cpu[0], "no stack for GPUs serves this host", [_problem(message, f"{fix[0].upper()}{fix[1:]}.")]
    message = f"No stack serves {gpu_table.labels(gpus)}."
    return cpu[0], "no stack for GPUs serves this host", [_problem(message, f"Set codetr_stack={cpu[0]} to train on the CPU.")]


def _ties(names: list[str], stacks: dict[str, Any]) -> list[dict[str, str]]:
    """A problem where the first of several stacks is only the first by its name."""
    priority = stacks[names[0]]["priority"]
    equal = [name for name in names if stacks[name]["priority"] == priority]
    if len(equal) == 1:
        return []
    message = f"Stacks {' and '.join(equal)} both serve this host and have the same priority, {priority}."
    return [_problem(message, f"Set codetr_stack to one of them, or change or remove the priority in stacks/{equal[-1]}.yml.")]


def _cpu(stacks: dict[str, Any]) -> str:
    """A stack that needs no GPU, for a fix."""
    return next(iter([*ranked(stacks, "cpu"), *(name for name, stack in stacks.items() if stack["compute"] == "cpu")]), "cpu")


def _leave_out(gpus: list[dict[str, Any]], stacks: dict[str, dict[str, Any]]) -> list[str]:
    """For each stack that serves some of the GPUs, how to leave out the others; GPUs that two stacks leave out are named once."""
    found: dict[str, str] = {}
    for name in ranked(stacks, "cuda"):
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
