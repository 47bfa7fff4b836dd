"""The lab's network, one per machine, and the checkout that it belongs to."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import caches, podman
from lab.settings import COPIES, GATEWAY, HOST_PREFIX, LABEL, NETWORK, SUBNET, LabError, lab_dir

OWNER = f"{LABEL}.dir"
# Where podman notes which addresses are taken, for all of its networks.
LEASES = Path("/run/containers/networks/ipam.db")
TAKEN = "is already allocated to container ID"


@contextmanager
def lock() -> Iterator[None]:
    """Let one command at a time change the lab of this folder: scenarios run side by side."""
    path = lab_dir() / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def owner() -> Path | None:
    """Return the folder of the lab that is up on this machine, or None."""
    if not podman.exists("network", NETWORK):
        return None
    return Path(podman.inspect("network", NETWORK)["labels"].get(OWNER, ""))


def hosts() -> list[str]:
    """Return the names of the containers that are hosts and run, whoever's they are."""
    return sorted(name for name in podman.containers(everything=False) if name.startswith(HOST_PREFIX))


def refuse_foreign() -> None:
    """Fail when another checkout's hosts run: ours would have the same names and addresses.

    A lab with a mirror and no hosts is not in use; `ensure` replaces it.

    Raises:
        LabError: hosts of another checkout run, and its folder still exists.
    """
    other = owner()
    if other is not None and other != lab_dir() and other.is_dir() and hosts():
        raise LabError(
            f"The lab of {other} is up on this machine, with hosts in it ({', '.join(hosts())}). End it with `lab down` in that checkout, "
            f"or share it: export CODETR_LAB_DIR={other}"
        )


def ensure() -> None:
    """Make the network unless it exists; one of a deleted checkout, or without hosts, is replaced."""
    refuse_foreign()
    current = owner()
    if current == lab_dir():
        return
    if current is not None:
        remove()
    podman.call(
        "network", "create", "--label", podman.LABEL_ARGUMENT, "--label", f"{OWNER}={lab_dir()}",
        "--subnet", str(SUBNET), "--gateway", str(GATEWAY), NETWORK,
    )  # fmt: skip


def remove() -> None:
    """Remove the lab's containers, the copies that were made of them, and its network.

    A container that was removed by podman without the lab's settings has left its address reserved, and podman never frees it. Its list of
    addresses is removed too where podman has no other container.
    """
    for name in podman.containers():
        podman.call("rm", "--force", "--time", "0", name)
    for copy in podman.call("images", "--format", "{{.Repository}}:{{.Tag}}", COPIES).split():
        podman.call("rmi", copy)
    for folder in caches.apt_folders():
        caches.collect(folder.name)
    if podman.exists("network", NETWORK):
        podman.call("network", "rm", NETWORK)
    if not podman.call("ps", "--all", "--quiet").strip():
        LEASES.unlink(missing_ok=True)
