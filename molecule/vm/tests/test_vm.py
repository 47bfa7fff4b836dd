"""The machine runs a kernel of its own, from the disk that was built for it, and sees a Tesla T4."""

from __future__ import annotations

from testinfra.host import Host


def test_it_booted_again_from_the_disk_that_was_built(host: Host) -> None:
    assert host.file("/srv/built").content_string == "built\n"
    assert host.file("/srv/first-boot").content_string.strip() != host.check_output("cat /proc/sys/kernel/random/boot_id")


def test_it_runs_the_kernel_of_its_own_packages(host: Host) -> None:
    assert host.package(f"linux-image-{host.check_output('uname -r')}").is_installed
    assert host.check_output("systemd-detect-virt") == "qemu"


def test_it_sees_a_tesla_t4(host: Host) -> None:
    uevents = host.check_output("cat /sys/bus/pci/devices/*/uevent")
    assert "PCI_CLASS=30200\nPCI_ID=10DE:1EB8\n" in uevents
