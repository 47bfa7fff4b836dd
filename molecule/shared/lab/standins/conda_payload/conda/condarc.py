"""The settings that count for this stand-in, from condarc files and the environment, in conda's order of precedence."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from conda import CondaError

_LISTS = ("channels", "pkgs_dirs", "envs_dirs")
_SINGLES = ("channel_alias", "auto_update_conda")
_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


@dataclass(frozen=True)
class Settings:
    """What the condarc files and the environment say, with conda's defaults."""

    root: Path
    channels: tuple[str, ...]
    channel_alias: str
    auto_update_conda: bool
    pkgs_dirs: tuple[Path, ...]
    envs_dirs: tuple[Path, ...]

    def writable_pkgs_dir(self) -> Path:
        """The first package cache that this user can write to."""
        for folder in self.pkgs_dirs:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError:
                continue
            if os.access(folder, os.W_OK):
                return folder
        tried = ", ".join(map(str, self.pkgs_dirs))
        raise CondaError("NoWritablePkgsDirError", f"No writeable pkgs directories configured: {tried}")

    def env_prefix(self, name: str) -> Path:
        """Where an environment called by name is, or is to be made."""
        if name in ("base", "root"):
            return self.root
        if "/" in name or " " in name or "#" in name or ":" in name:
            raise CondaError("CondaValueError", f"'{name}' is no name for an environment; for a path use --prefix")
        found = (folder / name for folder in self.envs_dirs if (folder / name / "conda-meta" / "history").is_file())
        return next(found, self.envs_dirs[0] / name)


def load(root: Path | None = None) -> Settings:
    """Read every source of settings.

    Args:
        root: the base prefix; by default that of the running interpreter.

    Raises:
        CondaError: a file is no YAML mapping, or a value has the wrong type.
    """
    root = root or Path(sys.prefix)
    documents = [(str(path), _read(path)) for path in _files(root)]
    environment: dict[str, object] = {}
    for name in (*_LISTS, *_SINGLES):
        if value := os.environ.get(f"CONDA_{name.upper()}"):
            environment[name] = value.split(",") if name in _LISTS else value
    documents.append(("the environment", environment))

    # Later sources come first in a list, and win for a single value.
    merged: dict[str, list[str]] = {name: [] for name in _LISTS}
    single: dict[str, object] = {}
    for source, document in reversed(documents):
        for name in _LISTS:
            merged[name] += [item for item in _texts(source, name, document.get(name)) if item not in merged[name]]
        for name in _SINGLES:
            if document.get(name) is not None:
                single.setdefault(name, document[name])
    home = Path("~/.conda").expanduser()
    return Settings(
        root=root,
        channels=tuple(merged["channels"]),
        channel_alias=str(single.get("channel_alias", "https://conda.anaconda.org")).rstrip("/"),
        auto_update_conda=_boolean("auto_update_conda", single.get("auto_update_conda", True)),
        pkgs_dirs=tuple(map(_path, merged["pkgs_dirs"])) or (root / "pkgs", home / "pkgs"),
        envs_dirs=(*map(_path, merged["envs_dirs"]), root / "envs", home / "envs"),
    )


def _files(root: Path) -> Iterator[Path]:
    """The condarc files there are, weakest first."""
    places = [Path("/etc/conda"), Path("/var/lib/conda"), root]
    places += [Path(os.environ["XDG_CONFIG_HOME"]) / "conda"] if os.environ.get("XDG_CONFIG_HOME") else []
    places += [Path(text).expanduser() for text in ("~/.config/conda", "~/.conda")]
    candidates: list[Path] = []
    for place in places:
        candidates += [place / ".condarc", place / "condarc", *sorted((place / "condarc.d").glob("*.y*ml"))]
    candidates.append(Path("~/.condarc").expanduser())
    if os.environ.get("CONDA_PREFIX"):
        candidates.append(Path(os.environ["CONDA_PREFIX"]) / ".condarc")
    if os.environ.get("CONDARC"):
        candidates.append(Path(os.environ["CONDARC"]).expanduser())
    return (path for path in dict.fromkeys(candidates) if path.is_file() and os.access(path, os.R_OK))


def _read(path: Path) -> dict[str, object]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CondaError("ConfigurationLoadError", f"Unable to load configuration file {path}: {error}") from error
    if document is not None and not isinstance(document, dict):
        raise CondaError("ConfigurationLoadError", f"Unable to load configuration file {path}: it is not a mapping")
    return document or {}


def _texts(source: str, name: str, value: object) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise CondaError("CustomValidationError", f"{name} in {source} must be a list of texts, not {value!r}")
    return value


def _boolean(name: str, value: object) -> bool:
    text = str(value).lower()
    if text not in _TRUE | _FALSE:
        raise CondaError("CustomValidationError", f"{name} must be true or false, not {value!r}")
    return text in _TRUE


def _path(text: str) -> Path:
    return Path(os.path.expandvars(text)).expanduser().absolute()
