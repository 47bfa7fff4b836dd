"""What the probe reads of drivers and kernels: DKMS in both its formats, and whether the kernel insists on signatures."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.host import kernels
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import probe as nvidia_driver

NEWER = """\
Deprecated feature: REMAKE_INITRD (/var/lib/dkms/zfs/2.1.11/source/dkms.conf)
nvidia/470.256.02, 6.1.0-56-amd64, x86_64: installed
nvidia/470.256.02, 6.1.0-55-amd64, x86_64: built
nvidia-current/535.261.03: added
zfs/2.1.11, 6.1.0-56-amd64, x86_64: installed
"""
OLDER = """\
nvidia, 470.256.02, 5.4.0-216-generic, x86_64: installed (original_module exists)
nvidia-tesla-470, 470.256.02: added
nvidia, 470.256.02, 5.4.0-215-generic, x86_64: installed (WARNING! Diff between built and installed module!)
wireguard, 1.0, 5.4.0-216-generic, x86_64: installed
"""


def test_dkms_from_version_3_on():
    assert nvidia_driver.parse_dkms(NEWER) == [
        {"name": "nvidia", "version": "470.256.02", "kernel": "6.1.0-56-amd64", "state": "installed"},
        {"name": "nvidia", "version": "470.256.02", "kernel": "6.1.0-55-amd64", "state": "built"},
        {"name": "nvidia-current", "version": "535.261.03", "kernel": "", "state": "added"},
    ]


def test_dkms_before_version_3():
    assert nvidia_driver.parse_dkms(OLDER) == [
        {"name": "nvidia", "version": "470.256.02", "kernel": "5.4.0-216-generic", "state": "installed (original_module exists)"},
        {"name": "nvidia-tesla-470", "version": "470.256.02", "kernel": "", "state": "added"},
        {
            "name": "nvidia",
            "version": "470.256.02",
            "kernel": "5.4.0-215-generic",
            "state": "installed (WARNING! Diff between built and installed module!)",
        },
    ]


def test_dkms_with_nothing():
    assert nvidia_driver.parse_dkms("") == []
    assert nvidia_driver.parse_dkms("Error! Could not locate dkms.conf file.\nFile: /var/lib/dkms/nvidia/470/dkms.conf is gone.\n") == []


@pytest.mark.parametrize(
    ("variables", "on"),
    [
        ({}, None),
        ({"SecureBoot": 0}, False),
        ({"SecureBoot": 1}, True),
        ({"SecureBoot": 1, "SetupMode": 0, "MokSBStateRT": 0}, True),
        ({"SecureBoot": 1, "SetupMode": 1}, False),
        ({"SecureBoot": 1, "MokSBStateRT": 1}, False),
    ],
)
def test_secure_boot_is_what_the_kernel_takes_it_to_be(tmp_path: Path, variables: dict[str, int], on: bool | None):
    owners = {"MokSBStateRT": "605dab50-e046-4300-abb6-3dd810dd8b23"}
    folder = tmp_path / "sys/firmware/efi/efivars"
    folder.mkdir(parents=True)
    for name, value in variables.items():
        (folder / f"{name}-{owners.get(name, '8be4df61-93ca-11d2-aa0d-00e098032b8c')}").write_bytes(b"\x06\x00\x00\x00" + bytes([value]))
    host = Host(str(tmp_path), {"commands": {}, "readings": {"kernel": "6.1.0-56-amd64"}})
    assert kernels.probe(host, "")["secure_boot"] is on
