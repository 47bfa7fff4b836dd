"""The driver read back from each kernel's module file, from DKMS in both of its formats, and from the driver's own library."""

from __future__ import annotations

import re

import pytest
from testinfra.host import Host

VERSION = "470.256.02"
LIBRARY = "import ctypes; v = ctypes.c_int(); print(ctypes.CDLL('libcuda.so.1').cuDriverGetVersion(ctypes.byref(v)), v.value)"


@pytest.fixture
def kernels(host: Host) -> list[str]:
    """The kernels with headers; the running one belongs to the container host."""
    found = [name for name in host.file("/lib/modules").listdir() if name != host.check_output("uname -r")]
    expected = 2 if host.backend.get_pytest_id().endswith("two-kernels") else 1
    assert len(found) == expected
    return found


def test_each_kernel_has_its_module(host: Host, kernels: list[str]) -> None:
    for kernel in kernels:
        output = host.check_output(f"sudo /sbin/modinfo -k {kernel} nvidia-tesla-470")
        assert re.search(rf"^version: +{VERSION}$", output, re.M)
        assert re.search(rf"^vermagic: +{re.escape(kernel)} ", output, re.M)


def test_dkms_says_the_same(host: Host, kernels: list[str]) -> None:
    output = host.check_output("sudo /usr/sbin/dkms status")
    for kernel in kernels:
        assert re.search(rf"^nvidia-tesla-470(?:/|, ){VERSION}, {re.escape(kernel)}, x86_64: installed", output, re.M), output


def test_the_library_answers_without_a_gpu(host: Host) -> None:
    assert host.check_output(f'python3 -c "{LIBRARY}"') == "0 11040"


def test_the_whole_driver_is_held(host: Host) -> None:
    held = set(host.check_output("apt-mark showhold").split())
    names = host.check_output("dpkg-query -W -f '${Package} ${source:Package}\\n'").splitlines()
    driver = {line.split()[0] for line in names if line.split()[1] == "nvidia-graphics-drivers-tesla-470"}
    assert driver
    assert driver <= held
