"""Summarise a host and what a run would do to it, for programs and for people."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import package_sets as nvidia_sets
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import present as nvidia_present
from ansible_collections.codetr.provision.plugins.module_utils.stack import choose as stack

WIDTH = 11


def summary(state: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
    """Select the parts of state and plan that status.json holds.

    Returns:
        ``{"schema", "host", "gpus", "no_gpu", "driver", "kernels", "toolkits", "stack", "stages", "problems", "warnings", "waits"}``
    """
    driver, machine = state["nvidia_driver"], state["machine"]
    boot = driver["kernels"]
    kernels = nvidia_sets.counting(driver, {"nvidia_driver_kernels": []}, machine["container"])
    toolkit = state["cuda_toolkit"]
    return {
        "schema": 1,
        "host": {
            "system": state["os"]["name"],
            "architecture": machine["arch"],
            "container": machine["container"],
            "cpus": machine["cpus"],
            "memory": machine["memory"]["total"],
            "cloud": machine.get("cloud", ""),
            "virtualisation": machine.get("virtualisation", ""),
        },
        "gpus": plan["gpus"],
        "no_gpu": stack.no_gpu(state),
        "driver": {
            "present": nvidia_present.find(driver, kernels),
            "loaded": driver["loaded"],
            "library": driver["library"],
            "packages": driver["packages"],
            "users": nvidia_present.busy(driver, len(plan["gpus"])),
            "nouveau": driver["nouveau"],
            "persistence": driver["persistence"],
            "deep": driver["deep"],
        },
        "kernels": {**boot, "modules": driver["modules"], "dkms": driver["dkms"], "reboot": driver["reboot"], "counting": kernels},
        "toolkits": {"found": toolkit["toolkits"], "default": toolkit["default"]},
        "stack": {"name": plan["stack"], "why": plan["stack_reason"]},
        "stages": {
            name: {key: stage[key] for key in ("action", "todo", "reason", "version", "stand_in")} for name, stage in plan["stages"].items()
        },
        "problems": plan["problems"],
        "warnings": plan["warnings"],
        "waits": plan["waits"],
    }


def lines(status: dict[str, Any]) -> list[str]:
    """Format a summary for a terminal, a heading before each group of lines."""
    host = status["host"]
    memory = f", {host['memory'] / (1 << 30):.0f} GiB of memory" if host["memory"] else ""
    container = f"{host['container']} container" if host["container"] else ""
    where = ", ".join(part for part in (container, host["virtualisation"], host["cloud"]) if part)
    rows = [("Host", f"{host['system']}, {host['cpus']} CPUs{memory}{', ' + where if where else ''}")]
    rows += [("GPU", text) for text in _gpus(status["gpus"])] or [("GPU", status["no_gpu"])]
    rows += [("Driver", text) for text in _driver(status["driver"])]
    rows += [("Kernel", text) for text in _kernels(status["kernels"])]
    rows += [("Toolkit", text) for text in _toolkits(status["toolkits"])]
    rows += [("Stack", f"{status['stack']['name']}: {status['stack']['why']}")]
    rows += [("Plan", f"{name:<14}{stage['action']:<10}{stage['version'] or stage['reason']}") for name, stage in status["stages"].items()]
    rows += [("Waits", text) for text in status["waits"]]
    rows += [("Warning", text) for text in status["warnings"]]
    rows += [("Problem", f"{item['stage']}: {item['message']} {item['fix']}") for item in status["problems"]]
    last = ""
    shown = []
    for head, text in rows:
        shown.append(f"{head if head != last else '':<{WIDTH}}{text}")
        last = head
    return shown


def _gpus(gpus: list[dict[str, Any]]) -> list[str]:
    return [
        f"{gpu['address']}  {gpu['name']}  10de:{gpu['device']}  {gpu['architecture'] or 'unknown architecture'}"
        f"  compute capability {gpu['capability'] or 'unknown'}  {gpu['driver'] or 'no driver'} bound"
        f"{'  virtual' if gpu['virtual'] else ''}{f'''  {gpu['mig']} MIG instances''' if gpu['mig'] else ''}"
        for gpu in gpus
    ]


def _driver(driver: dict[str, Any]) -> list[str]:
    present = driver["present"]
    if present is None:
        loaded = f"; a module of {driver['loaded']['version']} is loaded" if driver["loaded"] else ""
        return ["none" + loaded + ("; nouveau is loaded" if driver["nouveau"]["loaded"] else "")]
    kind = " (open modules)" if (driver["loaded"] or {}).get("open") else ""
    rows = [f"{present['version'] or 'unknown version'}, {nvidia_present.WHOSE[present['whose']]}"]
    library = present["library"] or (driver["library"] or {}).get("path") or "none"
    rows.append(f"loaded {present['loaded'] or 'no module'}{kind}, library {library}")
    if present["drift"]:
        rows.append("the versions of module and library differ: the host needs a restart")
    if driver["packages"]:
        held = sum(1 for entry in driver["packages"].values() if entry["hold"])
        rows.append(f"{len(driver['packages'])} packages, {held} of them held")
    if driver["users"]:
        rows.append("in use by " + ", ".join(driver["users"]))
    deep = driver["deep"]
    if deep:
        cuda = deep["library_cuda"]
        failure = f"nothing (exit status {deep['smi']['rc']}: {deep['smi']['said'] or 'no output'})"
        smi = f"CUDA {deep['smi_cuda']}" if deep["smi_cuda"] else failure
        rows.append(f"nvidia-smi reports {smi}; the library reports {f'CUDA {cuda // 1000}.{cuda % 1000 // 10}' if cuda else 'nothing'}")
    return rows


def _kernels(boot: dict[str, Any]) -> list[str]:
    rows = [f"{boot['running']} is running" + ("" if boot["ours"] else " and belongs to the container host")]
    for release, kernel in boot["known"].items():
        module = boot["modules"].get(release)
        state = next((row["state"] for row in boot["dkms"] if row["kernel"] == release), "")
        text = f"{module['name']} {module['version']}" if module else "no NVIDIA module"
        text += f", signed by {module['signed']}" if module and module["signed"] else ""
        rows.append(
            f"{release}: {'can boot' if kernel['image'] else 'no image'}, {'headers' if kernel['headers'] else 'no headers'}, {text}"
            f"{', dkms: ' + state if state else ''}"
        )
    if boot["secure_boot"]:
        key = {True: ", and the owner's key is enrolled", False: ", and the owner's key is not enrolled", None: ""}[boot["mok"]]
        rows.append(f"secure boot is on{key}")
    if boot["reboot"]["flag"]:
        rows.append("a restart is pending" + (f", for {', '.join(boot['reboot']['packages'])}" if boot["reboot"]["packages"] else ""))
    return rows


def _toolkits(toolkits: dict[str, Any]) -> list[str]:
    link = toolkits["default"]
    rows = [f"CUDA {entry['version']} at {entry['path']}" for entry in toolkits["found"]] or ["none"]
    if link and link.get("target"):
        rows.append(f"/usr/local/cuda points to {link['target']}")
    return rows
