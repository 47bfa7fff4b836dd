"""What every stage needs to know of a host: who logs in, which system, how much room, what is installed, what earlier runs left."""

from __future__ import annotations

import grp
import os
import pwd
import re
import sys
import time
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.gpu import probe as gpu_probe
from ansible_collections.codetr.provision.plugins.module_utils.host.container import container
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.package_manager import managers

# Patterns on the firmware's vendor, product and asset tag.
CLOUDS = {
    "AWS": r"Amazon EC2",
    "Google Cloud": r"Google Compute Engine|^Google\b",
    "Azure": r"7783-7084-3265-9085-8269-3286-77",
    "Oracle Cloud": r"OracleCloud",
    "Alibaba Cloud": r"Alibaba Cloud",
    "DigitalOcean": r"DigitalOcean",
    "Hetzner": r"Hetzner",
    "Scaleway": r"Scaleway",
    "OpenStack": r"OpenStack",
}
HYPERVISORS = {
    "KVM": r"KVM|QEMU|Standard PC",
    "VMware": r"VMware",
    "VirtualBox": r"VirtualBox",
    "Hyper-V": r"Microsoft Corporation \| Virtual Machine",
}


def probe(host: Host, ask: dict[str, Any]) -> dict[str, Any]:
    """The sections ``user os machine disks gpus system_packages unfinished receipts inprogress``; unfinished are packages that were
    left half installed.

    Args:
        ask: ``{"owner": name or "", "paths": [...], "system_packages": [...], "receipts": folder, "tools": [...]}``
    """
    return {
        "user": _user(host, ask.get("owner", "")),
        "os": _os(host),
        "machine": _machine(host),
        "disks": {path: _disk(host, path) for path in ask.get("paths", [])},
        "gpus": gpu_probe.probe(host),
        "system_packages": _installed(host, ask.get("system_packages", [])),
        "unfinished": [name for name, entry in managers.of(host).installed(host, ".*").items() if not entry["whole"]],
        "receipts": _receipts(host, ask.get("receipts", ""), ".json"),
        "inprogress": _receipts(host, ask.get("receipts", ""), ".inprogress"),
    }


def _user(host: Host, owner: str) -> dict[str, Any]:
    """Who logs in (seen through sudo), and the account that is to own everything (``owner``, or the one that logs in)."""
    uid = host.reading("uid", os.geteuid)
    login = host.reading("login", _login) or "root"
    name = owner or login
    return {
        "login": login,
        "uid": uid,
        "owner": {"name": name, **(host.reading(f"account:{name}", lambda: _account(name)) or {"exists": False})},
    }


def _login() -> str:
    """The name of the account behind this process; root reached through sudo counts as who called sudo."""
    if os.geteuid() == 0 and os.environ.get("SUDO_USER"):
        return os.environ["SUDO_USER"]
    return pwd.getpwuid(os.geteuid()).pw_name


def _account(name: str) -> dict[str, Any]:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return {"exists": False}
    return {
        "exists": True,
        "uid": entry.pw_uid,
        "gid": entry.pw_gid,
        "group": grp.getgrgid(entry.pw_gid).gr_name,
        "gids": sorted(os.getgrouplist(name, entry.pw_gid)),
        "home": entry.pw_dir,
        "shell": entry.pw_shell,
    }


def _os(host: Host) -> dict[str, Any]:
    fields = {}
    for line in (host.read("/etc/os-release") or "").splitlines():
        key, found, value = line.partition("=")
        if found:
            fields[key.strip()] = value.strip().strip('"').strip("'")
    return {
        "id": fields.get("ID", ""),
        "version": fields.get("VERSION_ID", ""),
        "codename": fields.get("VERSION_CODENAME", ""),
        "like": fields.get("ID_LIKE", "").split(),
        "name": fields.get("PRETTY_NAME", ""),
        "package_managers": [name for name, each in managers.MANAGERS.items() if host.exists(each.program)],
        "systemd": host.exists("/run/systemd/system"),
    }


def _machine(host: Host) -> dict[str, Any]:
    memory = {
        key: int(value) * 1024 for key, value in re.findall(r"^(MemTotal|MemAvailable):\s+(\d+) kB", host.read("/proc/meminfo") or "", re.M)
    }
    return {
        "arch": host.reading("arch", lambda: os.uname().machine),
        "kernel": host.reading("kernel", lambda: os.uname().release),
        "python": host.reading("python", lambda: list(sys.version_info[:3])),
        "cpus": host.reading("cpus", lambda: len(os.sched_getaffinity(0))),
        "epoch": host.reading("epoch", time.time),
        "memory": {"total": memory.get("MemTotal"), "available": memory.get("MemAvailable")},
        "shm": host.reading("shm", lambda: _room("/dev/shm")),
        "container": container(host),
        **_beneath(host),
    }


def _beneath(host: Host) -> dict[str, str]:
    """Which cloud and which kind of virtual machine this is, by what the firmware says of itself; empty where it does not say."""
    dmi = {name: (host.read(f"/sys/class/dmi/id/{name}") or "").strip() for name in ("sys_vendor", "product_name", "chassis_asset_tag")}
    text = " | ".join(dmi.values())
    cloud = next((name for name, pattern in CLOUDS.items() if re.search(pattern, text)), "")
    flags = re.search(r"^flags\s*:.*\bhypervisor\b", host.read("/proc/cpuinfo", 1 << 14) or "", re.M)
    named = next((name for name, pattern in HYPERVISORS.items() if re.search(pattern, text)), "")
    return {"cloud": cloud, "virtualisation": named or ("a virtual machine" if flags or cloud else "")}


def _room(path: str) -> dict[str, Any]:
    at = os.statvfs(path)
    return {
        "total": at.f_frsize * at.f_blocks,
        "free": at.f_frsize * at.f_bavail,
        "read_only": bool(at.f_flag & os.ST_RDONLY),
        "device": os.stat(path).st_dev,
    }


def _disk(host: Host, path: str) -> dict[str, Any]:
    """The path itself, and the room on the file system that it is or would be on (its nearest parent that exists)."""
    parent = path
    while parent not in ("/", "") and host.lstat(parent) is None:
        parent = os.path.dirname(parent)
    found = host.lstat(parent) or {}
    return {
        "self": host.lstat(path),
        "resolves": host.exists(path),
        "parent": parent,
        "parent_type": "dir" if host.exists(parent + "/.") else found.get("type"),
        "room": host.reading(f"room:{parent}", lambda: _room(parent)),
    }


def _installed(host: Host, names: list[str]) -> dict[str, str | None]:
    """The installed version of each named package."""
    found = managers.of(host).installed(host, "|".join(map(re.escape, names)))
    return {name: found[name]["version"] if found.get(name, {}).get("whole") else None for name in names}


def _receipts(host: Host, folder: str, ending: str) -> dict[str, Any]:
    if not folder:
        return {}
    # Stages' names have no dot: sbom.cdx.json beside them is a receipt of no stage.
    stages = [name[: -len(ending)] for name in host.listdir(folder) if name.endswith(ending)]
    return {name: host.read_json(f"{folder}/{name}{ending}") for name in stages if "." not in name}
