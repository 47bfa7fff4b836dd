"""Debian packages as data, and dpkg-deb to write them; the same package always gives the same bytes."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.shell import run

_EPOCH = "1717200000"
NOTE = "stand-in of codetr-provision's lab"
COPYRIGHT = (
    "Made by the test lab of codetr-provision. It has the name of a package of Ubuntu or NVIDIA, so that choosing and installing\n"
    "packages can be tested where theirs cannot be reached, and nothing of what is in theirs.\n"
)


@dataclass(frozen=True)
class Deb:
    """One package. ``files`` maps absolute paths to what is in them; those that start with #! can be run."""

    name: str
    version: str
    summary: str
    maintainer: str
    source: str = ""
    section: str = "restricted/libs"
    architecture: str = "amd64"
    depends: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    files: Mapping[str, bytes | str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)

    @property
    def filename(self) -> str:
        """Return the name of the package's file."""
        return f"{self.name}_{self.version}_{self.architecture}.deb"

    def control(self) -> str:
        """Return the control file."""
        fields = {
            "Package": self.name,
            "Source": self.source,
            "Version": self.version,
            "Architecture": self.architecture,
            "Maintainer": self.maintainer,
            "Installed-Size": "16",
            "Depends": ", ".join(self.depends),
            "Provides": ", ".join(self.provides),
            "Conflicts": ", ".join(self.conflicts),
            "Replaces": ", ".join(self.replaces),
            "Section": self.section,
            "Priority": "optional",
            "Description": f"{self.summary} ({NOTE})",
        }
        return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)


def write(package: Deb, folder: Path) -> Path:
    """Write the package into folder and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lab-deb-") as scratch:
        tree = Path(scratch) / "tree"
        files = {**package.files, f"/usr/share/doc/{package.name}/copyright": COPYRIGHT}
        for path, content in files.items():
            _put(tree / path.lstrip("/"), content)
        for path, target in package.links.items():
            link = tree / path.lstrip("/")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
        settings = sorted(path for path in files if path.startswith("/etc/"))
        control = {"control": package.control(), "conffiles": "".join(f"{path}\n" for path in settings), **package.scripts}
        for name, text in control.items():
            if text:
                _put(tree / "DEBIAN" / name, text)
        for entry in (tree, *tree.rglob("*")):
            if entry.is_dir():
                entry.chmod(0o755)
        written = folder / package.filename
        run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, written], environment={"SOURCE_DATE_EPOCH": _EPOCH})
    return written


def _put(path: Path, content: bytes | str) -> None:
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o755 if data.startswith(b"#!") else 0o644)
