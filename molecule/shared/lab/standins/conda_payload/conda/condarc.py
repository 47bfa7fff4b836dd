"""The settings that this stand-in reads from condarc files; the last file wins."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from conda import CondaError


@dataclass(frozen=True)
class Settings:
    """The base prefix, and what the condarc files set."""

    root: Path
    channel_alias: str
    pkgs_dirs: tuple[Path, ...]

    def pkgs_dir(self) -> Path:
        """Return the first package cache that this user can write to."""
        for folder in self.pkgs_dirs:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError:
                continue
            if os.access(folder, os.W_OK):
                return folder
        tried = ", ".join(map(str, self.pkgs_dirs))
        raise CondaError("NoWritablePkgsDirError", f"No writeable pkgs directories configured: {tried}")


def load(root: Path | None = None) -> Settings:
    """Read the condarc files: that of the base prefix, the user's, and the one that CONDARC names.

    Args:
        root: the base prefix; by default that of the running interpreter.

    Raises:
        CondaError: a file is no YAML mapping.
    """
    root = root or Path(sys.prefix)
    home = Path.home()
    named = [Path(os.environ["CONDARC"])] if os.environ.get("CONDARC") else []
    found: dict[str, Any] = {}
    for path in (root / ".condarc", home / ".condarc", *named):
        found |= _read(path) if path.is_file() else {}
    pkgs_dirs = tuple(map(Path, found.get("pkgs_dirs", ()))) or (root / "pkgs", home / ".conda" / "pkgs")
    return Settings(root, str(found.get("channel_alias", "https://conda.anaconda.org")).rstrip("/"), pkgs_dirs)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CondaError("ConfigurationLoadError", f"Unable to load configuration file {path}: {error}") from error
    if not isinstance(document, dict):
        raise CondaError("ConfigurationLoadError", f"Unable to load configuration file {path}: it is not a mapping")
    return document
