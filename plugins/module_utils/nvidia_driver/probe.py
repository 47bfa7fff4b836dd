"""Probe the NVIDIA driver, whatever installed it: the loaded module, modules on disk, packages, processes on a GPU."""

from __future__ import annotations

import os
import re
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.gpu import probe as gpu_probe
from ansible_collections.codetr.provision.plugins.module_utils.host import kernels
from ansible_collections.codetr.provision.plugins.module_utils.host.container import container
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.package_manager import managers

PACKAGES = (
    r"(?:lib)?nvidia-(?!cuda-|container|docker|settings-)[\w.+-]+|libcuda1|libcudadebugger1|libnvcuvid1|libnvoptix1|cuda-drivers(?:-[\w.-]+)?"
    r"|xserver-xorg-video-nvidia[\w.-]*|firmware-nvidia[\w.-]*|linux-(?:modules|objects|signatures)-nvidia-[\w.-]+"
    r"|lib(?:egl|gl1|gles|glx)-nvidia[\w.-]*"
)
# Not part of a driver, though named like one: tools for containers, toolkits and monitoring.
OTHERS = r"(?:lib)?nvidia-(?:container|docker|fs|gds|nsight|nscq|imex|vaapi|detect|xconfig)[\w.-]*|libnvidia-container[\w.-]*"
KERNEL_PACKAGES = r"linux-(?:image|headers)-[\w.+-]+"
MODULE_FILE = r"nvidia(?:-current|-tesla|-legacy)?(?:-\d+(?:xx)?)?(?:-open)?\.ko(?:\.\w+)?"
LIBRARY = "/usr/lib/x86_64-linux-gnu"
LIBRARIES = (LIBRARY, "/usr/lib", "/usr/lib64", "/usr/local/nvidia/lib64", "/usr/local/lib")
MODPROBE = ("/etc/modprobe.d", "/lib/modprobe.d", "/usr/lib/modprobe.d", "/run/modprobe.d")
RUNFILE = "/usr/bin/nvidia-uninstall"
PYTHON = "python3"
# Asks the driver itself; no GPU is needed for the answer.
CUDA_VERSION = (
    "import ctypes; v = ctypes.c_int(); "
    "print(ctypes.CDLL('libcuda.so.1').cuDriverGetVersion(ctypes.byref(v)) or v.value)"
)
SMI_FIELDS = ("pci.bus_id,name,driver_version,memory.total,mig.mode.current,compute_cap", "pci.bus_id,name,driver_version,memory.total")


def probe(host: Host, ask: dict[str, Any]) -> dict[str, Any]:
    """The section ``nvidia_driver`` of the state.

    Args:
        ask: ``{"candidates": [package names to ask the package manager for, with {kernel} and {flavour} in them], "kernels": [more
            releases],
            "always": ask it also where no GPU is, "files": [our files], "deep": start nvidia-smi and ask the driver's library}``
    """
    boot = kernels.probe(host, container(host))
    loaded = _loaded(host)
    manager = managers.of(host)
    kernel_packages, sources = manager.installed(host, KERNEL_PACKAGES), manager.sources(host)
    wanted: list[str] = []
    if ask.get("always") or gpu_probe.probe(host):
        releases = [*(name for name, kernel in boot["known"].items() if kernel["image"]), *ask.get("kernels", [])]
        wanted = kernels.expand(ask.get("candidates", []), releases, kernels.flavours(kernel_packages))
    return {
        "kernels": boot,
        "loaded": loaded,
        "library": _library(host),
        "modules": {release: found for release in boot["known"] for found in [_module(host, release)] if found},
        "dkms": parse_dkms(host.run(["dkms", "status"])["out"]) if _has_dkms(host) else [],
        "packages": driver_packages(host),
        "kernel_packages": kernel_packages,
        "candidates": manager.candidates(host, wanted),
        "sources": sources,
        "source_modes": {path: f"{(host.lstat(path) or {}).get('mode', 0o644):04o}" for path in sources},
        "runfile": host.exists(RUNFILE),
        "switches": gpu_probe.switches(host),
        "nouveau": {"loaded": host.exists("/sys/module/nouveau"), "off": _nouveau_off(host)},
        "users": _users(host) if loaded else [],
        "files": {path: host.read(path) for path in ask.get("files", [])},
        "persistence": _persistence(host),
        "unattended": host.exists("/usr/bin/unattended-upgrade"),
        "reboot": _reboot(host),
        "deep": _deep(host) if ask.get("deep") else None,
    }


def driver_packages(host: Host) -> dict[str, dict[str, Any]]:
    """The installed packages of any NVIDIA driver."""
    return {name: entry for name, entry in managers.of(host).installed(host, PACKAGES).items() if not re.fullmatch(OTHERS, name)}


def version_in(text: str) -> str | None:
    """The driver's version in the text of ``/proc/driver/nvidia/version``."""
    match = re.search(r"Kernel Module(?: for \S+)?\s+(\d+\.\d+(?:\.\d+)?)", text)
    return match.group(1) if match else None


def _loaded(host: Host) -> dict[str, Any] | None:
    text = host.read("/proc/driver/nvidia/version") or ""
    version = (host.read("/sys/module/nvidia/version") or "").strip() or version_in(text)
    if not version:
        return None
    return {
        "version": version,
        "open": "Open Kernel Module" in text,
        "references": int((host.read("/sys/module/nvidia/refcnt") or "0").strip() or 0),
        "holders": host.listdir("/sys/module/nvidia/holders"),
    }


