"""The programs that the lab needs from this machine's distribution."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab.settings import LabError
from lab.shell import run


@dataclass(frozen=True)
class Tool:
    """One program: where it is found, the apt package that brings it, and what the lab does with it."""

    command: str
    package: str
    purpose: str


TOOLS = (
    Tool("podman", "podman", "runs the hosts"),
    Tool("runc", "runc", "runs the hosts"),
    Tool("/usr/lib/podman/netavark", "netavark", "gives the hosts a network"),
    Tool("/usr/lib/podman/aardvark-dns", "aardvark-dns", "resolves names for the hosts"),
    Tool("iptables", "iptables", "lets the hosts reach the outside"),
    Tool("mmdebstrap", "mmdebstrap", "builds the host image"),
    Tool("ssh", "openssh-client", "reaches the hosts"),
    Tool("git", "git", "makes the repositories that the mirror serves"),
    Tool("gpg", "gpg", "signs the apt repositories that the mirror serves"),
    Tool("gpgconf", "gpgconf", "ends the agent that gpg starts"),
    Tool("gpg-agent", "gpg-agent", "keeps the keys while gpg signs"),
    Tool("aria2c", "aria2", "downloads, in the lab and in the tests"),
    Tool("nginx", "nginx-light", "serves the downloads of the tests"),
)

SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"


def os_release() -> dict[str, str]:
    """Return the fields of this machine's os-release file; an empty dict where there is none."""
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def missing_tools() -> list[Tool]:
    """Return the tools that are not on this machine."""
    path = os.environ.get("PATH", "") + os.pathsep + SYSTEM_FOLDERS
    return [tool for tool in TOOLS if shutil.which(tool.command, path=path) is None]


def install_command(tools: list[Tool]) -> str:
    """Return the one shell line that installs the packages of tools."""
    packages = " ".join(dict.fromkeys(tool.package for tool in tools))
    return f"apt-get update && apt-get install --yes --no-install-recommends {packages}"


def install() -> list[str]:
    """Install the packages of the missing tools and return their names.

    Raises:
        LabError: not root, or no apt: the message holds the command to run.
    """
    missing = missing_tools()
    if not missing:
        return []
    command = install_command(missing)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise LabError(f"These packages are missing and only root on Debian can install them:\n  {command}")
    # Debian's nginx package starts a server on port 80, which the lab has no use for.
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        run(["sh", "-c", command], environment={"DEBIAN_FRONTEND": "noninteractive"})
    finally:
        if ours:
            policy.unlink()
    return [tool.package for tool in missing]
