"""The initramfs images of a host, and the command that rebuilds them."""

from __future__ import annotations

import re

from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host

# How an image's name in /boot begins, for each program that builds images.
BUILDERS = ((r"initrd\.img-", "/usr/sbin/update-initramfs", ("update-initramfs", "-u", "-k", "all")),)


def images(host: Host) -> list[str]:
    """The names of the images in /boot."""
    return [name for name in host.listdir("/boot") if any(re.match(pattern, name) for pattern, _program, _command in BUILDERS)]


def rebuild(host: Host) -> list[str]:
    """The command that rebuilds all images; empty where there is none."""
    found = images(host)
    for pattern, program, command in BUILDERS:
        if any(re.match(pattern, name) for name in found) and host.exists(program):
            return list(command)
    return []
