"""Python packages that can be imported and compute nothing, with their metadata: the lab's wheels and conda channels hold them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PAYLOAD = Path(__file__).parent / "shims_payload"
CUDA113 = ("torch", "torchvision", "mmcv")
"""What stack cu113 cannot have from the package index."""


@dataclass(frozen=True)
class Shim:
    """One package.

    Attributes:
        project: its name for pip.
        folders: folders of the payload whose contents it has; a later one's files replace an earlier one's.
        requires: what its metadata asks for, as the real one's does.
        tag: Python, ABI and platform of its wheel.
    """

    project: str
    version: str
    folders: tuple[str, ...]
    requires: tuple[str, ...] = ()
    tag: str = "cp310-cp310-linux_x86_64"

    @property
    def note(self) -> str:
        """What it says of itself wherever it is asked."""
        return note(self.project, self.version)

    @property
    def stem(self) -> str:
        """Name and version as file names have them."""
        return f"{self.project.replace('-', '_')}-{self.version}"

    @property
    def dist_info(self) -> str:
        """The folder of its metadata."""
        return f"{self.stem}.dist-info"

    def files(self, **metadata: str) -> dict[str, bytes]:
        """All files by their path in site-packages, RECORD last.

        Args:
            metadata: further files of the metadata folder (``INSTALLER``).
        """
        found: dict[str, bytes] = {}
        for folder in self.folders:
            for path in sorted((PAYLOAD / folder).rglob("*.py")):
                text = path.read_text().replace("@NOTE@", self.note).replace("@VERSION@", self.version)
                found[path.relative_to(PAYLOAD / folder).as_posix()] = text.encode()
        modules = sorted({name.partition("/")[0] for name in found})
        texts = {"METADATA": self._metadata(), "WHEEL": self._wheel(), "top_level.txt": "\n".join([*modules, ""]), **metadata}
        found |= {f"{self.dist_info}/{name}": text.encode() for name, text in texts.items()}
        return {**found, f"{self.dist_info}/RECORD": record(found, self.dist_info)}

    def _metadata(self) -> str:
        lines = ["Metadata-Version: 2.1", f"Name: {self.project}", f"Version: {self.version}", f"Summary: {self.note}"]
        return "\n".join([*lines, *(f"Requires-Dist: {one}" for one in self.requires), ""])

    def _wheel(self) -> str:
        return f"Wheel-Version: 1.0\nGenerator: codetr-provision test lab\nRoot-Is-Purelib: false\nTag: {self.tag}\n"


def note(name: str, version: str) -> str:
    """The sentence that everything made here carries."""
    return f"STAND-IN for {name} {version}, made by the test lab of codetr-provision; computes nothing"


def record(files: Mapping[str, bytes], dist_info: str) -> bytes:
    """RECORD of an installed package or a wheel: path, hash and size of each file; its own line has neither."""
    lines = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}")
    return "\n".join([*lines, f"{dist_info}/RECORD,,", ""]).encode()


def sources(*folders: str) -> list[Path]:
    """The files that shims of these folders are made of, for a key; all folders where none is named."""
    return [Path(__file__), *(path for folder in folders or ("",) for path in sorted((PAYLOAD / folder).rglob("*.py")))]
