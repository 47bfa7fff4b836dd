"""The kinds of host: a container, one that really reboots, and a machine of its own. podman runs all, so all end the same way."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab import images
from lab.settings import CACHES, DEFAULT_IMAGE, RELEASES, LabError, lab_dir

FILES = Path(__file__).parent / "files"
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_INSTANCES = 8192


@dataclass(frozen=True)
class Kind:
    """One kind of host: podman's arguments for an image's full name, the seconds in which it starts, and what its images' names end in."""

    arguments: Callable[[str], list[str]]
    seconds: float
    suffix: str = ""


def volumes(image: str) -> list[str]:
    """Make the folders that all hosts of an image's release share and return podman's arguments for them.

    Each release has its own: what apt is downloading belongs to a user of its own, and that has another number in each.
    """
    release = next((name for name in RELEASES if name in image and name != DEFAULT_IMAGE), "")
    arguments = []
    for below, inside, owner in CACHES:
        folder = lab_dir() / (f"{below}-{release}" if release else below)
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, owner, owner)
        arguments += ["--volume", f"{folder}:{inside}"]
    return arguments


def raise_inotify() -> None:
    """Allow as many inotify instances as many systemds need: root has 128 by default, and each host takes several of them."""
    if int(INOTIFY.read_text()) < INOTIFY_INSTANCES:
        INOTIFY.write_text(f"{INOTIFY_INSTANCES}\n")


def container(image: str) -> list[str]:
    """Return podman's arguments for a host that is a container. It starts fast, has the machine's boot_id and does not survive a reboot."""
    return ["--systemd=always", "--shm-size=1g", *volumes(image), image]


def nspawn(image: str) -> list[str]:
    """Return podman's arguments for a host that reboots: systemd-nspawn, in a container that lends it network and disk."""
    return [
        "--systemd=false", "--privileged", "--cgroupns=private", "--tmpfs=/run", *volumes(image),
        "--mount", f"type=image,source={image},destination=/tree,rw=true",
        images.ensure("nspawn"), "sh", "-c", (FILES / "nspawn.sh").read_text(), "nspawn.sh",
        *(f"--bind={inside}" for _, inside, _ in CACHES),
    ]  # fmt: skip


def vm(image: str) -> list[str]:
    """Return podman's arguments for a host with a kernel of its own: QEMU, without the processor's help, in a container with the disk."""
    return [
        "--systemd=false", "--mount", f"type=image,source={image},destination=/tree,rw=true",
        images.ensure("qemu"), "python3", "-c", (FILES / "vm.py").read_text(),
    ]  # fmt: skip


KINDS = {"container": Kind(container, 90), "nspawn": Kind(nspawn, 90), "vm": Kind(vm, 600, "-vm")}


def find(name: str) -> Kind:
    """Return the kind of host called name.

    Raises:
        LabError: there is none.
    """
    if name not in KINDS:
        raise LabError(f"There is no kind of host {name!r}: choose one of {', '.join(KINDS)}.")
    return KINDS[name]
