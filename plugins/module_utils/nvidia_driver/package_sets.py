"""List the package sets that install a driver branch; the first that can be installed is used."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.gpu.table import branch_of
from ansible_collections.codetr.provision.plugins.module_utils.host.kernels import expand, flavours
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.present import Present
from ansible_collections.codetr.provision.plugins.module_utils.version import numbers

# Those of one release; a metapackage follows the newest.
EXACT_HEADERS = re.compile(r"linux-headers-\d")
PLACEHOLDER = re.compile(r"\{(series|branch|flavour|kernel|-open|open-)\}")


def counting(driver: dict[str, Any], config: dict[str, Any], container: str) -> list[str]:
    """The kernels that a driver must have a module for: those named, or the newest that the host can boot and the one that runs.

    In a container, or where images are baked, no kernel boots; those with headers count.
    """
    if config["nvidia_driver_kernels"]:
        return list(config["nvidia_driver_kernels"])
    boot = driver["kernels"]
    images = sorted((name for name, kernel in boot["known"].items() if kernel["image"]), key=numbers)
    if images and not container:
        return [*([boot["running"]] if boot["ours"] and boot["running"] != images[-1] else []), images[-1]]
    return sorted((name for name, kernel in boot["known"].items() if kernel["headers"]), key=numbers)


def headers(driver: dict[str, Any], kernels: list[str], fallback: str) -> list[str]:
    """The packages with headers: for each kernel that lacks them, and the metapackages that bring them for the next kernel too."""
    known, installed = driver["kernels"]["known"], driver["kernel_packages"]
    exact = [f"linux-headers-{release}" for release in kernels if not known.get(release, {}).get("headers")]
    metas = [f"linux-headers-{name}" for name in flavours(driver["kernel_packages"]) if f"linux-headers-{name}" not in installed]
    return [*exact, *metas] or ([] if kernels else [fallback])


def templates(table: dict[str, Any]) -> list[str]:
    """Every package name that the probe asks the package manager about, ``{kernel}`` and ``{flavour}`` still in it."""
    names = ["linux-headers-{kernel}", "linux-headers-{flavour}"]
    ubuntu = table["ubuntu"]
    for entry in table["debian"].values():
        names += [each["lead"] for key in entry if isinstance(key, int) for each in entry[key]]
    for series in ubuntu["branches"].values():
        for suffix in ("", "-open"):
            for name in (*ubuntu["prebuilt"], *ubuntu["dkms"]):
                names.append(_fill(name, series=series, open_=bool(suffix)))
    return sorted(set(names))


def _fill(name: str, series: str = "", branch: str = "", open_: bool = False) -> str:
    values = {"series": series, "branch": branch, "-open": "-open" if open_ else "", "open-": "open-" if open_ else ""}
    return PLACEHOLDER.sub(lambda match: values.get(match.group(1), match.group(0)), name)


def of_distribution(
    system: dict[str, Any], table: dict[str, Any], driver: dict[str, Any], branch: int, kernels: list[str], open_: bool
) -> list[dict[str, Any]]:
    """The sets of the host's own distribution for a branch; empty where it has none.

    Each is ``{"how": prebuilt|dkms, "branch", "lead", "packages", "modules", "headers", "components", "suite", "kernel_last", "pin"}``.
    ``lead`` is the package whose version must be of the branch, ``modules`` are those of the packages that must be known, ``changes`` says
    whether the set may change the present driver.
    """
    if system["id"] == "debian":
        entry = table["debian"].get(system["version"], {})
        needed = headers(driver, kernels, entry.get("headers", ""))
        return [
            _set("dkms", branch, each, each["packages"], needed, components=each.get("components", entry["components"]))
            for each in entry.get(branch, [])
            if not open_
        ]
    ubuntu = table["ubuntu"]
    series = ubuntu["branches"].get(branch)
    if system["id"] != "ubuntu" or system["version"] not in ubuntu["releases"] or not series or (open_ and branch < 515):
        return []
    lead = {"lead": f"nvidia-utils-{series}"}
    kinds, meta = ("prebuilt", "dkms"), flavours(driver["kernel_packages"])
    filled = {how: [_fill(name, series=series, open_=open_) for name in ubuntu[how]] for how in kinds}
    limited = {**lead, "kernel_last": ubuntu["kernel_last"].get(branch)}
    dkms = _set("dkms", branch, limited, expand(filled["dkms"], kernels, meta), headers(driver, kernels, ubuntu["headers"]))
    if not kernels:
        return [dkms]
    # The flavour's package installs the module with the next kernel. Where it would install that kernel too, or is gone, the others do.
    exact = [name for name in filled["prebuilt"] if "{flavour}" not in name]
    prebuilt = [expand(names, kernels, meta) for names in (filled["prebuilt"], exact)]
    return [*(_set("prebuilt", branch, lead, names, []) for names in prebuilt if names), dkms]


def of_nvidia(
    system: dict[str, Any], table: dict[str, Any], driver: dict[str, Any], branch: int, kernels: list[str], open_: bool
) -> list[dict[str, Any]]:
    """The sets of NVIDIA's repository for a branch."""
    nvidia = table["nvidia"]
    if branch not in nvidia["branches"]:
        return []
    fallback = "linux-headers-amd64" if system["id"] == "debian" else "linux-headers-generic"
    needed = headers(driver, kernels, fallback)
    found = []
    for each in nvidia.get(system["id"], []):
        if branch < each.get("from", 0) or each.get("open", open_) != open_:
            continue
        packages = [_fill(name, branch=str(branch), open_=open_) for name in each["packages"]]
        entry = {name: _fill(each.get(name, ""), branch=str(branch), open_=open_) for name in ("lead", "pin")}
        entry["kernel_last"] = nvidia["kernel_last"].get(branch)
        found.append(_set("dkms", branch, entry, packages, needed))
    return found


