"""Ubuntu's way: modules that were built and signed elsewhere, for the kernel that the host boots; nothing is compiled."""

from __future__ import annotations

import json

from testinfra.host import Host

KERNEL = "5.15.0-1084-aws"


def test_the_signed_modules_of_the_kernel_were_chosen(host: Host) -> None:
    assert host.package(f"linux-modules-nvidia-470-server-{KERNEL}").is_installed
    assert host.package("linux-modules-nvidia-470-server-aws").is_installed
    assert not host.package("nvidia-dkms-470-server").is_installed
    with host.sudo():
        output = host.check_output(f"/sbin/modinfo -k {KERNEL} nvidia")
    assert "470.256.02" in output
    assert "signer:" in output


def test_no_compiler_came_along(host: Host) -> None:
    assert not host.package("gcc").is_installed
    assert not host.package("dkms").is_installed


def test_the_user_space_is_held_and_the_modules_may_follow_the_kernel(host: Host) -> None:
    held = host.check_output("apt-mark showhold").split()
    assert {"nvidia-utils-470-server", "libnvidia-compute-470-server", "nvidia-headless-no-dkms-470-server"} <= set(held)
    assert not [name for name in held if name.startswith("linux-")]


def test_the_sources_are_as_they_were(host: Host) -> None:
    assert host.file("/etc/apt/sources.list.d").listdir() == ["debian.sources", "ubuntu.sources"]
    assert "non-free" not in host.file("/etc/apt/sources.list.d/debian.sources").content_string


def test_the_daemon_does_not_run_without_a_gpu(host: Host) -> None:
    assert host.check_output("systemctl --failed --no-legend --plain") == ""
    assert not host.service("nvidia-persistenced").is_running


def test_the_receipt_says_which_branch(host: Host) -> None:
    receipt = json.loads(host.file("/opt/codetr/receipts/nvidia_driver.json").content_string)
    assert receipt["version"] == "driver 470 (CUDA 11.4)"