def _library(host: Host) -> dict[str, Any] | None:
    """The CUDA library that programs load: its path, and its version, None where its name does not include it."""
    folders = [*(f"{LIBRARY}/nvidia/{name}" for name in host.listdir(f"{LIBRARY}/nvidia")), *LIBRARIES]
    unnamed = None
    for folder in folders:
        names = host.listdir(folder)
        for name in sorted(names, reverse=True):
            match = re.fullmatch(r"libcuda\.so\.(\d+\.\d+(?:\.\d+)?)", name)
            if match:
                return {"version": match.group(1), "path": f"{folder}/{name}"}
        if "libcuda.so.1" in names and unnamed is None and host.exists(f"{folder}/libcuda.so.1"):
            unnamed = {"version": None, "path": f"{folder}/libcuda.so.1"}
    return unnamed


def _module(host: Host, release: str) -> dict[str, Any] | None:
    """The NVIDIA module on disk for one kernel, whatever the distribution calls it."""
    paths = [line.partition(":")[0] for line in kernels.dependencies(host, release).splitlines()]
    for path in paths:
        if not re.fullmatch(MODULE_FILE, os.path.basename(path)):
            continue
        full = path if path.startswith("/") else f"/lib/modules/{release}/{path}"
        fields = dict(re.findall(r"^(\w+):\s+(.*)$", host.run(["modinfo", full])["out"], re.M))
        return {
            "name": os.path.basename(path).split(".ko")[0],
            "version": fields.get("version"),
            "path": full,
            "signed": fields.get("signer") or None,
            "open": "GPL" in fields.get("license", ""),
        }
    return None


def _has_dkms(host: Host) -> bool:
    return any(name.startswith("nvidia") for name in host.listdir("/var/lib/dkms"))


def parse_dkms(text: str) -> list[dict[str, str]]:
    """The NVIDIA lines of ``dkms status``, in the format with a slash and in the older one with commas only.

    Returns:
        ``{"name", "version", "kernel", "state"}``; kernel is empty for a module that was only added.
    """
    found = []
    for line in text.splitlines():
        head, colon, state = line.partition(": ")
        parts = [part.strip() for part in head.replace("/", ", ", 1).split(",")]
        if colon and len(parts) >= 2 and parts[0].startswith("nvidia"):
            kernel = parts[2] if len(parts) > 2 else ""
            found.append({"name": parts[0], "version": parts[1], "kernel": kernel, "state": state.strip()})
    return found


def _nouveau_off(host: Host) -> str:
    """The file that disables nouveau; empty for none."""
    for folder in MODPROBE:
        for name in host.listdir(folder):
            text = host.read(f"{folder}/{name}") or "" if name.endswith(".conf") else ""
            if re.search(r"^\s*(?:blacklist\s+nouveau|alias\s+nouveau\s+off)\s*$", text, re.M):
                return f"{folder}/{name}"
    return ""


def _users(host: Host) -> list[dict[str, str]]:
    """Processes that have a GPU open, as far as the login user can see, without the persistence daemon."""
    found = []
    for pid in host.listdir("/proc"):
        if not pid.isdigit():
            continue
        for number in host.listdir(f"/proc/{pid}/fd"):
            target = (host.lstat(f"/proc/{pid}/fd/{number}") or {}).get("target") or ""
            if re.match(r"/dev/nvidia(?:\d+|ctl|-uvm)", target):
                command = (host.read(f"/proc/{pid}/comm") or "").strip()
                if command != "nvidia-persiste":
                    found.append({"pid": pid, "command": command})
                break
    return found


def _persistence(host: Host) -> dict[str, bool]:
    unit = "nvidia-persistenced.service"
    texts = [host.read(f"{folder}/{unit}") for folder in ("/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system")]
    text = next((text for text in texts if text is not None), None)
    return {
        # One without an install section, as Ubuntu's, is started by the device itself and cannot be enabled.
        "unit": "[Install]" in (text or ""),
        "installed": text is not None,
        "enabled": host.lstat(f"/etc/systemd/system/multi-user.target.wants/{unit}") is not None,
        "running": host.exists("/run/nvidia-persistenced/socket"),
    }


def _reboot(host: Host) -> dict[str, Any]:
    flag = next((path for path in ("/run/reboot-required", "/var/run/reboot-required") if host.exists(path)), "")
    return {"flag": bool(flag), "packages": sorted({*(host.read(flag + ".pkgs") or "").split()}) if flag else []}


def _deep(host: Host) -> dict[str, Any]:
    """What the driver says when it is asked: nvidia-smi's figures for each GPU, and the CUDA version of its library."""
    for fields in SMI_FIELDS:
        smi = host.run(["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"])
        if smi["rc"] == 0 or "is not a valid field" not in smi["out"] + smi["err"]:
            break
    rows = [[cell.strip() for cell in line.split(",")] for line in smi["out"].splitlines()] if smi["rc"] == 0 else []
    names = fields.split(",")
    banner = host.run(["nvidia-smi"])
    match = re.search(r"CUDA Version: *(\d+\.\d+)", banner["out"])
    asked = host.run([PYTHON, "-c", CUDA_VERSION])
    number = asked["out"].strip()
    return {
        "smi": {"rc": smi["rc"], "said": "" if smi["rc"] == 0 else (smi["out"] + smi["err"]).strip()[-400:]},
        "gpus": [dict(zip(names, row)) for row in rows],
        "smi_cuda": match.group(1) if match else None,
        "library_cuda": int(number) if asked["rc"] == 0 and number.isdigit() and int(number) > 1000 else None,
    }
