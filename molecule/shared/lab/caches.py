"""Download caches that all hosts share: pip's as it is, apt's as hard links, because apt locks the folder that it uses."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lab.settings import APT_CACHE, PIP_CACHE, UID, lab_dir


def apt_folder(host: str) -> Path:
    """Return the folder in which one host finds and leaves apt's packages."""
    return lab_dir() / "cache" / "apt-of-hosts" / host


def apt_folders() -> list[Path]:
    """Return the folders of all hosts."""
    return sorted((lab_dir() / "cache" / "apt-of-hosts").glob("*"))


def shared_apt_folder() -> Path:
    """Return the folder with the packages that any host has downloaded."""
    return lab_dir() / "cache" / "apt"


def pip_folder() -> Path:
    """Return the cache of pip, which hosts may use at the same time."""
    return lab_dir() / "cache" / "pip"


def prepare(host: str) -> list[tuple[Path, str]]:
    """Make the cache folders of a host and return each with its path in the host."""
    collect(host)
    own = apt_folder(host)
    own.mkdir(parents=True)
    shared_apt_folder().mkdir(parents=True, exist_ok=True)
    for package in shared_apt_folder().glob("*.deb"):
        os.link(package, own / package.name)
    pip_folder().mkdir(parents=True, exist_ok=True)
    os.chown(pip_folder(), UID, UID)
    return [(own, APT_CACHE), (pip_folder(), PIP_CACHE)]


def collect(host: str) -> None:
    """Move what apt downloaded on a host to the shared folder and remove the host's own."""
    own = apt_folder(host)
    if not own.is_dir():
        return
    for package in own.glob("*.deb"):
        package.replace(shared_apt_folder() / package.name)
    shutil.rmtree(own)
