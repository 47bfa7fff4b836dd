"""The command line: the commands that the roles run, and a clear refusal of everything else."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from conda import CondaError, __version__, certificates, condarc, environments

_KNOWN = "conda --version, conda create, conda install and conda init bash"


class Parser(argparse.ArgumentParser):
    """A parser whose errors list the commands of this stand-in."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: error: {message}\nThis stand-in for conda supports only {_KNOWN}, each with few options.", file=sys.stderr)
        raise SystemExit(2)


def parser() -> Parser:
    """Return the parser of the command line; no option may be shortened."""
    top = Parser(prog="conda", description=f"A stand-in for conda. It supports {_KNOWN}.", allow_abbrev=False)
    top.add_argument("-V", "--version", action="version", version=f"conda {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for name, run in (("create", _create), ("install", _install)):
        command = commands.add_parser(name, allow_abbrev=False)
        # It never asks questions, and has no default channels whose terms somebody would have to accept.
        command.add_argument("--yes", action="store_true", required=True)
        command.add_argument("--quiet", action="store_true")
        command.add_argument("--prefix", required=True)
        command.add_argument("--override-channels", action="store_true", required=True)
        command.add_argument("--channel", action="append", required=True)
        command.add_argument("specs", nargs="+", metavar="PACKAGE")
        command.set_defaults(run=run)
    init = commands.add_parser("init", allow_abbrev=False)
    init.add_argument("shell", choices=["bash"])
    init.set_defaults(run=_init)
    return top


def _check_new(prefix: Path) -> None:
    """Refuse what conda refuses. The history is written last, so an interrupted creation is refused too, until it is removed."""
    half_done = (prefix / "conda-meta").exists() and not environments.is_environment(prefix)
    if half_done or (prefix.exists() and not prefix.is_dir()):
        raise CondaError("CondaValueError", f"prefix already exists: {prefix}")
    if ":" in str(prefix):
        raise CondaError("CondaValueError", f"Cannot create a conda environment with ':' in the prefix: {prefix}")


def _create(options: argparse.Namespace, settings: condarc.Settings) -> None:
    # py-rattler is slow to load, and reads the certificates when it does.
    certificates.choose_bundle()
    from conda.transaction import channels, create

    prefix = Path(options.prefix).absolute()
    _check_new(prefix)
    if environments.is_environment(prefix):
        shutil.rmtree(prefix)
    asyncio.run(create(prefix, options.specs, channels(settings, options.channel), settings.pkgs_dir()))
    environments.write_history(prefix, [], options.specs)
    environments.register(prefix)


def _install(options: argparse.Namespace, settings: condarc.Settings) -> None:
    certificates.choose_bundle()
    from conda.transaction import channels, install

    prefix = Path(options.prefix).absolute()
    environments.require_environment(prefix)
    before, earlier = environments.records(prefix), environments.requested(prefix)
    if not asyncio.run(install(prefix, options.specs, earlier, channels(settings, options.channel), settings.pkgs_dir())):
        print("\n# All requested packages already installed.\n")
        return
    environments.write_history(prefix, before, options.specs)


def _init(options: argparse.Namespace, settings: condarc.Settings) -> None:
    from conda.shell import init_bash

    print("modified      ~/.bashrc" if init_bash(settings.root) else "no change     ~/.bashrc")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
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
