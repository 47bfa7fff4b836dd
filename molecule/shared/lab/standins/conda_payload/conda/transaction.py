"""Solving and linking, both done by py-rattler."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rattler import Channel, ChannelConfig, Gateway, MatchSpec, PackageRecord, RepoDataRecord, SourceConfig, VirtualPackage, install, solve
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

from conda import CondaError
from conda.condarc import Settings

# The base environment comes out of the installer; no server has its packages, and `.invalid` never resolves.
_BASE_CHANNEL = "https://stand-in.invalid/stand-in"


async def link_unpacked(prefix: Path, pkgs: Path, dists: Sequence[str]) -> None:
    """Make the environment at prefix consist of packages that lie unpacked in a package cache."""
    packages = [PackageRecord.from_index_json(pkgs / dist / "info" / "index.json") for dist in dists]
    linked = [
        RepoDataRecord(package, f"{dist}.tar.bz2", f"{_BASE_CHANNEL}/{package.subdir}/{dist}.tar.bz2", _BASE_CHANNEL)
        for package, dist in zip(packages, dists, strict=True)
    ]
    await install(linked, prefix, cache_dir=pkgs, show_progress=False)


def channels(settings: Settings, named: Sequence[str], *, override: bool) -> list[Channel]:
    """The channels to solve from, first wins.

    Raises:
        CondaError: there is none, or it is Anaconda's own, which this stand-in does not have.
    """
    if override and not named:
        raise CondaError("ArgumentError", "At least one -c / --channel flag must be supplied when using --override-channels.")
    names = list(dict.fromkeys([*named, *(() if override else settings.channels or ("defaults",))]))
    if "defaults" in names:
        raise CondaError(
            "StandInError",
            "this command would use the channel 'defaults', whose terms nobody accepted and which this stand-in does not have. "
            "Name conda-forge with --override-channels --channel conda-forge, or in the channels of a condarc file.",
        )
    config = ChannelConfig(f"{settings.channel_alias}/", str(Path.cwd()))
    try:
        return [Channel(name, config) for name in names]
    except InvalidChannelError as error:
        raise CondaError("InvalidChannel", str(error)) from error


async def create(prefix: Path, specs: Sequence[str], sources: Sequence[Channel], pkgs: Path, *, quiet: bool) -> None:
    """Solve the specs and link the result into a new environment.

    Raises:
        CondaError: a spec cannot be read, a channel does not answer, or there is no solution.
    """
    try:
        wanted = [MatchSpec(spec) for spec in specs]
    except InvalidMatchSpecError as error:
        raise CondaError("InvalidMatchSpec", str(error)) from error
    source = SourceConfig(zstd_enabled=False, bz2_enabled=False, sharded_enabled=False)
    gateway = Gateway(cache_dir=pkgs / "cache", default_config=source)
    try:
        records = await solve(sources, wanted, gateway=gateway, virtual_packages=VirtualPackage.detect()) if wanted else []
    except GatewayError as error:
        raise CondaError("CondaHTTPError", f"{error}. Channels: {', '.join(channel.base_url for channel in sources)}") from error
    except SolverError as error:
        raise CondaError("UnsatisfiableError", f"{error}. This stand-in has no other packages than those of its own channel.") from error
    try:
        await install(records, prefix, cache_dir=pkgs, show_progress=not quiet)
    except (InstallerError, LinkError, TransactionError, ExtractError, IoError) as error:
        raise CondaError("LinkError", f"{error}. The environment {prefix} is incomplete; run the same command again.") from error
