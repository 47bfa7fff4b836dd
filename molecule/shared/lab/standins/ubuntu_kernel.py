"""The packages of a kernel by Ubuntu's names: an image that boots nothing, and headers that DKMS is content with."""

from __future__ import annotations

from functools import partial

from lab.standins.ubuntu_deb import NOTE, Deb
from lab.standins.ubuntu_driver import Kernel

MAINTAINER = "Ubuntu Kernel Team <kernel-team@lists.ubuntu.com>"


def packages(kernel: Kernel) -> list[Deb]:
    """Return image, modules and headers of a kernel, and the metapackages that bring its next version."""
    release, flavour = kernel.release, kernel.flavour
    modules, headers = f"/lib/modules/{release}", f"/usr/src/linux-headers-{release}"
    make = partial(Deb, version=kernel.version, section="kernel", maintainer=MAINTAINER, source=f"linux-{flavour}")
    meta = partial(make, version=kernel.meta_version, source=f"linux-meta-{flavour}")
    # Run last, after whatever had modules in the folder.
    clear = f"#!/bin/sh\nset -e\nrm -f {modules}/modules.*\nrmdir --ignore-fail-on-non-empty {modules} 2>/dev/null || true\n"
    config = f"# {NOTE}\nCONFIG_MODULES=y\nCONFIG_MODULE_SIG=y\nCONFIG_CC_IS_GCC=y\n"
    return [
        make(
            f"linux-modules-{release}", summary=f"Linux kernel extra modules for version {release}", depends=("kmod",),
            files={
                f"/boot/config-{release}": config, f"/boot/System.map-{release}": "",
                f"{modules}/modules.builtin": "", f"{modules}/modules.builtin.modinfo": "", f"{modules}/modules.order": "",
            },
            scripts={"postrm": clear},
        ),
        make(
            f"linux-image-{release}", summary=f"Signed kernel image {flavour}", depends=(f"linux-modules-{release}",),
            files={f"/boot/vmlinuz-{release}": f"{NOTE}\n"},
            scripts={
                "postinst": _hooks("postinst", release, f"depmod {release}\n"), "prerm": _hooks("prerm", release),
                "postrm": _hooks("postrm", release),
            },
        ),
        make(
            f"linux-headers-{release}", summary=f"Linux kernel headers for version {release}", links={f"{modules}/build": headers},
            files={
                f"{headers}/.config": config, f"{headers}/Makefile": f"# {NOTE}\n",
                f"{headers}/include/config/kernel.release": f"{release}\n",
                f"{headers}/include/generated/utsrelease.h": f'#define UTS_RELEASE "{release}"\n',
            },
            scripts={"postinst": _hooks("header_postinst", release)},
        ),
        meta(f"linux-image-{flavour}", summary=f"Linux kernel image for {flavour}", depends=(f"linux-image-{release}",)),
        meta(f"linux-headers-{flavour}", summary=f"Linux kernel headers for {flavour}", depends=(f"linux-headers-{release}",)),
        meta(
            f"linux-{flavour}", summary=f"Complete Linux kernel and headers for {flavour}",
            depends=(f"linux-image-{flavour} (= {kernel.meta_version})", f"linux-headers-{flavour} (= {kernel.meta_version})"),
        ),
    ]  # fmt: skip


def _hooks(name: str, release: str, before: str = "") -> str:
    """A maintainer script that runs what other packages left in /etc/kernel/NAME.d, as a kernel's own does."""
    image = f" --arg=/boot/vmlinuz-{release}"
    folder = f"/etc/kernel/{name}.d"
    return f"#!/bin/sh\nset -e\n{before}[ ! -d {folder} ] || run-parts --report --exit-on-error --arg={release}{image} {folder}\n"
