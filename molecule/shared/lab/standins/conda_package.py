"""Conda packages and channels as files: an unpacked package folder, its archive, and a channel's repodata."""

from __future__ import annotations

import bz2
import configparser
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.settings import LabError
from lab.standins import conda_zstd

BUILD_PREFIX = "/opt/conda-stand-in-build-prefix"
"""Stands in text files for the prefix that a package is linked into."""

# Any fixed time does; conda shows it as the package's date.
_EPOCH = 1_700_000_000


@dataclass(frozen=True)
class Package:
    """One package, unpacked.

    Attributes:
        root: folder with the package's files; `info/` is added to it by `describe`.
        noarch: Python code only; files lie under `site-packages/` and conda makes the scripts named in `entry_points`.
        stored: packed as `.conda` without compression, which takes no time where there is much to pack; else as `.tar.bz2`.
    """

    name: str
    version: str
    build: str
    root: Path
    depends: tuple[str, ...] = ()
    noarch: bool = False
    entry_points: tuple[str, ...] = field(default=())
    stored: bool = False

    @property
    def subdir(self) -> str:
        """The channel folder that the package belongs to."""
        return "noarch" if self.noarch else "linux-64"

    @property
    def site_packages(self) -> str:
        """Where its Python code lies, relative to `root`."""
        return "site-packages" if self.noarch else "lib/python3.10/site-packages"

    @property
    def dist(self) -> str:
        """The file name without its ending."""
        return f"{self.name}-{self.version}-{self.build}"

    def index(self) -> dict[str, object]:
        """What `info/index.json` says; the solver's view of the package."""
        index: dict[str, object] = {
            "name": self.name,
            "version": self.version,
            "build": self.build,
            "build_number": 0,
            "depends": list(self.depends),
            "subdir": self.subdir,
            "timestamp": _EPOCH * 1000,
        }
        return {**index, "noarch": "python"} if self.noarch else {**index, "arch": "x86_64", "platform": "linux"}

    def describe(self) -> None:
        """Write `info/`, anew if it is there: index, paths with hashes and prefix placeholders, the scripts of a noarch package."""
        info = self.root / "info"
        shutil.rmtree(info, ignore_errors=True)
        paths = [_path_entry(self.root, path) for path in _files(self.root)]
        info.mkdir()
        _write_json(info / "index.json", self.index())
        _write_json(info / "paths.json", {"paths": paths, "paths_version": 1})
        (info / "files").write_text("".join(f"{path['_path']}\n" for path in paths))
        _write_json(info / "about.json", {"summary": "Part of a stand-in for Miniconda and conda-forge; made by a test lab."})
        if self.noarch:
            noarch = {"type": "python", "entry_points": list(self.entry_points)}
            _write_json(info / "link.json", {"noarch": noarch, "package_metadata_version": 1})


def _path_entry(root: Path, path: Path) -> dict[str, object]:
    """One entry of paths.json; a text file that names BUILD_PREFIX is marked for replacement."""
    entry: dict[str, object] = {"_path": path.relative_to(root).as_posix()}
    if path.is_symlink():
        target = path.resolve().read_bytes()
        return {**entry, "path_type": "softlink", "sha256": hashlib.sha256(target).hexdigest(), "size_in_bytes": len(target)}
    content = path.read_bytes()
    entry |= {"path_type": "hardlink", "sha256": hashlib.sha256(content).hexdigest(), "size_in_bytes": len(content)}
    if BUILD_PREFIX.encode() in content:
        entry |= {"prefix_placeholder": BUILD_PREFIX, "file_mode": "text"}
    return entry


