"""The driver read back from the module's file, from DKMS, from dpkg and from the driver's own library; nothing from the role."""

from __future__ import annotations

import json
import re

import pytest
from testinfra.host import Host

VERSION = "470.256.02"
LIBRARY = "import ctypes; v = ctypes.c_int(); print(ctypes.CDLL('libcuda.so.1').cuDriverGetVersion(ctypes.byref(v)), v.value)"


@pytest.fixture(scope="module")
def kernel(host: Host) -> str:
    """The packaged kernel whose headers came with the driver; the running one belongs to the container host."""
    (name,) = [name for name in host.file("/lib/modules").listdir() if name != host.check_output("uname -r")]
    return str(name)


def test_the_module_was_compiled_for_the_packaged_kernel(host: Host, kernel: str) -> None:
    with host.sudo():
        output = host.check_output(f"/sbin/modinfo -k {kernel} nvidia-tesla-470")
    assert re.search(rf"^version: +{VERSION}$", output, re.M)
    assert re.search(rf"^vermagic: +{re.escape(kernel)} ", output, re.M)


def test_dkms_says_the_same(host: Host, kernel: str) -> None:
    with host.sudo():
        assert f"nvidia-tesla-470/{VERSION}, {kernel}, x86_64: installed" in host.check_output("/usr/sbin/dkms status")


def test_the_library_answers_without_a_gpu(host: Host) -> None:
    assert host.check_output(f'python3 -c "{LIBRARY}"') == "0 11040"


def test_no_screen_came_along(host: Host) -> None:
    assert host.check_output("dpkg-query -W -f '${Package}\\n' | grep -c '^xserver' || true") == "0"


def test_the_whole_driver_is_held_and_nothing_else(host: Host) -> None:
    held = set(host.check_output("apt-mark showhold").split())
    names = host.check_output("dpkg-query -W -f '${Package} ${source:Package}\\n'").splitlines()
    driver = {line.split()[0] for line in names if line.split()[1] == "nvidia-graphics-drivers-tesla-470"}
    assert driver
    assert driver <= held
    assert all("nvidia" in name for name in held)


def test_unattended_upgrades_leave_it_alone(host: Host) -> None:
    dump = host.check_output("apt-config dump Unattended-Upgrade::Package-Blacklist")
    rules = re.findall(r'::Package-Blacklist:: "(.+)";', dump)
    for name in ("nvidia-tesla-470-smi", "libnvidia-tesla-470-cuda1"):
        assert any(re.match(rule, name) for rule in rules)
    assert not any(re.match(rule, "nvidia-container-toolkit") for rule in rules)


def test_the_components_were_added_in_place(host: Host) -> None:
    text = host.file("/etc/apt/sources.list.d/debian.sources").content_string
    assert re.findall(r"^Components: (.*)$", text, re.M) == ["main contrib non-free"] * 3
    assert host.file("/etc/apt/sources.list.d/debian.sources").mode == 0o644
    assert host.file("/etc/apt/sources.list.d").listdir() == ["debian.sources"]
    with host.sudo():
        assert host.run("apt-get update -q").rc == 0


def test_nothing_failed_on_the_host(host: Host) -> None:
    assert host.check_output("systemctl --failed --no-legend --plain") == ""


def test_the_receipt_names_what_was_new(host: Host) -> None:
    receipt = json.loads(host.file("/opt/codetr/receipts/nvidia_driver.json").content_string)
    assert receipt["stand_in"] is False
    assert {"nvidia-tesla-470-smi", "gcc-12", "linux-headers-amd64"} <= set(receipt["remember"]["packages"])
    assert "ca-certificates" not in receipt["remember"]["packages"]
    assert host.file("/opt/codetr/receipts").listdir() == ["nvidia_driver.json"]
