"""The drivers that could be installed on a host: each branch from each source, and what rules it out."""

from __future__ import annotations

from typing import Any, Iterator

from ansible_collections.codetr.provision.plugins.module_utils.gpu import table as gpu_table
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import messages, package_sets
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import present as nvidia_present
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.candidate import SOURCES, Candidate
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.facts import Facts
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.present import Present
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.apt import sources as apt_sources

DEFAULT_BRANCHES = [470]


def list_candidates(facts: Facts, branches: list[int], sources: tuple[str, ...]) -> Iterator[Candidate]:
    """Every branch from every source, the best first. Lazy, because the first with a set is usually taken."""
    for branch in branches:
        for source in sources:
            yield Candidate(branch, source, *_allowed(facts, _sets(facts, source, branch), facts.kernels))


def completion(facts: Facts, driver: Present) -> Candidate | None:
    """What adds the missing modules of the present driver; None where nothing does that is known here."""
    each = package_sets.completion(facts.system, facts.table, facts.probed, driver)
    return Candidate(each["branch"], "distribution", *_allowed(facts, [each], driver["missing"])) if each else None


def branches(facts: Facts, least: int, exact: int | None) -> list[int]:
    """The branches to try, the best first.

    Args:
        least: the oldest branch to try when the branch is free to choose.
        exact: the only branch to try, for a repair.
    """
    if exact is not None:
        return [exact]
    if facts.requested is not None:
        return [facts.requested]
    of_stack = facts.stack.get("drivers") or DEFAULT_BRANCHES
    return [branch for branch in [*_branch_of_libraries(facts), *of_stack] if branch >= least]


def sources(facts: Facts, action: str) -> tuple[str, ...]:
    """The sources to try, the best first."""
    origin = facts.present["whose"] if facts.present else ""
    if action == "repair" and origin in SOURCES:
        return (origin,)
    option = facts.config["nvidia_driver_source"]
    if option != "auto":
        return (option,)
    # Packages over a driver of NVIDIA's installer would break both.
    return ("runfile",) if origin == nvidia_present.RUNFILE else ("distribution", "nvidia")


def offered(facts: Facts, branch: int) -> bool:
    """Whether any source has a branch."""
    return any(_sets(facts, source, branch) for source in SOURCES)


def _branch_of_libraries(facts: Facts) -> list[int]:
    """The branch of libraries without a driver, where it can be installed: the programs that need them keep working."""
    version = facts.libraries["version"] if facts.libraries else None
    if not version or not facts.runs_stack(version):
        return []
    branch = gpu_table.branch_of(version)
    return [branch] if facts.drives_all(branch) and _sets(facts, "distribution", branch) else []


def _sets(facts: Facts, source: str, branch: int) -> list[dict[str, Any]]:
    """The package sets of a branch from a source; empty where it has none."""
    system, table, probed, kernels, open_ = facts.system, facts.table, facts.probed, facts.kernels, facts.open_required
    if source == "distribution":
        return package_sets.of_distribution(system, table, probed, branch, kernels, open_)
    if source == "nvidia":
        return package_sets.of_nvidia(system, table, probed, branch, kernels, open_) if facts.release.nvidia_name else []
    entry = table["runfile"].get(branch)
    return [package_sets.of_runfile(system, table, probed, branch, kernels, entry)] if entry and not open_ else []


def _allowed(facts: Facts, sets: list[dict[str, Any]], kernels: list[str]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The sets that kernels, secure boot and the package manager allow, and what rules out the others, by kind."""
    boot, known = facts.probed["kernels"], facts.probed["candidates"]
    allowed, against = [], {}
    for each in sets:
        if each["suite"] and not apt_sources.names_suite(facts.probed["sources"], each["suite"]):
            continue
        newer = package_sets.too_new(kernels, each["kernel_last"])
        gone = [name for name in each["headers"] if name not in known and package_sets.EXACT_HEADERS.match(name)]
        if newer:
            against["kernel"] = messages.kernel_too_new(newer, each["kernel_last"], each["suite"])
        elif each["how"] != "prebuilt" and boot["secure_boot"] and facts.live and boot["mok"] is not True:
            against["secure"] = messages.UNSIGNED
        elif each["how"] == "prebuilt" and known and set(each["modules"]) - set(known):
            against["prebuilt"] = messages.no_prebuilt(kernels)
        elif known and gone:
            against["headers"] = messages.headers_gone(gone)
        else:
            allowed.append(each)
    return allowed, against
