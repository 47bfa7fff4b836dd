"""The files that the role writes beside a driver's packages, and the one that says how the host was before."""

from __future__ import annotations

from ansible_collections.codetr.provision.plugins.module_utils.package_manager.managers import MANAGERS
from ansible_collections.codetr.provision.plugins.module_utils.snapshot import parse
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context

NOUVEAU_FILE = "/etc/modprobe.d/codetr-provision-nouveau.conf"
NOUVEAU_TEXT = """\
# Written by codetr-provision: nouveau would take the GPU before NVIDIA's driver can.
blacklist nouveau
options nouveau modeset=0
"""


def hold_files() -> list[str]:
    """The files that keep unattended upgrades from the driver, for each package manager that has one."""
    return [found[0] for each in MANAGERS.values() for found in [each.unattended_file()] if found]


def snapshot_of(ctx: Context) -> str:
    """The state file, which says how the host was before the stage; it exists until the receipt is written."""
    return parse.state_path(f"{ctx.prefix}/receipts", "nvidia_driver")
