"""The host is in another boot than the first, with its disk as it was, and the driver at work: read from what the hardware and dpkg say."""

from __future__ import annotations

import json

from testinfra.host import Host

VERSION = "470.256.02"


def test_the_host_booted_again_from_the_same_disk(host: Host) -> None:
    first = host.file("/srv/first-boot").content_string
    assert first.strip() != host.check_output("cat /proc/sys/kernel/random/boot_id")
    assert not host.file("/run/first-boot").exists


def test_systemd_is_up_again(host: Host) -> None:
    assert host.check_output("systemctl is-system-running") == "running"


def test_the_hardware_says_that_it_is_none(host: Host) -> None:
    for folder in ("/sys/bus/pci/devices", "/sys/module/nvidia", "/proc/driver"):
        assert "fake hardware of codetr-provision's lab" in host.file(f"{folder}/lab-hardware").content_string


def test_the_module_is_loaded_and_nouveau_is_not(host: Host) -> None:
    assert f"Kernel Module  {VERSION}  " in host.file("/proc/driver/nvidia/version").content_string
    assert not host.file("/sys/module/nouveau").exists


def test_dkms_has_the_module_for_the_kernel(host: Host) -> None:
    with host.sudo():
        assert host.check_output("dkms status") == f"nvidia/{VERSION}, 6.1.0-lab, x86_64: installed"
    assert f"nvidia-{VERSION}" in host.file("/usr/src").listdir()
    # It is for screens, and where there is no GPU yet the installer fails over loading it.
    assert host.run("/sbin/modinfo -k 6.1.0-lab nvidia-drm").rc != 0


def test_nothing_is_left_of_the_installer_nor_of_the_one_that_was_cut_short(host: Host) -> None:
    assert [name for name in host.file("/opt/codetr/cache").listdir() if "vidia" in name] == []
    assert host.file("/opt/codetr/receipts").listdir() == ["nvidia_driver.json"]


def test_the_receipt_says_that_it_stands_in_and_what_was_new(host: Host) -> None:
    receipt = json.loads(host.file("/opt/codetr/receipts/nvidia_driver.json").content_string)
    assert receipt["stand_in"] is True
    assert receipt["remember"]["uninstall"] == ["/usr/bin/nvidia-uninstall"]
    # By the run that was cut short, too.
    assert {"dkms", "gcc"} <= set(receipt["remember"]["packages"])
    assert "kmod" not in receipt["remember"]["packages"]
