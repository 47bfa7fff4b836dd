"""Links the packages that the installer unpacked under PREFIX/pkgs into PREFIX.

Runs on the unpacked interpreter, before there is a base environment.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from pathlib import Path

# Each needs a shared library that a bare host may lack.
_MODULES = ("bz2", "ctypes", "lzma", "readline", "sqlite3", "ssl", "zlib")


def check_interpreter() -> None:
    """Stop with a message when this host lacks a library of the interpreter."""
    for name in _MODULES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise SystemExit(f"ERROR: this host lacks a library that the interpreter needs: {error}. Install it and try again.") from error


def main(prefix: Path) -> None:
    """Install the base environment, or change an older one into it."""
    check_interpreter()
    pkgs = prefix / "pkgs"
    base = json.loads((pkgs / "stand-in-base.json").read_text(encoding="utf-8"))
    sys.path[:0] = [str(pkgs / folder) for folder in base["import_from"]]

    # They can be imported only now.
    from conda import certificates, environments, leave

    certificates.choose_bundle()
    from conda.transaction import link_unpacked

    before = environments.records(prefix)
    asyncio.run(link_unpacked(prefix, pkgs, base["packages"]))
    environments.write_history(prefix, before, base["specs"])
    environments.register(prefix)
    leave(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
