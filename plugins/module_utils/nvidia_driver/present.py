"""Find the driver of a host: its version and origin, what is out of step, and which kernels lack its module."""

from __future__ import annotations

import re
from typing import Any, TypedDict

# Packages that belong to a driver itself.
CORE = (
    r"nvidia-(?:(?:tesla|legacy)-\w+-)?(?:driver(?:-bin|-cuda|-open)?|kernel-dkms|(?:kernel-open|open-kernel)-dkms|smi)"
    r"|libcuda1|libnvidia-tesla-\w+-cuda1|nvidia-(?:dkms|driver|utils|headless|headless-no-dkms|compute-utils|open)(?:-\d[\w-]*)?"
    r"|nvidia-dkms-open|libnvidia-compute(?:-\d[\w-]*)?|cuda-drivers(?:-\d+)?"
)
PREBUILT = r"linux-(?:modules|objects|signatures)-nvidia-[\w.+-]+"
SERIES = r"linux-modules-nvidia-(\d+(?:-server)?(?:-open)?)-"
DKMS = r"nvidia-(?:(?:tesla|legacy)-\w+-)?(?:kernel|kernel-open|open-kernel)-dkms|nvidia-dkms(?:-[\w-]+)?"
OUTSIDE, RUNFILE = "outside", "runfile"
WHOSE = {
    "distribution": "installed from the distribution",
    "nvidia": "installed from NVIDIA's repository",
    "other": "installed from another source",
    RUNFILE: "installed by NVIDIA's installer",
    OUTSIDE: "from outside this system",
}


class Present(TypedDict):
    """The driver of a host.

    Attributes:
        version: the one after the next restart, None where it is unknown.
        whose: where it came from, a key of ``WHOSE``.
        loaded: version of the loaded module, None for none.
        library: version of the CUDA library, None where there is none or its name does not tell.
        drift: whether module and library differ now.
        missing: kernels without a module.
        broken: packages that are not configured.
        dkms: whether its modules are compiled on the host.
        series: the series of Ubuntu's prebuilt modules, empty for none.
    """

    version: str | None
    whose: str
    loaded: str | None
    library: str | None
    drift: bool
    missing: list[str]
    broken: list[str]
    dkms: bool
    series: str


def core(driver: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The installed packages that are the driver itself."""
    return {name: entry for name, entry in driver["packages"].items() if re.fullmatch(CORE, name)}


def find(driver: dict[str, Any], kernels: list[str]) -> Present | None:
    """The driver of a host, or None. A module that stays loaded after its driver was removed is none.

    Args:
        driver: ``state["nvidia_driver"]``.
        kernels: those that count, the one that boots next last.
    """
    packages, loaded, library = core(driver), driver["loaded"], driver["library"]
    modules = driver["modules"]
    if not packages and not driver["runfile"] and library is None and not modules:
        return None
    origins = [entry["origin"] for entry in packages.values()]
    # A library without packages and without the installer's traces came with a container or a cloud's image.
    whose = RUNFILE if driver["runfile"] else max(origins, key=origins.count) if origins else OUTSIDE
    on_disk = next((modules[release]["version"] for release in reversed(kernels) if release in modules), None)
    named = (library or {}).get("version")
    current = (loaded or {}).get("version")
    version = current if whose == OUTSIDE and current else on_disk or named or current or _of_packages(packages)
    names = list(driver["packages"])
    return {
        "version": version,
        "whose": whose,
        "loaded": current,
        "library": named,
        "drift": bool(current and named and current != named),
        "missing": [] if whose == OUTSIDE else [release for release in kernels if release not in modules],
        "broken": sorted(name for name, entry in driver["packages"].items() if not entry["whole"]),
        "dkms": any(re.fullmatch(DKMS, name) for name in names) or bool(driver["dkms"]),
        "series": next((match.group(1) for match in (re.match(SERIES, name) for name in names) if match), ""),
    }


def libraries_only(driver: dict[str, Any], present: Present) -> bool:
    """Whether packages installed a driver's libraries, which other programs depend on, and nothing that drives a GPU."""
    packaged = present["whose"] not in (OUTSIDE, RUNFILE) and not present["broken"]
    return packaged and not (driver["modules"] or present["loaded"] or present["dkms"] or present["series"])


def _of_packages(packages: dict[str, dict[str, Any]]) -> str | None:
    """The driver's version by its packages: 470.256.02 of ``1:470.256.02-1~deb12u1``."""
    found = (re.match(r"(?:\d+:)?(\d{3}\.\d+(?:\.\d+)?)", entry["version"]) for entry in packages.values())
    return next((match.group(1) for match in found if match), None)


def closure(driver: dict[str, Any]) -> list[str]:
    """The installed packages to hold: the whole driver without prebuilt modules, which a new kernel must be able to install."""
    return sorted(name for name in driver["packages"] if not re.fullmatch(PREBUILT, name))


def busy(driver: dict[str, Any], gpus: int) -> list[str]:
    """Format the processes that use a GPU for a message, also those that the login user may not see.

    Args:
        gpus: how many GPUs the host has.
    """
    users = [f"{user['command']} (process {user['pid']})" for user in driver["users"]]
    loaded = driver["loaded"]
    if users or loaded is None:
        return users
    # The persistence daemon keeps each GPU and the control device open.
    expected = len(loaded["holders"]) + (gpus + 1 if driver["persistence"]["running"] else 0)
    return ["a process of another user"] if loaded["references"] > expected else []
