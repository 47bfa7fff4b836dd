"""The driver's packages by the names that Ubuntu and NVIDIA give them, and the modules that Canonical builds for a kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lab.standins import ubuntu_module
from lab.standins.ubuntu_deb import NOTE, Deb

_LIBRARIES = "/usr/lib/x86_64-linux-gnu"
_LICENCES = {False: "NVIDIA", True: "Dual MIT/GPL"}
_NO_GPU = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running."
)
_BLACKLIST = "blacklist nouveau\nblacklist lbm-nouveau\nalias nouveau off\nalias lbm-nouveau off\n"
_UNIT = f"""\
[Unit]
Description=NVIDIA Persistence Daemon ({NOTE})
StopWhenUnneeded=true

[Service]
Type=forking
ExecStart=/usr/bin/nvidia-persistenced --user nvidia-persistenced
"""


@dataclass(frozen=True)
class Driver:
    """One driver as a distributor packs it. The series ends the names of its packages: 470-server, 535."""

    series: str
    version: str
    revision: str
    maintainer: str
    opens: bool

    @property
    def full(self) -> str:
        """Return the version of the packages."""
        return f"{self.version}-{self.revision}"

    @property
    def dkms(self) -> str:
        """Return the name that DKMS knows the module by."""
        return "nvidia-srv" if self.series.endswith("-server") else "nvidia"

    def bounded(self, name: str) -> tuple[str, str]:
        """Return the dependencies that tie a package of this series to the version, in any revision of the packages."""
        return f"{name} (<= {self.version}-1)", f"{name} (>= {self.version})"


@dataclass(frozen=True)
class Kernel:
    """One kernel of a distribution: 5.15.0-1084-aws, and the versions of its packages and metapackages."""

    release: str
    version: str
    meta_version: str

    @property
    def flavour(self) -> str:
        """Return what its metapackages end with."""
        return self.release.split("-", 2)[2]


def packages(driver: Driver) -> list[Deb]:
    """Return the packages of a driver, without those for a display."""
    series, make = driver.series, partial(_deb, driver)
    common, compute = f"nvidia-kernel-common-{series}", f"libnvidia-compute-{series}"
    shared = [
        _library(driver, compute, ("libcuda.so.1", "libnvidia-ml.so.1", "libnvidia-ptxjitcompiler.so.1"), ("libcuda1", "libnvidia-ml1")),
        _library(driver, f"libnvidia-cfg1-{series}", ("libnvidia-cfg.so.1",), ()),
        _only_one(
            make, f"nvidia-utils-{series}", "nvidia-smi", depends=(compute,),
            files={"/usr/bin/nvidia-smi": f'#!/bin/sh\n# {NOTE}\necho "{_NO_GPU}"\nexit 9\n'},
        ),
        _only_one(
            make, f"nvidia-compute-utils-{series}", "nvidia-persistenced", depends=(compute,),
            files={
                "/usr/bin/nvidia-persistenced": f"#!/bin/sh\n# {NOTE}\necho 'nvidia-persistenced failed to initialize.' >&2\nexit 1\n",
                "/lib/systemd/system/nvidia-persistenced.service": _UNIT,
            },
            # With no device there to start it, it would never fail here, as it does where a package starts it.
            scripts={"postinst": "#!/bin/sh\n[ ! -d /run/systemd/system ] || systemctl start nvidia-persistenced.service || :\n"},
        ),
        _only_one(make, common, "nvidia-kernel-common", files={"/lib/modprobe.d/nvidia-graphics-drivers.conf": _BLACKLIST}),
    ]  # fmt: skip
    return [*shared, *(deb for is_open in ((False, True) if driver.opens else (False,)) for deb in _kernel_side(driver, is_open))]


def _kernel_side(driver: Driver, is_open: bool) -> list[Deb]:
    """The packages that there are once for the closed modules and once for the open ones."""
    series, make = f"{driver.series}{'-open' if is_open else ''}", partial(_deb, driver)
    source, dkms, bare = f"nvidia-kernel-source-{series}", f"nvidia-dkms-{series}", f"nvidia-headless-no-dkms-{series}"
    same = f"(= {driver.full})"
    common = driver.bounded(f"nvidia-kernel-common-{driver.series}")
    needed = (f"libnvidia-compute-{driver.series}", f"nvidia-compute-utils-{driver.series}", f"libnvidia-cfg1-{driver.series}", source)
    tree = f"/usr/src/{driver.dkms}-{driver.version}"
    build = Path(ubuntu_module.__file__).read_text()
    return [
        _only_one(make, source, "nvidia-kernel-source", files={f"{tree}/build.py": build}),
        _only_one(
            make, dkms, "nvidia-dkms-kernel", depends=("dkms", "python3", *driver.bounded(source), *common),
            files={f"{tree}/dkms.conf": _dkms_conf(driver, _LICENCES[is_open])},
            scripts={
                "postinst": "#!/bin/sh\nset -e\n[ \"$1\" != configure ] || "
                f'/usr/lib/dkms/common.postinst {driver.dkms} {driver.version} /usr/share/{dkms} "" "$2"\n',
                "prerm": f"#!/bin/sh\nset -e\n[ -z \"$(dkms status -m {driver.dkms} -v {driver.version})\" ] || "
                f"dkms remove -m {driver.dkms} -v {driver.version} --all\n",
            },
        ),
        make(bare, depends=(*common, *(f"{name} {same}" for name in needed))),
        _only_one(make, f"nvidia-headless-{series}", "nvidia-headless", depends=(bare, dkms)),
    ]  # fmt: skip


def prebuilt(driver: Driver, kernel: Kernel, is_open: bool) -> list[Deb]:
    """Return the packages of modules built for a kernel, as Canonical makes them: objects, and a package that joins them with signatures.

    So the modules' files belong to no package.
    """
    series, release, version = f"{driver.series}{'-open' if is_open else ''}", kernel.release, f"{kernel.version}+1"
    folder = module_folder(driver, kernel, is_open)
    common = driver.bounded(f"nvidia-kernel-common-{driver.series}")
    objects = {
        f"{folder}/bits/{name}.o": ubuntu_module.module(name, driver.version, release, _LICENCES[is_open]) for name in ubuntu_module.NAMES
    }
    join = f"cd {folder}\n" + "".join(f"cat bits/{name}.o bits/{name}.ko.sig > {name}.ko\n" for name in ubuntu_module.NAMES)
    source = f"linux-restricted-modules-{kernel.flavour}"
    make = partial(Deb, version=version, section="restricted/kernel", maintainer=driver.maintainer, source=source)
    modules, things = f"linux-modules-nvidia-{series}-{release}", f"linux-objects-nvidia-{series}-{release}"
    return [
        make(things, summary=f"Linux kernel nvidia modules for version {release} (objects)", files=objects),
        make(
            modules, summary=f"Linux kernel nvidia modules for version {release}",
            depends=(
                f"linux-image-{release} | linux-image-unsigned-{release}", f"linux-signatures-nvidia-{release} (= {version})",
                f"{things} (= {version})", *common,
            ),
            scripts={
                "postinst": f"#!/bin/sh\nset -e\n{join}depmod {release}\n",
                "prerm": f"#!/bin/sh\nset -e\nrm -f {folder}/*.ko\n[ ! -e /lib/modules/{release}/modules.order ] || depmod {release}\n",
            },
        ),
        make(
            f"linux-modules-nvidia-{series}-{kernel.flavour}",
            summary=f"Extra drivers for nvidia-{series} for the {kernel.flavour} flavour",
            depends=(f"{modules} (= {version})", common[1]),
        ),
    ]  # fmt: skip


def signatures(kernel: Kernel, built: list[tuple[Driver, bool]], maintainer: str) -> Deb:
    """Return the package of the signatures of all modules built for a kernel."""
    signed = ubuntu_module.signature(f"{NOTE}, in the place of Canonical Ltd.")
    files = {
        f"{module_folder(driver, kernel, is_open)}/bits/{name}.ko.sig": signed for driver, is_open in built for name in ubuntu_module.NAMES
    }
    summary = f"Linux kernel signatures for nvidia modules for version {kernel.release}"
    return Deb(
        f"linux-signatures-nvidia-{kernel.release}", f"{kernel.version}+1", summary, maintainer,
        source=f"linux-restricted-modules-{kernel.flavour}", section="restricted/kernel",
        depends=(f"linux-image-{kernel.release} | linux-image-unsigned-{kernel.release}",), files=files,
    )  # fmt: skip


def module_folder(driver: Driver, kernel: Kernel, is_open: bool) -> str:
    """Return where Canonical's modules of a driver lie on a host: kernel/nvidia-470srv, kernel/nvidia-535srv-open."""
    series = driver.series.replace("-server", "srv")
    return f"/lib/modules/{kernel.release}/kernel/nvidia-{series}{'-open' if is_open else ''}"


