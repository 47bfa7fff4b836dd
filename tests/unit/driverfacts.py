"""States of hosts with GPUs for tests: distributions, gpus, kernels, drivers of any branch from any source."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils import planner
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import plan as nvidia_driver
from ansible_collections.codetr.provision.plugins.module_utils.stack import choose as stack
from ansible_collections.codetr.provision.plugins.module_utils.stage import Stage
from hostfacts import bare, known, plan, wanted

SYSTEMS = {
    "debian11": ("debian", "11", "bullseye", "5.10.0-32-cloud-amd64", "cloud-amd64"),
    "debian12": ("debian", "12", "bookworm", "6.1.0-56-cloud-amd64", "cloud-amd64"),
    "ubuntu20.04": ("ubuntu", "20.04", "focal", "5.15.0-1084-aws", "aws"),
    "ubuntu22.04": ("ubuntu", "22.04", "jammy", "6.8.0-1030-aws", "aws"),
    "ubuntu24.04": ("ubuntu", "24.04", "noble", "6.8.0-1030-aws", "aws"),
}
# One of each kind that upstream's tables name: PCI id, compute capability, oldest and newest branch that drives it.
GPUS = {
    "K80": ("102d", "3.7", 0, 470),
    "M40": ("17fd", "5.2", 0, 580),
    "P100": ("15f8", "6.0", 0, 580),
    "P4": ("1bb3", "6.1", 0, 580),
    "P40": ("1b38", "6.1", 0, 580),
    "V100": ("1db6", "7.0", 384, 580),
    "T4": ("1eb8", "7.5", 410, 9999),
    "T4G": ("1eb4", "7.5", 410, 9999),
    "A100": ("20b2", "8.0", 450, 9999),
    "A30": ("20b7", "8.0", 450, 9999),
    "A40": ("2235", "8.6", 455, 9999),
    "A10": ("2236", "8.6", 455, 9999),
    "A10G": ("2237", "8.6", 455, 9999),
    "A2": ("25b6", "8.6", 455, 9999),
    "RTX 3090": ("2204", "8.6", 455, 9999),
    "RTX 3080": ("2206", "8.6", 455, 9999),
    "A800": ("20bd", "8.0", 471, 9999),
    "L4": ("27b8", "8.9", 520, 9999),
    "L40": ("26b5", "8.9", 520, 9999),
    "L40S": ("26b9", "8.9", 520, 9999),
    "RTX 6000 Ada": ("26b1", "8.9", 520, 9999),
    "RTX 4090": ("2684", "8.9", 520, 9999),
    "H100": ("2330", "9.0", 520, 9999),
    "H100 PCIe": ("2331", "9.0", 520, 9999),
    "H200": ("2335", "9.0", 520, 9999),
    "H200 NVL": ("233b", "9.0", 520, 9999),
    "H20": ("2329", "9.0", 520, 9999),
    "GH200": ("2342", "9.0", 520, 9999),
    "H800": ("2322", "9.0", 520, 9999),
    "B200": ("2901", "10.0", 570, 9999),
    "GB200": ("2941", "10.0", 570, 9999),
    "RTX 5090": ("2b85", "12.0", 570, 9999),
    "RTX PRO 6000": ("2bb1", "12.0", 570, 9999),
}
NEW_KERNEL = "6.19.3-amd64"  # newer than any driver here was tested with
CONFIGS: dict[str, dict[str, Any]] = {}
BARE: dict[str, Any] = {}
VERSIONS = {
    390: "390.157", 450: "450.248.02", 470: "470.256.02", 535: "535.261.03", 550: "550.163.01", 570: "570.172.08",
    580: "580.159.04", 595: "595.71.05",
}  # fmt: skip


def works(name: str, branch: int) -> bool:
    """Whether a branch drives a GPU, by the table here and not by the plan's."""
    _, _, first, last = GPUS[name]
    return first <= branch <= last


def gpu_entry(device: str, address: str = "0000:00:1e.0", bound: str = "") -> dict[str, Any]:
    """A GPU as the probe finds it."""
    return {"address": address, "device": device, "subsystem": "10de:0000", "driver": bound, "model": "", "virtual": False, "mig": 0}


