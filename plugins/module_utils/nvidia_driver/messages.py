"""The sentences of the driver's plan: where a driver comes from, what rules one out, and what helps."""

from __future__ import annotations

from typing import Any, Mapping

from ansible_collections.codetr.provision.plugins.module_utils.distribution import Release
from ansible_collections.codetr.provision.plugins.module_utils.gpu import table as gpu_table
from ansible_collections.codetr.provision.plugins.module_utils.host.kernels import flavours
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.candidate import Candidate
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.manager import PackageManager

FROM = {"distribution": "the distribution", "nvidia": "NVIDIA's repository", "runfile": "NVIDIA's installer"}
NVIDIA = "developer.download.nvidia.com"
UBUNTU_KEY = "/var/lib/shim-signed/mok/MOK.der"
OLD_KEY = "NO_PUBKEY A4B469963BF863CC"
NOUVEAU_WAITS = "nouveau uses the GPU until then"
UNSIGNED = "secure boot is on, and this host accepts no key that could sign a module compiled on it"


def sentence(text: str) -> str:
    """A text with a capital at its beginning."""
    return f"{text[:1].upper()}{text[1:]}"


def these(gpus: list[dict[str, Any]]) -> str:
    """GPUs with an article: ``the Tesla T4 (10de:1eb8, compute capability 7.5)``."""
    return f"the {gpu_table.labels(gpus)}"


def library(version: str | None) -> str:
    """The CUDA library at the beginning of a sentence."""
    return f"CUDA library {version}" if version else "A CUDA library"


def listed(names: list[str], last: str = "or") -> str:
    """Names in a sentence: ``470, 535 or 550``."""
    unique = list(dict.fromkeys(names))
    return f" {last} ".join([*([", ".join(unique[:-1])] if unique[:-1] else []), unique[-1]])


def origin(branch: int, source: str, each: dict[str, Any], open_: bool) -> str:
    """Where a driver is installed from and who compiles its module."""
    suite = f" ({each['suite']})" if each["suite"] else ""
    if each["how"] == "prebuilt":
        return f"installing driver {branch} from {FROM[source]}{suite} with prebuilt modules, signed by Canonical"
    return f"installing driver {branch} from {FROM[source]}{suite}; DKMS compiles its {'open ' if open_ else ''}module"


def kernel_too_new(kernels: list[str], last: str, suite: str | None) -> str:
    """The kernels are newer than what a driver's package was tested with."""
    package = f"the package of {suite}" if suite else "it"
    return f"{package} supports kernels up to {last}, and this host has {', '.join(kernels)}"


def no_prebuilt(kernels: list[str]) -> str:
    """The distribution has no prebuilt modules for these kernels."""
    return f"it has no prebuilt modules for kernel {', '.join(kernels)}"


def headers_gone(packages: list[str]) -> str:
    """The archive has dropped the headers of an installed kernel."""
    return f"the archive no longer has {', '.join(packages)} for an installed kernel"


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
        (f"{listed([str(each.branch) for each in group])} from {listed([FROM[each.source] for each in group])}", "; ".join(why))
        for why, group in groups.items()
    ]


def not_used(rejected: list[Candidate]) -> str:
    """Why better candidates than the chosen one are not used."""
    return f"Not used: {', '.join(f'{what} ({why})' for what, why in by_reason(rejected))}"


def drift(driver: dict[str, Any]) -> str:
    """Module and library are of different versions."""
    return (
        f"module {driver['loaded']} is loaded, but the library is {driver['library']} after an upgrade without a reboot; "
        "until then nvidia-smi fails with 'Driver/library version mismatch'"
    )


def unattended(packages: list[str], manager: PackageManager) -> str:
    """Unattended upgrades may change a driver that this role does not hold."""
    return (
        "Unattended upgrades may change the library under the loaded module at any time. "
        f"Run `{manager.to_hold(packages)}` to keep this driver as it is."
    )


def flavour_of(driver: dict[str, Any], system: dict[str, Any]) -> str:
    """The flavour of the running kernel: ``cloud-amd64``, ``aws``."""
    names = flavours(driver["kernel_packages"])
    running = driver["kernels"]["running"]
    fits = [name for name in names if running.endswith("-" + name)]
    return max(fits, key=len) if fits else names[0] if names else "amd64" if system["id"] == "debian" else "generic"


def secure_boot(boot: dict[str, Any], release: Release) -> str:
    """How to have a module accepted that is compiled on the host."""
    off = "turn secure boot off (in the firmware, or in the cloud's settings of the VM)"
    key = boot.get("mok_key") or ""
    enroll = (
        f"enroll the key that DKMS signs with (`sudo mokutil --import {key or UBUNTU_KEY}`, then confirm at the console during the reboot)"
    )
    if release.distribution == "ubuntu":
        made = "" if key else "create a key with `sudo update-secureboot-policy --new-key` and "
        return f"boot a kernel that Ubuntu has signed modules for (such as linux-image-generic), {made}{enroll}, or {off}"
    if key:
        return f"{enroll}, or {off}"
    if not release.dkms_key:
        return off
    return (
        "create a key for DKMS (/var/lib/dkms/mok.key and mok.pub) and enroll it (`sudo mokutil --import /var/lib/dkms/mok.pub`, "
        f"then confirm at the console during the reboot; see SecureBoot in Debian's wiki), or {off}"
    )


def next_kernel(present: Mapping[str, Any], known: Mapping[str, Any], manager: PackageManager, kernel: str) -> str:
    """How to get a module of the present driver for a kernel.

    Args:
        known: the host's kernels by release, with ``headers``.
    """
    if present["series"] and not present["dkms"]:
        package = f"linux-modules-nvidia-{present['series']}-{kernel}"
        return f"Install it ({manager.to_install([package])})."
    if present["dkms"] and known.get(kernel, {}).get("headers"):
        return f"Build it (`sudo dkms autoinstall -k {kernel}`); if that fails, its output says why."
    if present["dkms"]:
        return f"Install that kernel's headers ({manager.to_install([f'linux-headers-{kernel}'])}); DKMS then builds the module."
    if present["whose"] == "runfile":
        return f"Run the same installer again for it (`sudo sh NVIDIA-Linux-x86_64-{present['version']}.run -K -k {kernel}`)."
    return "Install it the way the driver was installed."


def old_key(sources: dict[str, str]) -> str:
    """A warning where an apt source lists NVIDIA's repository without a key of its own; else empty."""
    files = [
        path
        for path, text in sources.items()
        if any(NVIDIA in line and "signed-by" not in line.lower() for line in text.splitlines() if line.lstrip().startswith("deb "))
    ]
    if not files:
        return ""
    return (
        f"{', '.join(files)} lists NVIDIA's repository without a key. NVIDIA changed its key on 2022-04-27: if apt stops with "
        f"{OLD_KEY}, install NVIDIA's package cuda-keyring or remove that file."
    )
