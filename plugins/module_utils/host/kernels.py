"""The kernels of a host: which runs, which it can boot, what they were installed with; and how it boots."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.host.initramfs import images

EFI_VARIABLE = "/sys/firmware/efi/efivars/{}"
SECURE_BOOT = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
# Either of these set makes Linux take secure boot to be off: drivers/firmware/efi/libstub/secureboot.c. The second is shim's.
OVERRIDES = ("SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c", "MokSBStateRT-605dab50-e046-4300-abb6-3dd810dd8b23")
# The keys that DKMS signs with, Ubuntu's and then its own.
MOKS = ("/var/lib/shim-signed/mok/MOK.der", "/var/lib/dkms/mok.pub")


def probe(host: Host, container: str) -> dict[str, Any]:
    """``{"running", "ours", "known": {release: {"image", "headers", "nouveau"}}, "secure_boot", "mok", "mok_key", "initramfs"}``

    ``ours`` says whether the running kernel is one of this system's: in a container, or where the kernel comes from outside, it is not.
    ``secure_boot`` is None where the firmware has no such thing. ``mok`` says whether the machine owner's key, which DKMS signs with, is
    enrolled; None where there is no key or no need for one. ``mok_key`` is that key's path, or empty.
    """
    key = next((path for path in MOKS if host.exists(path)), "")
    running = host.reading("kernel", lambda: __import__("os").uname().release) or ""
    known = {release: _kernel(host, release) for release in sorted(_releases(host))}
    secure = _secure_boot(host)
    return {
        "running": running,
        "ours": not container and known.get(running, {}).get("image", False),
        "known": known,
        "secure_boot": secure,
        "mok": _enrolled(host, key) if secure and key else None,
        "mok_key": key,
        "initramfs": images(host),
    }


def _releases(host: Host) -> set[str]:
    names = {name[len("vmlinuz-") :] for name in host.listdir("/boot") if name.startswith("vmlinuz-")}
    names |= {name for name in host.listdir("/lib/modules") if host.exists(f"/lib/modules/{name}/modules.dep")}
    names |= {name for name in host.listdir("/lib/modules") if host.lstat(f"/lib/modules/{name}/build") is not None}
    return {name for name in names if re.match(r"\d", name)}


def _kernel(host: Host, release: str) -> dict[str, Any]:
    return {
        "image": host.exists(f"/boot/vmlinuz-{release}"),
        "headers": host.exists(f"/lib/modules/{release}/build/Makefile"),
        "nouveau": re.search(r"/nouveau\.ko", dependencies(host, release)) is not None,
    }


def dependencies(host: Host, release: str) -> str:
    """The text of a kernel's ``modules.dep``, which names every module file that it has."""
    return host.once(f"modules:{release}", lambda: host.read(f"/lib/modules/{release}/modules.dep", 16 << 20) or "")


def _secure_boot(host: Host) -> bool | None:
    """Whether the kernel insists on signed modules: the firmware's switch, with what overrides it."""
    switched = _efi(host, SECURE_BOOT)
    return None if switched is None else switched and not any(_efi(host, name) for name in OVERRIDES)


def _efi(host: Host, name: str) -> bool | None:
    # Four bytes of attributes, then the value.
    text = host.read(EFI_VARIABLE.format(name))
    return None if not text or len(text) < 5 else text[4] == "\x01"


def _enrolled(host: Host, key: str) -> bool | None:
    answer = host.run(["mokutil", "--test-key", key])
    if answer["rc"] == 127:
        return None
    return "already enrolled" in answer["out"] + answer["err"]


def flavours(packages: dict[str, Any]) -> list[str]:
    """What the installed kernel packages are metapackages of: ``amd64``, ``cloud-amd64``, ``generic-hwe-22.04``, ``aws``."""
    found = [re.match(r"linux-image-(?!\d|unsigned-|extra-|dbg)(.+?)$", name) for name in packages]
    return sorted({match.group(1) for match in found if match and not match.group(1).endswith("-dbg")})


def _built_for(flavour: str) -> str:
    """The flavour whose modules a kernel uses: ``virtual`` is ``generic`` without most of its own."""
    return re.sub(r"^virtual(?=-|$)", "generic", flavour)


def expand(names: list[str], releases: list[str], flavour_names: list[str]) -> list[str]:
    """Package names with ``{kernel}`` and ``{flavour}`` filled in, once for each; where there are none, the name is left out."""
    found = []
    for name in names:
        if "{kernel}" in name:
            found += [name.replace("{kernel}", release) for release in releases]
        elif "{flavour}" in name:
            modules = name.startswith("linux-modules-")
            found += [name.replace("{flavour}", _built_for(flavour) if modules else flavour) for flavour in flavour_names]
        else:
            found.append(name)
    return list(dict.fromkeys(found))
