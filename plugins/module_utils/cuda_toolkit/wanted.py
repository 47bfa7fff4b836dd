"""Which CUDA toolkits are wanted, and where each comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.package_manager import nvidia_repository
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage
from ansible_collections.codetr.provision.plugins.module_utils.version import minor_of, numbers

RECORD = re.compile(r"cuda-(\d+\.\d+\.\d+)-linux-x86_64$")
# A version.json may have the day of the build in place of the patch, as in 11.8.20220929.
DATE = 1_000_000


@dataclass(frozen=True)
class Wanted:
    """One toolkit.

    Attributes:
        version: as far as it is known, ``11.4.4``; ``11.4`` where no record has the patch.
        exact: whether the user named the patch, so that an older one is not enough.
        record: the runfile's artifact record, or None.
    """

    version: str
    exact: bool
    record: dict[str, Any] | None

    @property
    def minor(self) -> str:
        """``11.4``, which names the folder: two patches of it cannot be side by side."""
        return minor_of(self.version)

    @property
    def record_name(self) -> str:
        """The name of the runfile's record."""
        return f"cuda-{self.version}-linux-x86_64"


def older(installed: str, version: str) -> bool:
    """Whether ``installed`` is an older patch of the same minor version; an unknown patch is good enough."""
    one, other = numbers(installed), numbers(version)
    return len(one) > 2 and len(other) > 2 and one[2] < DATE and one[:3] < other[:3]


def records(ctx: Context) -> dict[str, dict[str, Any]]:
    """The runfiles' records by version, oldest first."""
    found = {match.group(1): record for name, record in ctx.artifacts.items() for match in [RECORD.match(name)] if match}
    return {version: found[version] for version in sorted(found, key=numbers)}


def wanted(stage: Stage, config: dict[str, Any], ctx: Context) -> list[Wanted]:
    """The toolkits that the config and the stack name, each minor version once."""
    names = [
        (name, entry != "auto")
        for entry in config["cuda_toolkit_versions"]
        for name in (list(ctx.stack.get("toolkits") or []) if entry == "auto" else [entry])
    ]
    known = records(ctx)
    found: dict[str, Wanted] = {}
    for name, exact in names:
        whole = len(name.split(".")) == 3
        version = name if whole else next((version for version in reversed(list(known)) if minor_of(version) == name), name)
        item = Wanted(version, exact and whole, known.get(version))
        other = found.setdefault(item.minor, item)
        if other.version != version:
            stage.problem(
                f"cuda_toolkit_versions names both {other.version} and {version}, and both would be cuda-{item.minor}.",
                "Choose one of them.",
            )
    return list(found.values())


def source(stage: Stage, state: dict[str, Any], config: dict[str, Any], ctx: Context, item: Wanted) -> str:
    """``runfile`` or ``nvidia``; an empty string and a problem where neither has the toolkit."""
    option, system = config["cuda_toolkit_source"], state["os"]["name"]
    known = ", ".join(records(ctx))
    if option != "nvidia" and item.record and item.record.get("sha256"):
        return "runfile"
    if option != "runfile":
        carried = nvidia_repository.carries(ctx.release, item.minor)
        if option == "nvidia" and carried is False:
            stage.problem(
                f"NVIDIA's repository for {system} has no CUDA {item.minor}.",
                f"Set cuda_toolkit_source=runfile (records exist for {known}).",
            )
            return ""
        if option == "nvidia" and config["cuda_toolkit_prefix"].rstrip("/") != "/usr/local":
            stage.problem(
                "NVIDIA's packages install to /usr/local only.",
                "Leave cuda_toolkit_prefix at /usr/local, or set cuda_toolkit_source=runfile.",
            )
            return ""
        if option == "nvidia" or (carried and config["cuda_toolkit_prefix"].rstrip("/") == "/usr/local"):
            return "nvidia"
    if item.record:
        what, fix = f"The artifact record {item.record_name} has no sha256.", "Add it in provision_artifacts."
    else:
        what = f"There is no artifact record {item.record_name}."
        fix = f"Add it to provision_artifacts with its URL and sha256, or choose one of: {known}."
        if option == "auto" and nvidia_repository.carries(ctx.release, item.minor) is None:
            fix += f" cuda_toolkit_source=nvidia tries NVIDIA's repository for {system}."
    stage.problem(what, fix)
    return ""


def compiler_warning(state: dict[str, Any], ctx: Context, item: Wanted) -> str:
    """A warning where nvcc does not support the host's compiler, or the one that would be installed; else empty."""
    below = str((item.record or {}).get("gcc_below") or "")
    offered = ctx.release.compilers
    compiler = state["cuda_toolkit"]["gcc"] or (str(offered[0]) if offered else "")
    if not below or not compiler or numbers(compiler) < numbers(below):
        return ""
    origin = "which this host has" if state["cuda_toolkit"]["gcc"] else f"which is what {state['os']['name']} installs"
    limit = numbers(below)[0]
    fits = max((major for major in offered if major < limit), default=None)
    fix = (
        f"Install g++-{fits} and call `nvcc -ccbin g++-{fits}`."
        if fits
        else f"{state['os']['name']} has none; install one from elsewhere, such as gxx_linux-64={limit - 1} of conda-forge, "
        "and pass its path to `nvcc -ccbin`."
    )
    return f"nvcc of CUDA {item.version} does not support g++ {compiler}, {origin}: it needs a version below {below}. {fix}"
