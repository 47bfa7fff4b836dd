"""The stand-in for CUDA's runfiles: two installers with the real ones' options and habits, and toolkits that compile nothing."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BASE = "https://developer.download.nvidia.com/compute/cuda"
_PAYLOAD = Path(__file__).parent / "cuda_payload"
# The installer refuses where there is less room than this to unpack in.
_KILOBYTES = 2048


@dataclass(frozen=True)
class Toolkit:
    """One version: the versions in its files. ``release`` is that of version.json, which may have a day in place of the patch."""

    version: str
    driver: str
    nvcc: str
    release: str
    gcc: int
    year: int

    @property
    def minor(self) -> str:
        """As in cuda-11.4."""
        return self.version.rpartition(".")[0]

    @property
    def file_name(self) -> str:
        """The real runfile's."""
        return f"cuda_{self.version}_{self.driver}_linux.run"

    @property
    def url(self) -> str:
        """Where the real one is."""
        return f"{_BASE}/{self.version}/local_installers/{self.file_name}"


TOOLKITS = (
    Toolkit("11.4.4", "470.82.01", "11.4.152", "11.4.4", 11, 2021),
    Toolkit("11.8.0", "520.61.05", "11.8.89", "11.8.20220929", 11, 2022),
)
UPSTREAMS = {f"cuda-{toolkit.version}": toolkit.url for toolkit in TOOLKITS}


def build(www: Path, base_url: str, python310: str | Path | None) -> dict[str, Any]:
    """Write the runfiles below a web server's folder.

    Args:
        www: folder that is served at base_url; `cuda/` in it belongs to this function.
        base_url: where hosts reach it; only the returned records depend on it.
        python310: not needed here.

    Returns:
        `artifacts` (records by name) and `stand_ins` (names of UPSTREAMS).
    """
    folder = www / "cuda"
    folder.mkdir(parents=True, exist_ok=True)
    artifacts = {}
    for toolkit in TOOLKITS:
        content = runfile(toolkit)
        (folder / toolkit.file_name).write_bytes(content)
        artifacts[f"cuda-{toolkit.version}-linux-x86_64"] = {
            "urls": [f"{base_url.rstrip('/')}/cuda/{toolkit.file_name}"],
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
            "version": toolkit.version,
            "licence": None,
            "stand_in": True,
        }
    return {"artifacts": artifacts, "config": {}, "stand_ins": list(UPSTREAMS)}


def runfile(toolkit: Toolkit) -> bytes:
    """The bytes of one runfile: the shell script, then the toolkit's tree."""
    tree = _tree(toolkit)
    script = _filled("installer.sh", toolkit).replace("@PAYLOAD_BYTES@", str(len(tree)))
    return script.encode() + tree


def _tree(toolkit: Toolkit) -> bytes:
    major, minor = toolkit.minor.split(".")
    about = {
        "cuda": {"name": "CUDA SDK", "version": toolkit.release},
        "cuda_nvcc": {"name": "CUDA NVCC", "version": toolkit.nvcc},
        "nvidia_driver": {"name": "NVIDIA Linux Driver", "version": toolkit.driver},
    }
    uninstaller = "#!/bin/sh\necho 'This is a stand-in; remove its folder instead.' >&2\nexit 1\n"
    files = {
        "bin/nvcc": (_filled("nvcc", toolkit), 0o755),
        "bin/cuda-uninstaller": (uninstaller, 0o755),
        "include/cuda.h": (f"#define CUDA_VERSION {major}{int(minor):02d}0\n", 0o644),
        "targets/x86_64-linux/lib/STAND-IN": (f"This stands in for the libraries of CUDA {toolkit.version}.\n", 0o644),
        "version.json": (json.dumps(about, indent=3) + "\n", 0o644),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, (text, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), mode
            tar.addfile(entry, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("lib64")
        link.type, link.linkname = tarfile.SYMTYPE, "targets/x86_64-linux/lib"
        tar.addfile(link)
    return gzip.compress(buffer.getvalue(), mtime=0)


def _filled(name: str, toolkit: Toolkit) -> str:
    """A file of the payload with the version's words in it."""
    text = (_PAYLOAD / name).read_text()
    words = {
        "VERSION": toolkit.version,
        "MINOR": toolkit.minor,
        "DASHED": toolkit.minor.replace(".", "-"),
        "NVCC": toolkit.nvcc,
        "YEAR": str(toolkit.year),
        "GCC": str(toolkit.gcc),
        "KILOBYTES": str(_KILOBYTES),
    }
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text
