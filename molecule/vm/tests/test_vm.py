"""A machine with a kernel of its own: the module that was compiled elsewhere is that kernel's, and nouveau stays away."""

from __future__ import annotations

import re

from testinfra.host import Host

VERSION = "470.256.02"
LIBRARY = "import ctypes; v = ctypes.c_int(); print(ctypes.CDLL('libcuda.so.1').cuDriverGetVersion(ctypes.byref(v)), v.value)"


def test_it_booted_again(host: Host) -> None:
    assert host.file("/srv/first-boot").content_string.strip() != host.check_output("cat /proc/sys/kernel/random/boot_id")


def test_it_runs_the_kernel_of_its_own_packages(host: Host) -> None:
    assert host.package(f"linux-image-{host.check_output('uname -r')}").is_installed
    assert host.check_output("systemd-detect-virt") == "qemu"


def test_it_sees_a_tesla_t4(host: Host) -> None:
    uevents = host.check_output("cat /sys/bus/pci/devices/*/uevent")
    assert "PCI_CLASS=30200\nPCI_ID=10DE:1EB8\n" in uevents


def test_the_module_is_the_running_kernels_and_accepted_by_it(host: Host) -> None:
    output = host.check_output("sudo /sbin/modinfo nvidia-tesla-470")
    assert re.search(rf"^version: +{VERSION}$", output, re.M)
    assert re.search(rf"^vermagic: +{re.escape(host.check_output('uname -r'))} ", output, re.M)
    tried = host.run("sudo /sbin/modprobe nvidia")
    assert tried.rc != 0
    assert "No such device" in tried.stderr


def test_nouveau_is_not_loaded(host: Host) -> None:
    assert not host.file("/sys/module/nouveau").exists


def test_the_library_answers(host: Host) -> None:
    assert host.check_output(f'python3 -c "{LIBRARY}"') == "0 11040"
