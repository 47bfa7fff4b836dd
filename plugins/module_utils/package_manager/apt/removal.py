"""Remove packages with apt, by name and nothing else: what apt would take along, or bring in their place, is asked first."""

from __future__ import annotations

import re
from typing import Collection, Dict

from ansible_collections.codetr.provision.plugins.module_utils.package_manager.manager import PackageManagerFailed, Run

# Somebody may have switched on that apt removes what it takes for unused; a purge here removes what it names.
OPTIONS = ["-y", "-o", "DPkg::Lock::Timeout=600", "-o", "APT::Get::AutomaticRemove=false", "--allow-change-held-packages"]
Fields = Dict[str, Dict[str, str]]


def removable(run: Run, wanted: Collection[str], known: Fields) -> tuple[list[str], dict[str, list[str]]]:
    """Divide packages into those that can go without touching any other, and those that cannot, with the packages that need them.

    Raises:
        PackageManagerFailed: a package that no system is without is among them, or apt cannot tell.
    """
    names = sorted(wanted)
    essential = [name for name in names if "yes" in (known.get(name, {}).get("Essential"), known.get(name, {}).get("Protected"))]
    if essential:
        raise PackageManagerFailed(
            f"By the state files, the stage brought packages that no system is without ({', '.join(essential[:5])}). That cannot be, and "
            "no package was removed. Remove the stage's packages by hand, and then its receipt."
        )
    if not _touched(run, names, names):
        return names, {}
    kept = {name: others for name in names for others in [_touched(run, [name], names)] if others}
    return [name for name in names if name not in kept], kept


def _touched(run: Run, names: list[str], ours: Collection[str]) -> list[str]:
    """The other packages that apt would remove, or install in their place, together with these."""
    if not names:
        return []
    # apt finds no way at all to remove what a held package needs; holds of ours are released before anything is removed.
    out = _apt(run, ["-s", "--ignore-hold", "purge", *names], "apt-get cannot tell what would be removed")
    return sorted({name.partition(":")[0] for name in re.findall(r"^(?:Remv|Purg|Inst) (\S+)", out, re.M)} - set(ours))


def mend(run: Run, ours: Collection[str]) -> None:
    """Bring dpkg to where apt can work again after it was killed, if all half-done packages are ours.

    Raises:
        PackageManagerFailed: some are not.
    """
    done = (["installed"], ["config-files"], ["not-installed"])
    broken = {name: status for name, status in _statuses(run).items() if status.split()[-1:] not in done}
    foreign = sorted(set(broken) - set(ours))
    if foreign:
        raise PackageManagerFailed(
            f"dpkg was interrupted, and packages that are not of this stage are half done: {', '.join(foreign[:5])}. "
            "Run `sudo dpkg --configure -a` and `sudo apt-get -f install` on the host, then run again."
        )
    # What is half unpacked can be neither configured nor removed without this.
    torn = sorted(name for name, status in broken.items() if " reinstreq " in status)
    if torn:
        run(["dpkg", "--force-remove-reinstreq", "--purge", *torn])
    # A module of ours that does not compile stays unconfigured; dpkg's journal is merged all the same.
    run(["dpkg", "--configure", "-a"])


def purge(run: Run, names: list[str], keep_configuration: Collection[str]) -> None:
    """Remove packages, with their configuration but for those whose configuration was there before.

    Raises:
        PackageManagerFailed: apt could not.
    """
    rest = [name for name in names if name not in keep_configuration]
    if keep_configuration:
        # Together: apt does nothing beside a package that cannot be configured, and a purge also purges what it takes along.
        _remove(run, "remove", names)
        rest = _left(run, rest)
    if rest:
        _remove(run, "purge", rest)


def _remove(run: Run, verb: str, names: list[str]) -> None:
    try:
        _apt(run, [verb, *names], f"apt-get could not {verb} the packages")
    except PackageManagerFailed:
        # A script of one package may fail the first time only; what it left half done is finished before the second.
        run(["dpkg", "--configure", "-a"])
        left = _left(run, names)
        if left:
            _apt(run, [verb, *left], f"apt-get could not {verb} the packages")


def _left(run: Run, names: list[str]) -> list[str]:
    """The packages of which dpkg still has something; apt does not know the others once their source is gone."""
    known = _statuses(run)
    return [name for name in names if known.get(name, "not-installed").split()[-1:] != ["not-installed"]]


def _statuses(run: Run) -> dict[str, str]:
    """The status of each package. Unlike the status file, this counts what dpkg's journal says."""
    out = run(["dpkg-query", "-W", "-f", "${Package}\t${Status}\n"])[1]
    return dict(line.split("\t", 1) for line in out.splitlines() if "\t" in line)


def mark(run: Run, verb: str, names: Collection[str]) -> None:
    """Change marks: ``auto``, ``hold`` or ``unhold``.

    Raises:
        PackageManagerFailed: apt-mark could not.
    """
    if names:
        rc, out, err = run(["apt-mark", verb, *sorted(names)])
        if rc != 0:
            output = (err or out).strip()[-800:]
            raise PackageManagerFailed(f"apt-mark {verb} could not change the marks of {', '.join(sorted(names))}: {output}")


def _apt(run: Run, arguments: list[str], what: str) -> str:
    rc, out, err = run(["apt-get", *OPTIONS, *arguments])
    if rc != 0:
        raise PackageManagerFailed(f"{what}: {(err or out).strip()[-800:]}")
    return out
