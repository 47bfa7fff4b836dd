"""Source distribution of mmdet 2.25.3, the library that Co-DETR vendors, laid out as its repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from .data_cache import digest

NAME = "mmdet-2.25.3"
SHA256 = "8b11d8fa1d5e4b759cb275a9104659dd759349e327290264bb6662fe802ace90"

IGNORED = "# Written by use, not by people.\n__pycache__/\n*.egg-info/\n*.pth\nbuild/\n/data\nmmdet/.mim\nwork_dirs/\n.vscode\n"
NOTE = (
    "STAND-IN for Sense-X/Co-DETR, made by the test lab of codetr-provision.\n\n"
    f"This is {NAME} from its source distribution, with places planted where a device is hard-coded.\n"
    "It has no Co-DETR model. Its results say nothing about Co-DETR.\n"
)


def source_tree(cache: Path, tree: Path) -> Path:
    """Unpack the source distribution into ``tree``, with configs and tools where the repository has them."""
    with tarfile.open(_sdist(cache)) as archive:
        # By attribute, since Python 3.11.2, Debian 12's own, has no such argument; what is unpacked is known by its hash.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(tree.parent)
    (tree.parent / NAME).rename(tree)
    mim = tree / "mmdet" / ".mim"
    for item in sorted(mim.iterdir()):
        item.rename(tree / item.name)
    mim.rmdir()
    shutil.rmtree(tree / "mmdet.egg-info")
    (tree / "PKG-INFO").unlink()
    (tree / ".gitignore").write_text(IGNORED)
    (tree / "STAND-IN.md").write_text(NOTE)
    return tree


def _sdist(cache: Path) -> Path:
    """Return the path of the source distribution, fetched when the cache has none, checked in any case."""
    filename = f"{NAME}.tar.gz"
    path = cache / filename
    if path.exists() and digest(path) == SHA256:
        return path
    cache.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    script = Path(__file__).with_name("codetr_pip_get.py")
    done = subprocess.run([sys.executable, str(script), "mmdet", filename, str(partial)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(
            f"{filename} could not be fetched from the package index, and the stand-in for Co-DETR is made from it. "
            f"Check `{sys.executable} -m pip config list`, or name a real checkout in CODETR_LAB_REPO. "
            f"pip said: {done.stderr.strip()[-400:]}"
        )
    if (found := digest(partial)) != SHA256:
        partial.unlink()
        raise RuntimeError(f"{filename} from the package index has sha256 {found}; expected {SHA256}. Check which index pip uses.")
    return partial.replace(path)
