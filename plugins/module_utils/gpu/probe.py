"""The NVIDIA GPUs of a host, from the PCI bus in sysfs and from the driver's files where one is loaded."""

from __future__ import annotations

import os
import re
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host

NVIDIA = "0x10de"
DISPLAY_CLASSES = ("0x0300", "0x0302")
BRIDGE_CLASS = "0x0680"
PCI = "/sys/bus/pci/devices"
PROC = "/proc/driver/nvidia"


def probe(host: Host) -> list[dict[str, Any]]:
    """One entry for each: ``{"address", "device", "subsystem", "driver", "model", "virtual", "mig"}``

    ``device`` and ``subsystem`` are PCI ids without 0x, ``driver`` the module bound to it or empty, ``model`` the name that the driver
    gives it or empty. ``virtual`` is true for a virtual function or a vGPU, ``mig`` counts the MIG instances that are made of it.
    """
    found = []
    for address in host.listdir(PCI):
        at = f"{PCI}/{address}"
        read = {name: (host.read(f"{at}/{name}") or "").strip() for name in ("vendor", "class")}
        if read["vendor"] != NVIDIA or not read["class"].startswith(DISPLAY_CLASSES):
            continue
        ids = {name: (host.read(f"{at}/{name}") or "").strip()[2:] for name in ("device", "subsystem_vendor", "subsystem_device")}
        information = _information(host, address)
        found.append(
            {
                "address": address,
                "device": ids["device"].lower(),
                "subsystem": f"{ids['subsystem_vendor']}:{ids['subsystem_device']}".lower(),
                "driver": os.path.basename((host.lstat(f"{at}/driver") or {}).get("target") or ""),
                "model": information["model"],
                "virtual": host.lstat(f"{at}/physfn") is not None or bool(re.search(r"\bGRID\b|-\d+[A-Z]$", information["model"])),
                "mig": information["mig"],
            }
        )
    return found


def switches(host: Host) -> int:
    """Count the NVSwitches; GPUs behind them work only once the fabric manager has set them up."""
    read = [{name: (host.read(f"{PCI}/{address}/{name}") or "").strip() for name in ("vendor", "class")} for address in host.listdir(PCI)]
    return sum(1 for each in read if each["vendor"] == NVIDIA and each["class"].startswith(BRIDGE_CLASS))


def _information(host: Host, address: str) -> dict[str, Any]:
    """What the loaded driver reports about one GPU: its name and the number of MIG instances."""
    text = host.read(f"{PROC}/gpus/{address}/information") or ""
    fields = dict(re.findall(r"^([^:\n]+):\s*(.*?)\s*$", text, re.M))
    minor = fields.get("Device Minor", "")
    instances = [name for name in host.listdir(f"{PROC}/capabilities/gpu{minor}/mig") if name.startswith("gi")] if minor else []
    return {"model": fields.get("Model", ""), "mig": len(instances)}
