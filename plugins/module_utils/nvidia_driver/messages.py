"""Sentences on how a driver comes to a host, and on what helps where it cannot."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.distribution import Release
from ansible_collections.codetr.provision.plugins.module_utils.host.kernels import flavours
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.candidate import Candidate

FROM = {"distribution": "the distribution", "nvidia": "NVIDIA's repository", "runfile": "NVIDIA's installer"}
NVIDIA = "developer.download.nvidia.com"
UBUNTU_KEY = "/var/lib/shim-signed/mok/MOK.der"
OLD_KEY = "NO_PUBKEY A4B469963BF863CC"
NOUVEAU_WAITS = "nouveau has the GPU until then"
UNSIGNED = "secure boot is on, and a module that is compiled here carries no signature that this machine accepts"


def listed(names: list[str], last: str = "or") -> str:
    """Names in a sentence: ``470, 535 or 550``."""
    unique = list(dict.fromkeys(names))
    return f" {last} ".join([*([", ".join(unique[:-1])] if unique[:-1] else []), unique[-1]])


def origin(branch: int, source: str, each: dict[str, Any], open_: bool) -> str:
    """Where a driver is taken from and who compiles its module."""
    suite = f" ({each['suite']})" if each["suite"] else ""
    if each["how"] == "prebuilt":
        return f"driver {branch} comes from {FROM[source]}{suite}, with modules that Canonical built and signed"
    return f"driver {branch} comes from {FROM[source]}{suite}, its {'open ' if open_ else ''}module compiled here by DKMS"


def kernel_too_new(kernels: list[str], last: str, suite: str | None) -> str:
    """The kernels are newer than what a driver's package was tested with."""
    package = f"the package of {suite}" if suite else "it"
    return f"kernel {', '.join(kernels)} is newer than {last}, the last that {package} was tested with"


def no_prebuilt(kernels: list[str]) -> str:
    """The distribution has no prebuilt modules for these kernels."""
    return f"there are no prebuilt modules of it for kernel {', '.join(kernels)}"


def headers_gone(packages: list[str]) -> str:
    """The archive has dropped the headers of an installed kernel."""
    return f"the archive no longer has {', '.join(packages)}, for a kernel that is installed"


def completes(each: dict[str, Any]) -> str:
    """How a package set adds the missing module."""
    if each["how"] == "prebuilt":
        return f"{listed(each['packages'], 'and')} {'bring' if len(each['packages']) > 1 else 'brings'} one"
    return f"{listed(each['headers'], 'and')} let DKMS build one" if each["headers"] else "DKMS builds one"


def by_reason(rejected: list[Candidate]) -> list[tuple[str, str]]:
    """Rejected candidates and the reasons; those with equal reasons together."""
    groups: dict[tuple[str, ...], list[Candidate]] = {}
    for each in rejected:
        groups.setdefault(tuple(each.against.values()), []).append(each)
    return [
        (f"{listed([str(each.branch) for each in group])} from {listed([FROM[each.source] for each in group])}", ", and ".join(why))
        for why, group in groups.items()
    ]


def not_used(rejected: list[Candidate]) -> str:
    """Why better candidates than the chosen one are not used."""
    return f"Passed over: {', '.join(f'{what} ({why})' for what, why in by_reason(rejected))}"


def drift(driver: dict[str, Any]) -> str:
    """Module and library are of different versions."""
    return (
        f"the loaded module is {driver['loaded']} and the library {driver['library']}: an upgrade ran without a restart, "
        "and nvidia-smi says 'Driver/library version mismatch' until one"
    )


def unattended(packages: list[str]) -> str:
    """Unattended upgrades may change the driver of somebody else."""
    return (
        "Unattended upgrades may bring another library under the loaded module at any time: "
        f"`sudo apt-mark hold {' '.join(packages)}` keeps this driver as it is."
    )


def flavour_of(driver: dict[str, Any], system: dict[str, Any]) -> str:
    """The flavour of the kernel that runs: ``cloud-amd64``, ``aws``."""
    names = flavours(driver["kernel_packages"])
    running = driver["kernels"]["running"]
    fits = [name for name in names if running.endswith("-" + name)]
    return max(fits, key=len) if fits else names[0] if names else "amd64" if system["id"] == "debian" else "generic"


def secure_boot(boot: dict[str, Any], release: Release) -> str:
    """How a module that is compiled here comes to be accepted."""
    off = "switch secure boot off (in the firmware, or in the cloud's settings of the machine)"
    key = boot.get("mok_key") or ""
    enroll = f"enroll the key that DKMS signs with (`sudo mokutil --import {key or UBUNTU_KEY}`, confirmed at the console when it restarts)"
    if release.distribution == "ubuntu":
        made = "" if key else "make a key with `sudo update-secureboot-policy --new-key` and "
        return f"boot a kernel that Ubuntu has signed modules for (linux-image-generic is one), {made}{enroll}, or {off}"
    if key:
        return f"{enroll}, or {off}"
    if not release.dkms_key:
        return off
    return (
        "make a key for DKMS, /var/lib/dkms/mok.key and mok.pub, and enroll it (`sudo mokutil --import /var/lib/dkms/mok.pub`, "
        f"confirmed at the console when it restarts; page SecureBoot of Debian's wiki), or {off}"
    )


def next_kernel(have: dict[str, Any], driver: dict[str, Any], kernel: str) -> str:
    """How a kernel gets the module of the driver that is there."""
    if have["series"] and not have["dkms"]:
        return f"Install it (apt-get install linux-modules-nvidia-{have['series']}-{kernel})."
    if have["dkms"] and driver["kernels"]["known"].get(kernel, {}).get("headers"):
        return f"Build it (`sudo dkms autoinstall -k {kernel}`); where that fails, its output says why."
    if have["dkms"]:
        return f"Install that kernel's headers (apt-get install linux-headers-{kernel}); DKMS then builds it."
    if have["whose"] == "runfile":
        return f"Run the same installer again for it (`sudo sh NVIDIA-Linux-x86_64-{have['version']}.run -K -k {kernel}`)."
    return "Bring it there in the way that the driver came."


def old_key(sources: dict[str, str]) -> str:
    """A sentence where NVIDIA's repository is named without a key of its own; else empty."""
    files = [
        path
        for path, text in sources.items()
        if any(NVIDIA in line and "signed-by" not in line.lower() for line in text.splitlines() if line.lstrip().startswith("deb "))
    ]
    if not files:
        return ""
    return (
        f"{', '.join(files)} names NVIDIA's repository and no key for it. NVIDIA changed its key on 2022-04-27: should apt stop with "
        f"{OLD_KEY}, install NVIDIA's package cuda-keyring, or take that file away."
    )