def _deb(driver: Driver, name: str, **more: object) -> Deb:
    summary = f"NVIDIA driver {driver.version}: {name}"
    return Deb(name, driver.full, summary, driver.maintainer, source=f"nvidia-graphics-drivers-{driver.series}", **more)  # type: ignore[arg-type]


def _only_one(make: Callable[..., Deb], name: str, virtual: str, **more: object) -> Deb:
    """A package of which a host can have one series only."""
    return make(name, provides=(virtual,), conflicts=(virtual,), replaces=(virtual,), **more)


def _library(driver: Driver, name: str, sonames: tuple[str, ...], provides: tuple[str, ...]) -> Deb:
    """A package of libraries of no content, each with the version in its name and its usual link."""
    files: dict[str, bytes] = {}
    links: dict[str, str] = {}
    for soname in sonames:
        real = f"{soname.removesuffix('.1')}.{driver.version}"
        files[f"{_LIBRARIES}/{real}"] = ubuntu_module.library()
        links |= {f"{_LIBRARIES}/{soname}": real, f"{_LIBRARIES}/{soname.removesuffix('.1')}": soname}
    virtual = name.removesuffix(f"-{driver.series}")
    virtual = "libnvidia-cfg1-any" if virtual == "libnvidia-cfg1" else virtual
    both = (virtual, *(f"{each} (= {driver.version})" for each in provides))
    return _deb(driver, name, depends=("libc6",), provides=both, conflicts=(virtual,), replaces=(virtual,), files=files, links=links)


def _dkms_conf(driver: Driver, licence: str) -> str:
    """What DKMS is told: the modules, and that Python writes them."""
    lines = [
        f'PACKAGE_NAME="{driver.dkms}"',
        f'PACKAGE_VERSION="{driver.version}"',
        f"MAKE[0]=\"python3 build.py {driver.version} $kernelver '{licence}' .\"",
        'CLEAN="rm -f *.ko"',
        'AUTOINSTALL="yes"',
    ]
    for number, name in enumerate(ubuntu_module.NAMES):
        lines += [
            f'BUILT_MODULE_NAME[{number}]="{name}"',
            f'DEST_MODULE_LOCATION[{number}]="/kernel/drivers/char/drm"',
            f'STRIP[{number}]="no"',
        ]
    return "\n".join(lines) + "\n"
