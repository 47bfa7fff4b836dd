"""What this machine lacks for the lab, each in one sentence. Takes a few seconds, standard library only."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from lab import network, podman, python310, tools, upstreams
from lab.settings import NEEDED_BYTES, LabError, lab_dir

DEFAULT_STORAGE = Path("/var/lib/containers")


def problems() -> list[str]:
    """Return a sentence for each reason why the lab cannot work on this machine."""
    found = machine()
    # With root on Debian the next step installs them; elsewhere the sentence is all that helps.
    if found:
        found += programs()
    for check in (disk, python, owner):
        found += check()
    return found


def machine() -> list[str]:
    """Check distribution, architecture and rights."""
    found = []
    release = tools.os_release()
    name = release.get("PRETTY_NAME", platform.system())
    if release.get("ID") != "debian":
        found.append(f"This is {name}; the lab builds its hosts from the machine's own Debian archive and needs Debian 12.")
    if platform.machine() != "x86_64":
        found.append(f"This machine is {platform.machine()}; the packages of the demo exist for x86_64 only.")
    if os.geteuid() != 0:
        found.append("The lab runs system containers and needs root: run the same command with sudo.")
    return found


def programs() -> list[str]:
    """Check the tools, with the command that installs all missing ones."""
    missing = tools.missing_tools()
    if not missing:
        return []
    named = ", ".join(Path(tool.command).name for tool in missing)
    return [f"These tools are missing: {named}. `make lab` installs them, or: {tools.install_command(missing)}"]


def existing(path: Path) -> Path:
    """Return path or the nearest folder above it that exists."""
    return path if path.exists() or path == path.parent else existing(path.parent)


def container_storage() -> Path:
    """Return where podman keeps images and hosts."""
    try:
        return Path(podman.call("info", "--format", "{{.Store.GraphRoot}}").strip())
    except LabError:
        return DEFAULT_STORAGE


def disk() -> list[str]:
    """Check the free space of the lab's folder and of podman's storage."""
    found = []
    for path in (lab_dir(), container_storage()):
        free = shutil.disk_usage(existing(path)).free
        if free < NEEDED_BYTES:
            found.append(
                f"{path} has {free / 1024**3:.1f} GiB free and the lab needs {NEEDED_BYTES / 1024**3:.0f} GiB: make room"
                + (", or set CODETR_LAB_DIR to a folder elsewhere." if path == lab_dir() else ".")
            )
    return found


def python() -> list[str]:
    """Check that there is a real Miniconda to be had, or a CPython 3.10 for its stand-in."""
    if python310.find():
        return []
    chosen = os.environ.get(python310.VARIABLE)
    if chosen:
        return [f"{python310.VARIABLE} is {chosen}, which does not run as a complete CPython 3.10: correct it or unset it."]
    reasons = [upstreams.knock(url) for _, url in upstreams.declared("conda")] or ["is unknown"]
    if not any(reasons):
        return []
    return [
        "There is no CPython 3.10 on this machine (PATH, pyenv, uv) and Miniconda's server "
        f"{next(reason for reason in reasons if reason)}. Install one (`pyenv install 3.10` or `uv python install 3.10`), "
        f"or name one in {python310.VARIABLE}."
    ]


def owner() -> list[str]:
    """Check that no other checkout's lab is up; without podman there is none, and only root sees one."""
    if shutil.which("podman") is None or os.geteuid() != 0:
        return []
    try:
        network.refuse_foreign()
    except LabError as error:
        return [str(error)]
    return []
