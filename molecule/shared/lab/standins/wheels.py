"""Stand-ins for the wheels of stack cu113 that the package index does not have: torch and torchvision for CUDA 11.3, mmcv-full for them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from . import data_cache, shims
from .shims import Shim

# Records of the role codetr_packages by name; one for each, made together: real ones beside shims would not work.
WHEELS = {
    "torch-1.11.0-cu113-cp310": Shim("torch", "1.11.0+cu113", ("torch",), ("typing-extensions",)),
    "torchvision-0.12.0-cu113-cp310": Shim(
        "torchvision",
        "0.12.0+cu113",
        ("torchvision",),
        ("typing-extensions", "numpy", "requests", "torch (==1.11.0)", "pillow (!=8.3.*,>=5.3.0)"),
    ),
    "mmcv-full-1.6.0-cu113-torch1.11-cp310": Shim(
        "mmcv-full",
        "1.6.0",
        ("mmcv",),
        ("addict", "numpy", "packaging", "Pillow", "pyyaml", "yapf", "opencv-python"),
        tag="cp310-cp310-manylinux1_x86_64",
    ),
}
_PLACES = {
    "torch": "https://download.pytorch.org/whl/cu113",
    "torchvision": "https://download.pytorch.org/whl/cu113",
    "mmcv-full": "https://download.openmmlab.com/mmcv/dist/cu113/torch1.11.0",
}


def file_name(shim: Shim) -> str:
    """The real wheel's."""
    return f"{shim.stem}-{shim.tag}.whl"


UPSTREAMS = {name: f"{_PLACES[shim.project]}/{quote(file_name(shim))}" for name, shim in WHEELS.items()}


def build(www: Path, base_url: str, python310: str | Path | None = None) -> dict[str, Any]:
    """Write the wheels below a web server's folder.

    Args:
        www: folder that is served at base_url; `wheels/` in it belongs to this function.
        base_url: where hosts reach it; only the returned records depend on it.
        python310: not needed here.

    Returns:
        `artifacts` (records by name) and `stand_ins` (names of UPSTREAMS).
    """
    del python310
    folder = www / "wheels"
    inputs: list[str | Path] = [Path(__file__), *shims.sources(*shims.CUDA113), str(folder), base_url]

    def make() -> tuple[dict[str, Any], list[Path]]:
        folder.mkdir(parents=True, exist_ok=True)
        artifacts, paths = {}, []
        for name, shim in WHEELS.items():
            path = folder / file_name(shim)
            path.write_bytes(wheel(shim))
            artifacts[name] = {
                "urls": [f"{base_url.rstrip('/')}/wheels/{quote(path.name)}"],
                "sha256": data_cache.digest(path),
                "size": path.stat().st_size,
                "stand_in": True,
            }
            paths.append(path)
        return {"artifacts": artifacts, "config": {}, "stand_ins": list(UPSTREAMS)}, paths

    return data_cache.remembered(www.parent / "built" / "wheels.json", inputs, make)


def wheel(shim: Shim) -> bytes:
    """The bytes of a wheel, uncompressed: they depend on no version of any library."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in shim.files().items():
            member = zipfile.ZipInfo(name)
            member.external_attr = 0o100644 << 16
            archive.writestr(member, content)
    return buffer.getvalue()
