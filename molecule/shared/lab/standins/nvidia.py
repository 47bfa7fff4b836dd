"""The stand-in for NVIDIA's driver installer: options, checks, sentences and traces of the real one, and modules without content."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

from lab.standins import ubuntu_module
from lab.standins.ubuntu_module import NOTE

VERSION = "470.256.02"
FILE_NAME = f"NVIDIA-Linux-x86_64-{VERSION}.run"
RECORD = f"nvidia-driver-{VERSION}-linux-x86_64"
UPSTREAMS = {f"nvidia-driver-{VERSION}": f"https://us.download.nvidia.com/XFree86/Linux-x86_64/{VERSION}/{FILE_NAME}"}
# nvidia-drm last: --no-drm takes the last away.
MODULES = (*(name for name in ubuntu_module.NAMES if name != "nvidia-drm"), "nvidia-drm")
_PAYLOAD = Path(__file__).parent / "nvidia_payload"


def build(www: Path, base_url: str, python310: str | Path | None) -> dict[str, Any]:
    """Write the installer below a web server's folder.

    Args:
        www: folder that is served at base_url; `nvidia/` in it belongs to this function.
        base_url: where hosts reach it; only the returned record depends on it.
        python310: not needed here.

    Returns:
        `artifacts` (records by name) and `stand_ins` (names of UPSTREAMS).
    """
    folder = www / "nvidia"
    folder.mkdir(parents=True, exist_ok=True)
    content = runfile()
    (folder / FILE_NAME).write_bytes(content)
    record = {
        "urls": [f"{base_url.rstrip('/')}/nvidia/{FILE_NAME}"],
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "version": VERSION,
        "licence": None,
        "stand_in": True,
    }
    return {"artifacts": {RECORD: record}, "config": {}, "stand_ins": list(UPSTREAMS)}


def runfile() -> bytes:
    """Return the bytes of the installer: the shell script, then the archive that it unpacks."""
    archive = _archive()
    words = {"PAYLOAD_BYTES": str(len(archive)), "PAYLOAD_SHA256": hashlib.sha256(archive).hexdigest()}
    return _filled("stub.sh", words).encode() + archive


def _archive() -> bytes:
    files = {
        "nvidia-installer": (_filled("nvidia-installer", {"DRM": str(len(MODULES) - 1)}).encode(), 0o755),
        "nvidia-smi": (_filled("nvidia-smi", {}).encode(), 0o755),
        "library": (ubuntu_module.library(), 0o644),
        "kernel/build.py": (Path(ubuntu_module.__file__).read_bytes(), 0o644),
        "kernel/dkms.conf": (_dkms_conf().encode(), 0o644),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, (data, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), mtime=0)


def _dkms_conf() -> str:
    """What DKMS is told. Python writes the modules, where there is a compiler, which the real ones need."""
    lines = [
        f"# {NOTE}",
        'PACKAGE_NAME="nvidia"',
        f'PACKAGE_VERSION="{VERSION}"',
        f"MAKE[0]=\"cc --version && test -e $kernel_source_dir/Makefile && python3 build.py {VERSION} $kernelver NVIDIA .\"",
        'CLEAN="rm -f *.ko"',
        'AUTOINSTALL="yes"',
    ]
    for number, name in enumerate(MODULES):
        lines += [
            f'BUILT_MODULE_NAME[{number}]="{name}"',
            f'DEST_MODULE_LOCATION[{number}]="/kernel/drivers/video"',
            f'STRIP[{number}]="no"',
        ]
    return "\n".join(lines) + "\n"


def _filled(name: str, more: dict[str, str]) -> str:
    """A file of the payload with the words of this version in it."""
    text = (_PAYLOAD / name).read_text()
    for word, value in {"VERSION": VERSION, "NOTE": NOTE, **more}.items():
        text = text.replace(f"@{word}@", value)
    return text
