"""The files that the role writes beside a driver's packages, and the one that says how the host was before."""

from __future__ import annotations

from ansible_collections.codetr.provision.plugins.module_utils.snapshot import parse
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context

HOLD_FILE = "/etc/apt/apt.conf.d/52codetr-provision-nvidia"
HOLD_TEXT = """\
// Written by codetr-provision: an unattended upgrade would leave a library that does not match the loaded module.
Unattended-Upgrade::Package-Blacklist {
  "nvidia-(?!container|docker)";
  "libnvidia-(?!container)";
  "libcuda1";
  "cuda-drivers";
};
"""
NOUVEAU_FILE = "/etc/modprobe.d/codetr-provision-nouveau.conf"
NOUVEAU_TEXT = """\
# Written by codetr-provision: nouveau would take the GPU before NVIDIA's driver can.
blacklist nouveau
options nouveau modeset=0
"""


def snapshot_of(ctx: Context) -> str:
    """The state file, which says how the host was before the stage; it exists until the receipt is written."""
    return parse.state_path(f"{ctx.prefix}/receipts", "nvidia_driver")
