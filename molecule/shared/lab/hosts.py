"""The lab's hosts: systems with systemd and sshd, each at an address of its own."""

from __future__ import annotations

import re
import shlex
import time
from ipaddress import AddressValueError, IPv4Address

from lab import access, caches, images, kinds, network, podman
from lab.settings import COPIES, DEFAULT_IMAGE, DEFAULT_KIND, HOST_PREFIX, NETWORK, SUBNET, LabError, address
from lab.shell import run

ADDRESS = "codetr-lab.address"
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


def running() -> dict[str, IPv4Address]:
    """Return the hosts that run, by name, with their addresses."""
    return {
        name.removeprefix(HOST_PREFIX): IPv4Address(entry["Labels"][ADDRESS])
        for name, entry in podman.containers(everything=False).items()
        if name.startswith(HOST_PREFIX)
    }


def choose_address(name: str, wanted: str | None, taken: dict[str, IPv4Address]) -> IPv4Address:
    """Return the address for a new host: the wanted one, or the name's own.

    Raises:
        LabError: it is none of the lab's network, or another host has it.
    """
    try:
        chosen = IPv4Address(wanted) if wanted else address(name, taken.values())
    except AddressValueError as error:
        raise LabError(f"{wanted!r} is not an IPv4 address.") from error
    if chosen not in SUBNET:
        raise LabError(f"{chosen} is not on the lab's network {SUBNET}: choose an address from it.")
    for other, its in taken.items():
        if its == chosen:
            raise LabError(f"{chosen} belongs to the host {other}: destroy that one or choose another address for {name}.")
    return chosen


def copy(source: str, name: str) -> str:
    """Keep the state of the host called source as the image of the host called name, and return the image's full name.

    Raises:
        LabError: no such host exists, or podman does not see the disk of its kind.
    """
    entry = podman.containers().get(HOST_PREFIX + source)
    if entry is None or entry["Labels"].get(podman.IMAGE) != entry["Image"]:
        raise LabError(f"{source!r} cannot be copied: only a host that exists and is of the kind container can.")
    full = f"{COPIES}:{name}"
    podman.call("commit", "--quiet", "--pause=false", HOST_PREFIX + source, full)
    return full


def create(
    name: str, *, image: str = DEFAULT_IMAGE, kind: str = DEFAULT_KIND, address: str | None = None, copy_of: str | None = None
) -> str:
    """Start the host called name, unless it runs, and wait until ssh answers.

    Args:
        name: the host's, in the lab and in its own eyes.
        image: the name of the image that it starts from.
        kind: a name from kinds.KINDS.
        address: an address on the lab's network, in place of the name's own.
        copy_of: another host, to start from its present state and not from an image.

    Returns:
        A line with the result. It starts with "name: created" only when a host was made.
    """
    if not NAME.fullmatch(name):
        raise LabError(f"{name!r} is no host name: use lower-case letters, digits and dashes.")
    chosen_kind = kinds.find(kind)
    with network.lock():
        network.ensure()
        taken = running()
        if name in taken:
            access.write(taken)
            return f"{name}: runs at {taken[name]}"
        chosen = choose_address(name, address, taken)
        container = HOST_PREFIX + name
        # A stopped container cannot be used: the state of a host is the result of one run.
        remove(name)
        full = copy(copy_of, name) if copy_of else images.ensure(image + chosen_kind.suffix)
        kinds.raise_inotify()
        start(
            "--name", container, "--hostname", name,
            "--label", podman.LABEL_ARGUMENT, "--label", f"{ADDRESS}={chosen}", "--label", f"{podman.IMAGE}={full}",
            "--network", NETWORK, "--ip", str(chosen), *chosen_kind.arguments(name, full),
        )  # fmt: skip
        access.write({**taken, name: chosen})
    try:
        wait(name, chosen_kind.seconds)
    except LabError as error:
        raise LabError(f"{error}\nIt stays: see `podman logs {container}`, or look with `podman exec -it {container} bash`.") from error
    return f"{name}: created at {chosen} from {full}"


def start(*arguments: str) -> None:
    """Start a container.

    Raises:
        LabError: podman cannot; where an address is taken by a container that is gone, the message says how to free it.
    """
    try:
        podman.call("run", "--detach", *arguments)
    except LabError as error:
        if network.TAKEN not in str(error):
            raise
        raise LabError(
            f"{error}\nThat container was probably removed by `podman rm`, which left its address reserved; "
            "remove hosts by `lab host destroy`. `make lab-down` frees the address unless podman has other containers; "
            "then remove those first, or restart the machine."
        ) from error


def wait(name: str, seconds: float) -> None:
    """Wait until systemd has started the host and ssh answers.

    Raises:
        LabError: neither happened within seconds, or systemd ended in another state than running or degraded.
    """
    # `degraded` passes: a container may not run each unit of the distribution, and a role that broke one is the tests' business.
    question = "systemctl is-system-running --wait || true"
    deadline = time.monotonic() + seconds
    while True:
        try:
            state = run(["ssh", "-F", access.ssh_config_path(), name, question], timeout=seconds).strip()
            break
        except LabError as error:
            if time.monotonic() > deadline:
                raise LabError(f"The host {name} does not answer by ssh after {seconds:.0f} seconds: {error}") from error
            time.sleep(0.2)
    if state not in ("running", "degraded"):
        raise LabError(f"systemd on the host {name} is in the state {shlex.quote(state)}.")


def destroy(name: str) -> bool:
    """Remove the host called name and return whether there was one."""
    with network.lock():
        if HOST_PREFIX + name not in podman.containers():
            return False
        taken = running()
        network.refuse_foreign()
        remove(name)
        taken.pop(name, None)
        access.write(taken)
    return True


def remove(name: str) -> None:
    """Remove the container of the host called name, if there is one, and the copy that it was made from."""
    podman.call("rm", "--force", "--ignore", "--time", "0", HOST_PREFIX + name)
    caches.collect(name)
    if podman.exists("image", f"{COPIES}:{name}"):
        podman.call("rmi", f"{COPIES}:{name}")
