"""Sentences on how a driver comes to a host, and on what helps where it cannot."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.host.kernels import flavours

FROM = {"distribution": "the distribution", "nvidia": "NVIDIA's repository", "runfile": "NVIDIA's installer"}
NVIDIA = "developer.download.nvidia.com"
UBUNTU_KEY = "/var/lib/shim-signed/mok/MOK.der"
OLD_KEY = "NO_PUBKEY A4B469963BF863CC"


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


def passed_over(passed: list[tuple[int, str, dict[str, str]]]) -> list[tuple[str, str]]:
    """Which branches and sources were passed over, and why; those with the same reasons together."""
    groups: dict[tuple[str, ...], list[tuple[int, str]]] = {}
    for branch, source, why in passed:
        groups.setdefault(tuple(why.values()), []).append((branch, source))
    return [
        (f"{listed([str(branch) for branch, _ in each])} from {listed([FROM[source] for _, source in each])}", ", and ".join(why))
        for why, each in groups.items()
    ]


def flavour_of(driver: dict[str, Any], system: dict[str, Any]) -> str:
    """The flavour of the kernel that runs: ``cloud-amd64``, ``aws``."""
    names = flavours(driver["kernel_packages"])
    running = driver["kernels"]["running"]
    fits = [name for name in names if running.endswith("-" + name)]
    return max(fits, key=len) if fits else names[0] if names else "amd64" if system["id"] == "debian" else "generic"


def secure_boot(boot: dict[str, Any], system: dict[str, Any]) -> str:
    """How a module that is compiled here comes to be accepted."""
    off = "switch secure boot off (in the firmware, or in the cloud's settings of the machine)"
    key = boot.get("mok_key") or ""
    enroll = f"enroll the key that DKMS signs with (`sudo mokutil --import {key or UBUNTU_KEY}`, confirmed at the console when it restarts)"
    if system["id"] == "ubuntu":
        made = "" if key else "make a key with `sudo update-secureboot-policy --new-key` and "
        return f"boot a kernel that Ubuntu has signed modules for (linux-image-generic is one), {made}{enroll}, or {off}"
    if key:
        return f"{enroll}, or {off}"
    if system["version"] == "11":
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
