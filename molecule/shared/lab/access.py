"""How ssh and Ansible reach the hosts: ssh_config, one inventory of settings, and one small inventory for each host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path

from lab import images
from lab.settings import USER, lab_dir

# A rebuilt host has the same address and may have another key; a connection to the old one must end soon.
SSH_COMMON = """\
Host *
  User {user}
  IdentityFile "{key}"
  IdentitiesOnly yes
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  ConnectTimeout 5
  ServerAliveInterval 5
  ServerAliveCountMax 3
"""


def ssh_config_path() -> Path:
    """Return the path of ssh's configuration for the hosts."""
    return lab_dir() / "ssh_config"


def ssh_config(hosts: Mapping[str, IPv4Address]) -> str:
    """Return ssh's configuration for hosts (names to addresses)."""
    blocks = [f"Host {name}\n  HostName {address}\n" for name, address in sorted(hosts.items())]
    return "".join(blocks) + SSH_COMMON.format(user=USER, key=images.key_pair())


def replace(path: Path, text: str) -> None:
    """Write text to path in one step, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)


def write(hosts: Mapping[str, IPv4Address]) -> None:
    """Write all files that say how to reach hosts; those of hosts that are gone are removed.

    The inventories are JSON, which Ansible reads as YAML: the lab then needs the standard library only.
    """
    replace(ssh_config_path(), ssh_config(hosts))
    connection = {
        "ansible_connection": "ssh",
        "ansible_user": USER,
        "ansible_ssh_common_args": f"-F '{ssh_config_path()}'",
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    # Scenarios put their hosts in `molecule`; the demo's is in `lab`. Both are reached the same way.
    groups = {"all": {"children": {"lab": {"vars": connection, "children": {"molecule": {}}}}}}
    replace(lab_dir() / "inventory" / "lab.yml", json.dumps(groups, indent=2) + "\n")
    folder = lab_dir() / "hosts"
    for name in hosts:
        replace(folder / f"{name}.yml", json.dumps({"lab": {"hosts": {name: {}}}}) + "\n")
    for path in folder.glob("*.yml"):
        if path.stem not in hosts:
            path.unlink()
