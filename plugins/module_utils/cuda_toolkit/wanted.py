"""Which CUDA toolkits the config name, and where each would come from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.apt import nvidia_repository
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage
from ansible_collections.codetr.provision.plugins.module_utils.version import minor_of, numbers

RECORD = re.compile(r"cuda-(\d+\.\d+\.\d+)-linux-x86_64$")
# What a version.json may have in the place of the patch is the day on which it was built, as in 11.8.20220929.
DATE = 1_000_000


@dataclass(frozen=True)
class Wanted:
    """One toolkit.

    Attributes:
        version: as whole as it is known, ``11.4.4``; ``11.4`` where no record says more.
        exact: whether a person named the patch, so that an older one will not do.
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
        """The record that would say where the runfile is."""
        return f"cuda-{self.version}-linux-x86_64"


def older(have: str, want: str) -> bool:
    """Whether ``have`` is an older patch of the same minor version; one that is not known counts as good enough."""
    one, other = numbers(have), numbers(want)
    return len(one) > 2 and len(other) > 2 and one[2] < DATE and one[:3] < other[:3]


def records(ctx: Context) -> dict[str, dict[str, Any]]:
    """The runfiles' records by version, oldest first."""
    found = {match.group(1): record for name, record in ctx.artifacts.items() for match in [RECORD.match(name)] if match}
    return {version: found[version] for version in sorted(found, key=numbers)}


def wanted(stage: Stage, config: dict[str, Any], ctx: Context) -> list[Wanted]:
    """The toolkits that the config and the stack name, each minor version once."""
    names = [
        (name, word != "auto")
        for word in config["cuda_toolkit_versions"]
        for name in (list(ctx.stack.get("toolkits") or []) if word == "auto" else [word])
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
    """``runfile`` or ``nvidia``; a problem, and an empty string, where there is neither."""
    option, system = config["cuda_toolkit_source"], state["os"]["name"]
    known = ", ".join(records(ctx))
    if option != "nvidia" and item.record and item.record.get("sha256"):
        return "runfile"
    if option != "runfile":
        carried = nvidia_repository.carries(ctx.release, item.minor)
        if option == "nvidia" and carried is False:
            stage.problem(
                f"NVIDIA's apt repository for {system} carries no CUDA {item.minor}.",
                f"Set cuda_toolkit_source=runfile; there are records for {known}.",
            )
            return ""
        if option == "nvidia" and config["cuda_toolkit_prefix"].rstrip("/") != "/usr/local":
            stage.problem("NVIDIA's packages go to /usr/local only.", "Leave cuda_toolkit_prefix out, or set cuda_toolkit_source=runfile.")
            return ""
        if option == "nvidia" or (carried and config["cuda_toolkit_prefix"].rstrip("/") == "/usr/local"):
            return "nvidia"
    if item.record:
        what, fix = f"The artifact record {item.record_name} has no sha256.", "Give it in provision_artifacts."
    else:
        what = f"There is no artifact record {item.record_name}."
        fix = f"Add it to provision_artifacts with its URL and sha256, or choose one of: {known}."
        if option == "auto" and nvidia_repository.carries(ctx.release, item.minor) is None:
            fix += f" cuda_toolkit_source=nvidia tries NVIDIA's repository for {system}."
    stage.problem(what, fix)
    return ""


def compiler(state: dict[str, Any], ctx: Context, item: Wanted) -> str:
    """A sentence where nvcc does not work with the host's compiler, or with the one that apt would bring; else empty."""
    below = str((item.record or {}).get("gcc_below") or "")
    offered = ctx.release.compilers
    have = state["cuda_toolkit"]["gcc"] or (str(offered[0]) if offered else "")
    if not below or not have or numbers(have) < numbers(below):
        return ""
    whose = "which this host has" if state["cuda_toolkit"]["gcc"] else f"which is what {state['os']['name']} installs"
    limit = numbers(below)[0]
    fits = max((major for major in offered if major < limit), default=None)
    fix = (
        f"Install g++-{fits} and call `nvcc -ccbin g++-{fits}`."
        if fits
        else f"{state['os']['name']} has none; take one from elsewhere, such as gxx_linux-64={limit - 1} of conda-forge, "
        "and give its path as `nvcc -ccbin`."
    )
    return f"nvcc of CUDA {item.version} does not work with g++ {have}, {whose}: it needs one below {below}. {fix}"
