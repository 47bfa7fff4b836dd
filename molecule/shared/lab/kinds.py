"""The kinds of host: a container, one that really reboots, and a virtual machine. podman runs all three, so all end the same way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab import caches, images
from lab.settings import APT_CACHE, PIP_CACHE, LabError

FILES = Path(__file__).parent / "files"
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_INSTANCES = 8192


@dataclass(frozen=True)
class Kind:
    """One kind of host.

    Attributes:
        arguments: podman's arguments for a host's name and the full name of its image.
        seconds: how long it may take to start.
        suffix: the end of the names of its images.
    """

    arguments: Callable[[str, str], list[str]]
    seconds: float
    suffix: str = ""


def volumes(host: str) -> list[str]:
    """Make the download caches of a host and return podman's arguments for them."""
    return [word for folder, inside in caches.prepare(host) for word in ("--volume", f"{folder}:{inside}")]


def raise_inotify() -> None:
    """Raise the limit of inotify instances: root has 128 by default, and each systemd takes several."""
    if int(INOTIFY.read_text()) < INOTIFY_INSTANCES:
        INOTIFY.write_text(f"{INOTIFY_INSTANCES}\n")


def container(host: str, image: str) -> list[str]:
    """Return podman's arguments for a host that is a container. It starts fast, has the machine's boot_id and does not survive a reboot."""
    return ["--systemd=always", "--shm-size=1g", *volumes(host), image]


def nspawn(host: str, image: str) -> list[str]:
    """Return podman's arguments for a host that reboots: systemd-nspawn, in a container that lends it network and disk."""
    return [
        "--systemd=false", "--privileged", "--cgroupns=private", "--tmpfs=/run", *volumes(host),
        "--mount", f"type=image,source={image},destination=/tree,rw=true",
        images.ensure("nspawn"), "sh", "-c", (FILES / "nspawn.sh").read_text(), "nspawn.sh",
        f"--bind={APT_CACHE}", f"--bind={PIP_CACHE}",
    ]  # fmt: skip


def vm(_: str, image: str) -> list[str]:
    """Return podman's arguments for a host with its own kernel: QEMU, without CPU virtualization, in a container with the disk."""
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
        raise LabError(f"Unknown kind of host {name!r}: choose one of {', '.join(KINDS)}.")
    return KINDS[name]
