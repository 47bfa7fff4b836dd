"""The command line: what the roles say to conda, and a clear refusal of everything else."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from conda import CondaError, __version__, certificates, condarc, environments

_KNOWN = "conda --version, conda create, conda install, conda list, conda env remove and conda init bash"


class Parser(argparse.ArgumentParser):
    """Says what this stand-in knows whenever it is asked for something else."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: error: {message}\nThis stand-in for conda understands only {_KNOWN}, each with few options.", file=sys.stderr)
        raise SystemExit(2)


def parser() -> Parser:
    """The parser of the command line; no option may be shortened."""
    top = Parser(prog="conda", description=f"A stand-in for conda. It understands {_KNOWN}.", allow_abbrev=False)
    top.add_argument("-V", "--version", action="version", version=f"conda {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    create = commands.add_parser("create", help="create an environment", allow_abbrev=False)
    _add_packages(create)
    create.set_defaults(run=_create)

    install = commands.add_parser("install", help="install packages into an environment that is there", allow_abbrev=False)
    _add_packages(install)
    install.set_defaults(run=_install)

    listing = commands.add_parser("list", help="list the packages of an environment", allow_abbrev=False)
    _add_target(listing)
    listing.add_argument("--json", action="store_true")
    listing.set_defaults(run=_list)

    env = commands.add_parser("env", help="environments", allow_abbrev=False).add_subparsers(metavar="COMMAND", required=True)
    remove = env.add_parser("remove", help="remove an environment", allow_abbrev=False)
    _add_target(remove)
    remove.add_argument("-y", "--yes", action="store_true")
    remove.add_argument("-q", "--quiet", action="store_true")
    remove.set_defaults(run=_remove)

    init = commands.add_parser("init", help="load conda's shell function in new shells", allow_abbrev=False)
    init.add_argument("shell", choices=["bash"])
    init.set_defaults(run=_init)
    return top


def _add_packages(command: argparse.ArgumentParser) -> None:
    _add_target(command)
    command.add_argument("-y", "--yes", action="store_true")
    command.add_argument("-q", "--quiet", action="store_true")
    command.add_argument("-c", "--channel", action="append", default=[])
    command.add_argument("--override-channels", action="store_true")
    command.add_argument("specs", nargs="*", metavar="PACKAGE")


def _add_target(command: argparse.ArgumentParser) -> None:
    target = command.add_mutually_exclusive_group(required=True)
    target.add_argument("-n", "--name")
    target.add_argument("-p", "--prefix")


def _target(options: argparse.Namespace, settings: condarc.Settings) -> Path:
    return settings.env_prefix(options.name) if options.name else Path(options.prefix).expanduser().absolute()


def _refuse_base(prefix: Path, settings: condarc.Settings) -> None:
    if prefix.resolve() == settings.root.resolve():
        raise CondaError("CondaValueError", "The target prefix is the base prefix. Aborting.")


def _require_yes(options: argparse.Namespace, what: str) -> None:
    if not options.yes:
        raise CondaError("StandInError", f"{what} needs --yes: this stand-in never asks questions.")


def _check_new(prefix: Path) -> None:
    """Refuse what conda refuses. History is written last, so a creation that was cut short is refused too, until it is removed."""
    half_done = (prefix / "conda-meta").exists() and not environments.is_environment(prefix)
    if half_done or (prefix.exists() and not prefix.is_dir()):
        raise CondaError("CondaValueError", f"prefix already exists: {prefix}")
    if ":" in str(prefix):
        raise CondaError("CondaValueError", f"Cannot create a conda environment with ':' in the prefix: {prefix}")
    if " " in str(prefix):
        print(f"WARNING: A space was detected in the path of the environment: '{prefix}'", file=sys.stderr)


def _create(options: argparse.Namespace, settings: condarc.Settings) -> None:
    # py-rattler is slow to load, and reads the certificates when it does.
    certificates.choose_bundle()
    from conda.transaction import channels, create

    prefix = _target(options, settings)
    _refuse_base(prefix, settings)
    _require_yes(options, "conda create")
    _check_new(prefix)
    sources = channels(settings, options.channel, override=options.override_channels)
    if environments.is_environment(prefix):
        shutil.rmtree(prefix)
    asyncio.run(create(prefix, options.specs, sources, settings.writable_pkgs_dir(), quiet=options.quiet))
    (prefix / "conda-meta").mkdir(parents=True, exist_ok=True)
    environments.write_history(prefix, [], options.specs)
    environments.register(prefix, present=True)
    if not options.quiet:
        print(f"Environment created: {prefix}")


def _install(options: argparse.Namespace, settings: condarc.Settings) -> None:
    certificates.choose_bundle()
    from conda.transaction import channels, install

    prefix = _target(options, settings)
    environments.require_environment(prefix)
    if prefix.resolve() == settings.root.resolve():
        raise CondaError("StandInError", "this stand-in does not change its base environment.")
    if not options.specs:
        raise CondaError("CondaValueError", "too few arguments, must supply command line package specs or --file")
    _require_yes(options, "conda install")
    sources = channels(settings, options.channel, override=options.override_channels)
    before, earlier = environments.records(prefix), environments.asked_for(prefix)
    if not asyncio.run(install(prefix, options.specs, earlier, sources, settings.writable_pkgs_dir(), quiet=options.quiet)):
        print("\n# All requested packages already installed.\n")
        return
    environments.write_history(prefix, before, options.specs)


def _list(options: argparse.Namespace, settings: condarc.Settings) -> None:
    prefix = _target(options, settings)
    environments.require_environment(prefix)
    rows = environments.listing(prefix)
    if options.json:
        print(json.dumps(rows, indent=2, sort_keys=True))
        return
    print(f"# packages in environment at {prefix}:\n#\n# {'Name':23} {'Version':15} {'Build':>15}  Channel")
    for row in rows:
        print(f"{row['name']:25} {row['version']:15} {row['build_string']:>15}  {row['channel']}")


def _remove(options: argparse.Namespace, settings: condarc.Settings) -> None:
    prefix = _target(options, settings)
    _refuse_base(prefix, settings)
    environments.require_environment(prefix)
    _require_yes(options, "conda env remove")
    shutil.rmtree(prefix)
    environments.register(prefix, present=False)
    if not options.quiet:
        print(f"Environment removed: {prefix}")


def _init(options: argparse.Namespace, settings: condarc.Settings) -> None:
    from conda.shell import init_bash

    print("modified      ~/.bashrc" if init_bash(settings.root) else "no change     ~/.bashrc")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    options = parser().parse_args(argv)
    print("This conda is a stand-in, made by a test lab; it is not conda.", file=sys.stderr)
    try:
        options.run(options, condarc.load())
    except CondaError as error:
        print(f"\n{error.name}: {error}\n", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\nEnvironmentNotWritableError: {error.filename}: {error.strerror}\n", file=sys.stderr)
        return 1
    return 0
