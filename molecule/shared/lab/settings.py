"""Names, addresses and places of the lab. Data and pure functions only."""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

HOST_PREFIX = "codetr-lab-host-"
LABEL = "codetr-lab"
NETWORK = "codetr-lab"
SUBNET = IPv4Network("10.213.77.0/24")
GATEWAY = SUBNET[1]
MIRROR_ADDRESS = SUBNET[2]
MIRROR = "codetr-lab-mirror"
BASE_URL = f"http://{MIRROR_ADDRESS}"

# The user that the lab's hosts are reached as: an ordinary cloud account, with sudo that asks for no password.
USER = "lab"
UID = 1000

# The releases of Debian that hosts can have: the name of the image to the archive's name of the release.
RELEASES = {"debian12": "bookworm", "debian11": "bullseye"}
DEFAULT_IMAGE = "debian12"
DEFAULT_KIND = "container"
IMAGE_PREFIX = "localhost/codetr-lab"
# Images of hosts that were made from other hosts, tagged with their names.
COPIES = f"{IMAGE_PREFIX}/copy"
# The image of a host on which the slow stages are done.
PREPARED = "prepared"

NEEDED_BYTES = 12 * 1024**3

# Paths of the download caches on the hosts.
APT_CACHE = "/var/cache/apt/archives"
PIP_CACHE = "/var/cache/codetr-lab/pip"

# Hosts with a fixed address. Any other name gets one from address().
ADDRESSES = {
    "demo": 10,
    "matrix-podman": 31,
    "default": 11,
    "preflight": 12,
    "miniconda": 13,
    "codetr-env": 14,
    "codetr-packages": 15,
    "codetr-repo": 16,
    "codetr-datasets": 17,
    "codetr-workspace": 18,
    "nvidia-driver": 19,
    "cuda-toolkit": 20,
}
FIRST_FREE = 32
LAST_FREE = 254


class LabError(Exception):
    """The lab cannot continue; the message says what to do."""


def repository() -> Path:
    """Return the root of the checkout that this package is part of."""
    return Path(__file__).resolve().parents[3]


def lab_dir() -> Path:
    """Return the folder that holds everything of the lab: CODETR_LAB_DIR, or .lab in the checkout."""
    chosen = os.environ.get("CODETR_LAB_DIR")
    if not chosen:
        return repository() / ".lab"
    if not Path(chosen).is_absolute():
        raise LabError(f"CODETR_LAB_DIR is {chosen!r}: give it as an absolute path.")
    return Path(chosen)


def address(name: str, taken: Collection[IPv4Address] = ()) -> IPv4Address:
    """Return the address of the host called name, the same in every run as long as no one else has it in taken."""
    if name in ADDRESSES:
        return SUBNET[ADDRESSES[name]]
    count = LAST_FREE - FIRST_FREE + 1
    start = zlib.crc32(name.encode()) % count
    for step in range(count):
        candidate = SUBNET[FIRST_FREE + (start + step) % count]
        if candidate not in taken:
            return candidate
    raise LabError(f"All {count} addresses of the lab are taken: remove hosts with `lab down`.")
