"""What stages ask of a system's package manager. Nothing else here knows apt; another one is a subclass, and a line in ``managers.py``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Callable, ClassVar, Collection, Dict, List, Mapping, NamedTuple, Tuple

from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host

# Runs a command in plain English: exit status, standard output, standard error.
Run = Callable[[List[str]], Tuple[int, str, str]]
# Installed packages by name: ``{"version", "hold", "auto", "origin", "whole"}``. ``whole`` is false for one whose configuration did not
# finish. ``origin`` is distribution, nvidia or other.
Installed = Dict[str, Dict[str, Any]]


class PackageManagerFailed(Exception):
    """The package manager did not do it; the text is a sentence."""


@dataclass(frozen=True)
class Simulation:
    """What an installation would do.

    Attributes:
        install: the version of each package that would be installed or changed.
        changed: those of them that are installed now.
        remove: packages that would be removed.
        why: why it cannot be done; empty where it can.
    """

    install: Mapping[str, str] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    why: str = ""


class Explanation(NamedTuple):
    """A known failure: a regular expression on the output, and what it means and what to do."""

    pattern: str
    say: str


@dataclass(frozen=True)
class RepositoryFiles:
    """What makes a package manager use a repository.

    Attributes:
        source: the file that names the repository, and its text.
        keyring: where its key is put.
        priority: the file that ranks its packages, and its text; None where the source's file does that.
        index: the file of the repository that answers where it can be used, below its URL.
    """

    source: tuple[str, str]
    keyring: str
    priority: tuple[str, str] | None
    index: str


class PackageManager(ABC):
    """One package manager. The methods that take a host read its files; those that take a Run change it, or ask it.

    Attributes:
        name: as ``package_manager`` in distributions.yml.
        program: the path of its program.
        environment: variables for its commands.
        cache: the folder that packages are downloaded to.
        locked: regular expression on the output of a command that failed only because another one is at work.
        source_files: regular expression on the whole path of a file that names repositories.
        installing: the text that its output has once for each package that it installs.
        explain_refresh, explain_install: known failures, first match first, without one for all others.
        explain_held: how a person releases held packages.
        repository_needs: packages that a repository with a key of its own needs.
    """

    name: str
    program: str
    environment: ClassVar[Mapping[str, str]]
    cache: str
    locked: str
    source_files: str
    installing: str
    explain_refresh: tuple[Explanation, ...]
    explain_install: tuple[Explanation, ...]
    explain_held: str
    repository_needs: tuple[str, ...]

    def present(self, host: Host) -> bool:
        """Whether the host has it."""
        return host.exists(self.program)

    @abstractmethod
    def installed(self, host: Host, pattern: str) -> Installed:
        """The installed packages whose whole name matches."""

    @abstractmethod
    def names(self, host: Host) -> list[str]:
        """The names of installed packages, by the quickest way, and perhaps some that left only their configuration."""

    @abstractmethod
    def residual(self, host: Host) -> list[str]:
        """The packages that were removed and left their configuration."""

    @abstractmethod
    def candidates(self, host: Host, names: list[str]) -> dict[str, list[str]]:
        """The versions that could be installed of each package, the one that would be taken first; an unknown package is absent."""

    @abstractmethod
    def sources(self, host: Host) -> dict[str, str]:
        """The text of every file that names repositories, by path."""

    @abstractmethod
    def names_url(self, path: str, text: str, url: str) -> bool:
        """Whether an enabled entry in a file of sources is for the URL or something below it."""

    @abstractmethod
    def interrupted(self, host: Host) -> bool:
        """Whether it was killed at work, so that it refuses to do anything."""

    @abstractmethod
    def refresh(self) -> list[str]:
        """The command that updates the lists of packages."""

    @abstractmethod
    def install(self, names: Collection[str], suite: str = "") -> list[str]:
        """The command that installs packages, without recommended ones and without questions.

        Args:
            names: packages, each perhaps with the version that it is to have (see ``exact``).
            suite: take them from it; empty leaves the choice to the package manager.
        """

    @abstractmethod
    def exact(self, name: str, version: str) -> str:
        """A package's name with the version that it is to have."""

    @abstractmethod
    def simulate(self, run: Run, names: Collection[str], suite: str = "") -> Simulation:
        """What ``install`` would do."""

    @abstractmethod
    def knows(self, run: Run, name: str) -> bool:
        """Whether a repository has the package."""

    @abstractmethod
    def version(self, run: Run, name: str) -> str:
        """The version of an installed package, without an epoch; empty for none."""

    @abstractmethod
    def held(self, run: Run) -> list[str]:
        """The packages that are held."""

    @abstractmethod
    def hold(self, run: Run, names: Collection[str]) -> None:
        """Keep packages at their version.

        Raises:
            PackageManagerFailed: it could not.
        """

    @abstractmethod
    def unhold(self, run: Run, names: Collection[str]) -> None:
        """Let packages change again.

        Raises:
            PackageManagerFailed: it could not.
        """

    @abstractmethod
    def mark_auto(self, run: Run, names: Collection[str]) -> None:
        """Mark packages as installed for the sake of others.

        Raises:
            PackageManagerFailed: it could not.
        """

    @abstractmethod
    def removable(self, run: Run, host: Host, wanted: Collection[str]) -> tuple[list[str], dict[str, list[str]]]:
        """Divide packages into those that can go without touching any other, and those that cannot, with the packages that need them.

        Raises:
            PackageManagerFailed: a package that no system is without is among them, or it cannot tell.
        """

    @abstractmethod
    def purge(self, run: Run, names: list[str], keep_configuration: Collection[str]) -> None:
        """Remove packages, with their configuration but for those whose configuration was there before.

        Raises:
            PackageManagerFailed: it could not.
        """

    @abstractmethod
    def mend(self, run: Run, ours: Collection[str]) -> None:
        """Bring it to where it can work again after it was killed, if all half-done packages are ours.

        Raises:
            PackageManagerFailed: some are not.
        """

    @abstractmethod
    def repository(self, name: str, url: str, user: str, priority: int, names: str) -> RepositoryFiles:
        """The files for a repository that is signed with a key of its own.

        Args:
            name: for the names of the files, ``codetr-nvidia-cuda``.
            url: of the repository.
            user: who asks, for the name of the file with the priority.
            priority: of its packages; 100 never replaces a package of the distribution, 600 does.
            names: patterns of the packages that the priority is for.
        """

    @abstractmethod
    def unattended_file(self) -> tuple[str, str] | None:
        """The file that keeps unattended upgrades from the driver, and its text; None where holding does that."""

    @abstractmethod
    def to_install(self, names: Collection[str]) -> str:
        """The command that a person installs packages with."""

    @abstractmethod
    def to_hold(self, names: Collection[str]) -> str:
        """The command that a person holds packages with."""

    @abstractmethod
    def to_mend(self) -> str:
        """The commands, with "and" between them, that a person mends an interrupted installation with."""