def unpack_wheel(wheel: Path, site_packages: Path) -> tuple[str, ...]:
    """Unpack a wheel and return its console scripts as `name = module:function`.

    Raises:
        ValueError: the wheel holds a data folder, which has no place in a plain site-packages.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        if any(name.split("/", 1)[0].endswith(".data") for name in names):
            raise ValueError(f"{wheel.name} holds a data folder; take a wheel without one")
        archive.extractall(site_packages)
        metadata = next(name.split("/", 1)[0] for name in names if name.endswith(".dist-info/METADATA"))
    (site_packages / metadata / "INSTALLER").write_text("conda\n")
    # pip removes what RECORD names; a file left behind would leave a half-empty metadata folder that hides the next version.
    with (site_packages / metadata / "RECORD").open("a") as record:
        record.write(f"{metadata}/INSTALLER,,\n")
    scripts = configparser.ConfigParser(delimiters=("=",))
    scripts.read(site_packages / metadata / "entry_points.txt")
    if not scripts.has_section("console_scripts"):
        return ()
    # Names such as pip3.9 are of the Python that the wheel was made with, not of the one it is installed for.
    return tuple(f"{name} = {target}" for name, target in scripts.items("console_scripts") if not re.search(r"\d\.\d+$", name))


def from_wheel(
    wheel: Path, scratch: Path, depends: tuple[str, ...], *, name: str = "", noarch: bool = True, stored: bool = False
) -> Package:
    """Turn a wheel into a conda package, unpacked in a folder of its own below scratch; `name` is conda's where it differs from pip's."""
    project, version = wheel.name.split("-")[:2]
    name = name or project.lower().replace("_", "-")
    root = scratch / f"{name}-{version}"
    root.mkdir()
    package = Package(name, version, "standin_0", root, depends, noarch=noarch, stored=stored)
    return replace(package, entry_points=unpack_wheel(wheel, root / package.site_packages))


def only(folder: Path, pattern: str) -> Path:
    """The one file that matches.

    Raises:
        LabError: there is none, or there are several.
    """
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise LabError(f"{folder} holds {len(found)} files {pattern}, and one is needed. Name a CPython 3.10 that has ensurepip.")
    return found[0]


def archive(package: Package, folder: Path) -> Path:
    """Write the package into a folder; the same files always give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    if not package.stored:
        path = folder / f"{package.dist}.tar.bz2"
        path.write_bytes(bz2.compress(tar({"": package.root})))
        return path
    path = folder / f"{package.dist}.conda"
    info, content = tar({"info": package.root / "info"}), tar({"": package.root}, without="info")
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(zipfile.ZipInfo("metadata.json"), '{"conda_pkg_format_version": 2}')
        out.writestr(zipfile.ZipInfo(f"pkg-{package.dist}.tar.zst"), conda_zstd.stored(content))
        out.writestr(zipfile.ZipInfo(f"info-{package.dist}.tar.zst"), conda_zstd.stored(info))
    return path


def tar(roots: Mapping[str, Path], *, without: str = "", more: bool = False) -> bytes:
    """A reproducible tar of folders, each under the given name; owners, times and modes are normalised.

    Args:
        without: a folder directly below a root that is left out.
        more: another tar will follow in the same file, so that this one has no end.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as out:
        for name, root in sorted(roots.items()):
            for path in _files(root):
                if path.relative_to(root).parts[0] == without:
                    continue
                member = out.gettarinfo(path, (Path(name) / path.relative_to(root)).as_posix())
                member.uid = member.gid = 0
                member.uname = member.gname = ""
                member.mtime = _EPOCH
                member.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                # gettarinfo turns the second name of a hard-linked file into a link; a package's files stand alone.
                if member.islnk():
                    member.type, member.linkname, member.size = tarfile.REGTYPE, "", path.stat().st_size
                if member.isreg():
                    with path.open("rb") as content:
                        out.addfile(member, content)
                else:
                    out.addfile(member)
        length = out.offset
    return buffer.getvalue()[: length if more else None]


def gzipped(data: bytes) -> bytes:
    """Gzip without a time stamp."""
    return gzip.compress(data, compresslevel=1, mtime=0)


def write_channel(channel: Path, packages: Iterable[Package]) -> None:
    """Write packages and repodata.json for linux-64 and noarch."""
    repodata: dict[str, dict[str, dict[str, object]]] = {
        subdir: {"packages": {}, "packages.conda": {}} for subdir in ("linux-64", "noarch")
    }
    for package in packages:
        package.describe()
        path = archive(package, channel / package.subdir)
        content = path.read_bytes()
        repodata[package.subdir]["packages.conda" if package.stored else "packages"][path.name] = {
            **package.index(),
            "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
        }
    for subdir, records in repodata.items():
        (channel / subdir).mkdir(parents=True, exist_ok=True)
        document = {"info": {"subdir": subdir}, **records, "removed": [], "repodata_version": 1}
        _write_json(channel / subdir / "repodata.json", document)


def _files(root: Path) -> list[Path]:
    """Every file and symbolic link under a folder, in a fixed order."""
    found = []
    for folder, folders, files in os.walk(root):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        found += [Path(folder) / name for name in files + links]
    return sorted(found)


def _write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
