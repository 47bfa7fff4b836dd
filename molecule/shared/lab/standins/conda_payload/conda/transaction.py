"""Solve and link, both by py-rattler."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rattler import (
    Channel,
    ChannelConfig,
    Gateway,
    MatchSpec,
    PackageRecord,
    PrefixRecord,
    RepoDataRecord,
    SourceConfig,
    Subdir,
    VirtualPackage,
    solve,
)
from rattler import install as link
from rattler.exceptions import (
    ExtractError,
    GatewayError,
    InstallerError,
    InvalidChannelError,
    InvalidMatchSpecError,
    IoError,
    LinkError,
    SolverError,
    TransactionError,
)

from conda import CondaError, environments
from conda.condarc import Settings

# The base environment comes out of the installer; no server has its packages, and `.invalid` never resolves.
_BASE_CHANNEL = "https://stand-in.invalid/stand-in"


async def link_unpacked(prefix: Path, pkgs: Path, dists: Sequence[str]) -> None:
    """Make the environment at prefix consist of packages that are unpacked in a package cache."""
    packages = [PackageRecord.from_index_json(pkgs / dist / "info" / "index.json") for dist in dists]
    linked = [
        RepoDataRecord(package, f"{dist}.tar.bz2", f"{_BASE_CHANNEL}/{package.subdir}/{dist}.tar.bz2", _BASE_CHANNEL)
        for package, dist in zip(packages, dists, strict=True)
    ]
    await link(linked, prefix, cache_dir=pkgs, show_progress=False)


def channels(settings: Settings, names: Sequence[str]) -> list[Channel]:
    """Return the channels to solve from, first wins.

    Raises:
        CondaError: a name is no channel.
    """
    config = ChannelConfig(f"{settings.channel_alias}/", str(Path.cwd()))
    try:
        return [Channel(name, config) for name in names]
    except InvalidChannelError as error:
        raise CondaError("InvalidChannel", str(error)) from error


async def create(prefix: Path, specs: Sequence[str], sources: Sequence[Channel], pkgs: Path) -> None:
    """Solve the specs and link the result into a new environment.

    Raises:
        CondaError: a spec cannot be parsed, a channel does not answer, there is no solution, or linking fails.
    """
    wanted = _parse(specs)
    await _link(await _solve(wanted, wanted, [], sources, pkgs), prefix, pkgs)


async def install(prefix: Path, specs: Sequence[str], earlier: Sequence[str], sources: Sequence[Channel], pkgs: Path) -> bool:
    """Install what the specs ask for into an existing environment and return whether anything changed.

    Args:
        earlier: the specs of earlier commands, oldest first; they hold for packages that specs does not name. Others stay if possible.

    Raises:
        CondaError: as for `create`, or a record of the environment cannot be read.
    """
    installed = _installed(prefix)
    asked = _parse(specs)
    names = {_name(spec) for spec in asked}
    before = {_name(spec): spec for spec in _parse(earlier)}
    kept = [before.get(name) or MatchSpec(name) for name in (record.name.normalized for record in installed) if name not in names]
    records = await _solve(asked, [*asked, *kept], installed, sources, pkgs)
    if {_dist(record) for record in records} == {_dist(record) for record in installed}:
        return False
    await _link(records, prefix, pkgs)
    return True


def _installed(prefix: Path) -> list[PrefixRecord]:
    found = []
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        try:
            found.append(PrefixRecord.from_path(path))
        except IoError as error:
            raise environments.corrupted(path) from error
    return found


def _parse(specs: Sequence[str]) -> list[MatchSpec]:
    try:
        return [MatchSpec(spec) for spec in specs]
    except InvalidMatchSpecError as error:
        raise CondaError("InvalidMatchSpec", str(error)) from error


def _name(spec: MatchSpec) -> str:
    return str(spec.name.normalized)


def _dist(record: PackageRecord) -> tuple[str, str, str]:
    return record.name.normalized, str(record.version), str(record.build)


async def _solve(
    asked: Sequence[MatchSpec], wanted: Sequence[MatchSpec], installed: Sequence[PrefixRecord], sources: Sequence[Channel], pkgs: Path
) -> list[RepoDataRecord]:
    """Return the packages that meet `wanted`; each of `asked` must be in a channel or installed."""
    if not wanted:
        return []
    config = SourceConfig(zstd_enabled=False, bz2_enabled=False, sharded_enabled=False)
    gateway = Gateway(cache_dir=pkgs / "cache", default_config=config)
    try:
        answers = await gateway.query(sources, [Subdir.current(), Subdir("noarch")], asked, recursive=False)
        offered = [record for answer in answers for record in answer]
        if missing := [spec for spec in asked if not any(_fits(record, asked, _name(spec)) for record in (*offered, *installed))]:
            raise _not_found(missing, sources)
        # A package that is named may change if a channel has it; others stay if possible.
        renewable = {record.name.normalized for record in offered}
        locked = [record for record in installed if record.name.normalized not in renewable]
        return await solve(sources, wanted, gateway=gateway, locked_packages=locked, virtual_packages=VirtualPackage.detect())
    except GatewayError as error:
        if absent := re.match(r"could not find subdir '\S+' in channel '(\S+?)/?'", str(error)):
            url = absent[1]
            raise CondaError(
                "UnavailableInvalidChannel",
                f"HTTP 404 NOT FOUND for channel {url.rpartition('/')[2]} <{url}>\n\nThe channel is not accessible or is invalid.",
            ) from error
        raise CondaError("CondaHTTPError", f"{error}. Channels: {', '.join(channel.base_url for channel in sources)}") from error
    except SolverError as error:
        raise CondaError(
            "UnsatisfiableError",
            f"The following specifications were found to be incompatible with each other:\n\n{error}\n\n"
            "This stand-in has no other packages than those of its own channels.",
        ) from error


def _fits(record: PackageRecord, asked: Sequence[MatchSpec], name: str) -> bool:
    """Return whether a package meets all specs of one name."""
    return record.name.normalized == name and all(spec.matches(record) for spec in asked if _name(spec) == name)


def _not_found(missing: Sequence[MatchSpec], sources: Sequence[Channel]) -> CondaError:
    wanted, searched = ("\n".join(f"  - {one}" for one in lines) for lines in (missing, (channel.base_url for channel in sources)))
    return CondaError(
        "PackagesNotFoundError",
        f"The following packages are not available from current channels:\n\n{wanted}\n\nCurrent channels:\n\n{searched}",
    )


async def _link(records: list[RepoDataRecord], prefix: Path, pkgs: Path) -> None:
    try:
        await link(records, prefix, cache_dir=pkgs, show_progress=False)
    except (InstallerError, LinkError, TransactionError, ExtractError, IoError) as error:
        raise CondaError("LinkError", f"{error}. The environment {prefix} is incomplete; run the same command again.") from error