def kernels(*releases: str, flavour: str, running: str | None = None, headers: bool = True) -> dict[str, Any]:
    """The kernels of a host that can boot all of these; the first one runs unless another is named."""
    return {
        "running": running or releases[0],
        "ours": True,
        "known": {release: {"image": True, "headers": headers, "nouveau": False} for release in releases},
        "secure_boot": False,
        "mok": None,
        "initramfs": [f"initrd.img-{release}" for release in releases],
    }


def package(version: str, origin: str = "distribution", **more: Any) -> dict[str, Any]:
    """An installed package."""
    return {"version": version, "hold": False, "auto": False, "origin": origin, "whole": True, **more}


def gpu_host(
    system: str = "debian12",
    gpus: list[str] | None = None,
    config: dict[str, Any] | None = None,
    driver: int | None = None,
    whose: str = "distribution",
    extra_kernel: str | None = None,
) -> dict[str, Any]:
    """A virtual machine with GPUs, its own kernel, apt sources, and a driver that works when one is named."""
    id_, version, codename, release, flavour = SYSTEMS[system]
    if config is None and not BARE:
        BARE.update(bare(wanted()))
    state = copy.deepcopy(BARE if config is None else bare(config))
    state["os"].update(id=id_, version=version, codename=codename, name=f"{id_.capitalize()} {version} ({codename})")
    state["machine"]["kernel"] = release
    state["gpus"] = [gpu_entry(GPUS[name][0], f"0000:00:{30 + number:02x}.0") for number, name in enumerate(gpus or [])]
    here = state["nvidia_driver"]
    releases = [release, *([extra_kernel] if extra_kernel else [])]
    here["kernels"] = kernels(*releases, flavour=flavour)
    here["kernel_packages"] = {
        name: package("1")
        for name in (*(f"linux-{kind}-{each}" for kind in ("image", "headers") for each in (flavour, *releases)),)
    }
    end = "debian" if id_ == "debian" else "ubuntu"
    here["sources"] = {"/etc/apt/sources.list": f"deb http://archive.example/{end}/ {codename} main\n"}
    if driver is not None:
        bring(state, VERSIONS[driver], whose, releases)
    return state


def bring(state: dict[str, Any], version: str, whose: str, releases: list[str]) -> None:
    """Put a working driver on a host."""
    here = state["nvidia_driver"]
    here["loaded"] = {"version": version, "open": False, "references": 0, "holders": []}
    here["library"] = {"version": version, "path": f"/usr/lib/x86_64-linux-gnu/libcuda.so.{version}"}
    for gpu in state["gpus"]:
        gpu["driver"] = "nvidia"
    if whose == "outside":
        return
    here["modules"] = {
        each: {"name": "nvidia", "version": version, "path": f"/lib/modules/{each}/updates/dkms/nvidia.ko", "signed": None, "open": False}
        for each in releases
    }
    if whose == "runfile":
        here["runfile"] = True
        return
    branch = version.split(".")[0]
    here["packages"] = {
        name: package(f"{version}-1", whose) for name in (f"nvidia-dkms-{branch}", f"nvidia-utils-{branch}", f"libnvidia-compute-{branch}")
    }


def driver_plan(state: dict[str, Any], **config: Any) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, str]]]:
    """The plan, its stage for the driver, and what keeps driver and stack from being touched."""
    made = plan(state, wanted(**config))
    problems = [item for item in made["problems"] if item["stage"] in ("nvidia_driver", "preflight", "stack")]
    return made, made["stages"]["nvidia_driver"], problems


def driver_stage(state: dict[str, Any], **given: Any) -> tuple[Stage, list[dict[str, str]]]:
    """Stack and driver alone, for tables of many thousands of hosts: the stage, and all that stands against the two."""
    config = CONFIGS.setdefault(repr(sorted(given.items())), wanted(**given))
    catalog = known(config)
    name, _, problems = stack.choose(state, config, catalog)
    gpus = stack.considered(state, config, catalog)
    ctx = planner.context(config, catalog, name, state["user"]["owner"], gpus, stack.no_gpu(state), bool(problems), state["os"])
    stage = nvidia_driver.plan(state, config, ctx)
    return stage, [*problems, *stage.problems]