def _set(how: str, branch: int, entry: dict[str, Any], packages: list[str], needed: list[str], **more: Any) -> dict[str, Any]:
    return {
        "how": how,
        "branch": branch,
        "lead": entry["lead"],
        "packages": list(packages),
        "modules": [name for name in packages if name.startswith("linux-modules")],
        "headers": needed,
        "components": more.get("components", []),
        "suite": entry.get("suite"),
        "kernel_last": entry.get("kernel_last"),
        "pin": entry.get("pin") or "",
        "changes": more.get("changes", True),
    }


def completion(system: dict[str, Any], table: dict[str, Any], driver: dict[str, Any], present: Present) -> dict[str, Any] | None:
    """What adds modules of the present driver to the kernels that lack one; None where nothing known does.

    Args:
        present: the driver that lacks modules.
    """
    branch, series = branch_of(str(present["version"])), present["series"]
    if series and not present["dkms"]:
        packages = [f"linux-modules-nvidia-{series}-{release}" for release in present["missing"]]
        # The probe asks only about the series that this role installs.
        return {**_set("prebuilt", branch, {"lead": ""}, packages, [], changes=False), "modules": []}
    if not present["dkms"]:
        return None
    # The same driver with the patches of the suite that it was taken from.
    tested = [each for each in table["debian"].get(system["version"], {}).get(branch, []) if present["whose"] == "distribution"]
    versions = [entry["version"] for entry in driver["packages"].values()]
    lasts = [each.get("kernel_last") for each in tested if bool(each.get("suite")) == any("~bpo" in version for version in versions)]
    limit = {"lead": "", "kernel_last": lasts[0] if lasts else None}
    return _set("dkms", branch, limit, ["dkms"], headers(driver, present["missing"], ""), changes=False)


def too_new(kernels: list[str], last: str | None) -> list[str]:
    """The kernels that are newer than a set was tested with, by the first two numbers of their releases."""
    if last is None:
        return []
    limit = numbers(last)
    return [release for release in kernels if numbers(release)[: len(limit)] > limit]


def of_runfile(
    system: dict[str, Any], table: dict[str, Any], driver: dict[str, Any], branch: int, kernels: list[str], entry: dict[str, Any]
) -> dict[str, Any]:
    """What NVIDIA's installer needs around it: DKMS, a compiler, headers."""
    fallback = table["debian"].get(system["version"], {}).get("headers") or table["ubuntu"]["headers"]
    lead = {"lead": "", "kernel_last": entry["kernel_last"]}
    return _set("runfile", branch, lead, ["dkms", "gcc", "make", "kmod"], headers(driver, kernels, fallback))
