"""What differs between distributions and their releases, read from ``roles/preflight/files/distributions.yml``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.package_manager.manager import PackageManager
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.managers import MANAGERS, named


class DistributionError(Exception):
    """The table of distributions is wrong; the text says where."""


@dataclass(frozen=True)
class Release:
    """One release of a distribution.

    Attributes:
        distribution: its id, as ``ID`` in /etc/os-release: ``debian``.
        version: as ``VERSION_ID``: ``12``.
        codename: ``bookworm``.
        supported: whether a host with it is provisioned.
        package_manager: ``apt``, or empty for a release that is not in the table.
        compilers: major versions of g++ that it packages; the first is the one that ``g++`` means.
        nvidia_repository: NVIDIA's repository for it, ``{"name", "first_toolkit", "exact"}``; empty where NVIDIA has none.
        renamed: packages that have another name there.
        dkms_key: whether DKMS can sign modules with a key that is enrolled for secure boot.
    """

    distribution: str = ""
    version: str = ""
    codename: str = ""
    supported: bool = False
    package_manager: str = ""
    compilers: tuple[int, ...] = ()
    nvidia_repository: Mapping[str, Any] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    dkms_key: bool = True

    @property
    def manager(self) -> PackageManager:
        """Its package manager."""
        return named(self.package_manager)

    @property
    def nvidia_name(self) -> str:
        """The name of NVIDIA's repository for the release, ``debian12``; empty where there is none."""
        return str(self.nvidia_repository.get("name", ""))

    def package(self, name: str) -> str:
        """The release's own name of a package."""
        return self.renamed.get(name, name)


@dataclass(frozen=True)
class Table:
    """All releases."""

    releases: tuple[Release, ...] = ()

    def find(self, system: Mapping[str, Any]) -> Release:
        """The release of a host, by ``id`` and ``version`` of its /etc/os-release; one that is not supported where the table has none."""
        return next(
            (each for each in self.releases if (each.distribution, each.version) == (system["id"], system["version"])),
            Release(system["id"], system["version"]),
        )

    @property
    def supported(self) -> str:
        """The supported systems for a sentence: ``Debian 11 or 12, Ubuntu 20.04 or 22.04 or 24.04``."""
        versions: dict[str, list[str]] = {}
        for each in self.releases:
            if each.supported:
                versions.setdefault(each.distribution.capitalize(), []).append(each.version)
        return ", ".join(f"{name} {' or '.join(found)}" for name, found in versions.items())

    def names_of(self, packages: Iterable[str]) -> set[str]:
        """All names that these packages have on any release."""
        own = set(packages)
        return own | {each.package(name) for each in self.releases for name in own}

    @property
    def compilers(self) -> tuple[int, ...]:
        """Major versions of g++ that any release packages, in order."""
        return tuple(sorted({major for each in self.releases for major in each.compilers}))


def parse(data: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    """The table from the data of the file.

    Raises:
        DistributionError: an entry has a key that does not exist, lacks one, or names an unknown package manager.
    """
    known = {each.name for each in fields(Release)} - {"distribution", "version"}
    releases = []
    for distribution, versions in data.items():
        for version, entry in versions.items():
            where = f"{distribution} {version}"
            wrong = sorted(set(entry) ^ known)
            if wrong:
                raise DistributionError(f"{where}: the keys must be {', '.join(sorted(known))}; look at {', '.join(wrong)}.")
            if entry["package_manager"] not in MANAGERS:
                known_managers = ", ".join(MANAGERS)
                raise DistributionError(f"{where}: there is no package manager {entry['package_manager']!r}; use one of {known_managers}.")
            releases.append(Release(str(distribution), str(version), **{**entry, "compilers": tuple(entry["compilers"])}))
    return Table(tuple(releases))
