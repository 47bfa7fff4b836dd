"""What NVIDIA's apt repositories have: the driver by branch, and the CUDA toolkit, each in the order that theirs depend in."""

from __future__ import annotations

import json
from functools import partial

from lab.standins import ubuntu_driver
from lab.standins.ubuntu_deb import NOTE, Deb
from lab.standins.ubuntu_driver import Driver

MAINTAINER = "cudatools <cudatools@nvidia.com>"
DRIVERS = (
    Driver("535", "535.261.03", "0ubuntu1", MAINTAINER, opens=True),
    Driver("580", "580.95.05", "0ubuntu1", MAINTAINER, opens=True),
)
# The toolkits, and which distribution's repository has which: 11.4 came out for Ubuntu 20.04 and not for 22.04.
TOOLKITS = {"11.4": ("11.4.4", "11.4.152"), "11.8": ("11.8.0", "11.8.89")}
DISTRIBUTIONS = {"ubuntu2004": ("11.4", "11.8"), "ubuntu2204": ("11.8",)}
_PINNING_FROM = 580


def packages(distribution: str) -> list[Deb]:
    """Return all that a distribution's repository has."""
    drivers = [deb for driver in DRIVERS for deb in (*ubuntu_driver.packages(driver), *_metapackages(driver))]
    toolkits = [deb for minor in DISTRIBUTIONS[distribution] for deb in toolkit(minor, *TOOLKITS[minor])]
    make = partial(Deb, version="11.8.89-1", maintainer=MAINTAINER, section="multiverse/devel", architecture="all")
    common = [
        make("cuda-toolkit-config-common", summary="Common config package for CUDA", files=_linker("000_cuda", "cuda")),
        make("cuda-toolkit-11-config-common", summary="Common config package for CUDA 11", files=_linker("988_cuda-11", "cuda-11")),
    ]
    return [*drivers, *toolkits, *common]


def _linker(name: str, folder: str) -> dict[str, str]:
    return {f"/etc/ld.so.conf.d/{name}.conf": f"/usr/local/{folder}/targets/x86_64-linux/lib\n"}


def _metapackages(driver: Driver) -> list[Deb]:
    """The names by which people ask for a branch; they bring what a display needs."""
    branch = driver.series
    make = partial(Deb, maintainer=MAINTAINER, section="multiverse/devel")
    needed = (f"libnvidia-cfg1-{branch} (= {driver.full})",)
    display = make(f"xserver-xorg-video-nvidia-{branch}", driver.full, "NVIDIA binary Xorg driver", depends=needed)
    found = [display]
    for suffix, ask in (("", "cuda-drivers"), ("-open", "nvidia-open")):
        whole = f"nvidia-driver-{branch}{suffix}"
        parts = (f"nvidia-headless-{branch}{suffix}", f"nvidia-utils-{branch} (= {driver.full})", f"{display.name} (= {driver.full})")
        found.append(make(whole, driver.full, "NVIDIA driver metapackage", depends=parts))
        summary = "NVIDIA driver meta-package, branch-specific"
        found.append(make(f"{ask}-{branch}", f"{driver.version}-1", summary, depends=(f"{whole} (>= {driver.version})",)))
    if int(branch) >= _PINNING_FROM:
        pin = f"Package: src:*nvidia*:any\nPin: version {branch}*\nPin-Priority: 1000\n"
        name = f"nvidia-driver-pinning-{branch}"
        files = {f"/etc/apt/preferences.d/{name}": pin}
        found.append(make(name, f"{branch}-1ubuntu1", "APT driver pinning file", architecture="all", files=files))
    return found


def toolkit(minor: str, version: str, compiler: str) -> list[Deb]:
    """Return a toolkit: a compiler that says its version and compiles nothing, and the package that moves /usr/local/cuda."""
    dashed, folder = minor.replace(".", "-"), f"/usr/local/cuda-{minor}"
    make = partial(Deb, maintainer=MAINTAINER, section="multiverse/devel")
    said = (
        "nvcc: NVIDIA (R) Cuda compiler driver",
        f"Copyright (c) {NOTE}",
        "Built on Sat_Jun__1_00:00:00_UTC_2024",
        f"Cuda compilation tools, release {minor}, V{compiler}",
        f"Build cuda_{minor}.r{minor}/compiler.0_0",
    )
    nvcc = "#!/bin/sh\ncase \"$1\" in --version|-V) cat <<'END'\n" + "\n".join(said) + "\nEND\n;; *) exit 1;; esac\n"
    number = minor.replace(".", "")
    links = (("cuda-11", "/usr/local/cuda-11"), ("cuda", "/usr/local/cuda"))
    take = "".join(f"update-alternatives --install {path} {name} {folder} {number}\n" for name, path in links)
    give = "".join(f"update-alternatives --remove {name} {folder}\n" for name, _ in links)
    config, compile_ = f"cuda-toolkit-{dashed}-config-common", f"cuda-nvcc-{dashed}"
    return [
        make(
            config, f"{compiler}-1", f"Common config package for CUDA Toolkit {minor}", architecture="all",
            depends=("cuda-toolkit-config-common", "cuda-toolkit-11-config-common"),
            scripts={"postinst": f"#!/bin/sh\nset -e\n{take}", "prerm": f"#!/bin/sh\nset -e\n{give}"},
        ),
        make(compile_, f"{compiler}-1", "CUDA nvcc", depends=(config,), files={f"{folder}/bin/nvcc": nvcc}),
        make(
            f"cuda-toolkit-{dashed}", f"{version}-1", f"CUDA Toolkit {minor} meta-package", depends=(f"{compile_} (>= {compiler})",),
            files={
                f"{folder}/version.json": json.dumps({"cuda": {"name": "CUDA SDK", "version": version}, "stand_in": NOTE}, indent=2) + "\n",
                f"{folder}/targets/x86_64-linux/lib/libcudart.so.{version}": NOTE,
            },
            links={f"{folder}/lib64": "targets/x86_64-linux/lib"},
        ),
    ]  # fmt: skip
