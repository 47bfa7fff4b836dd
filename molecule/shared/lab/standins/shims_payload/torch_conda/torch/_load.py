"""What the real one's libraries find in the environment when they are loaded. @NOTE@"""

from __future__ import annotations

import re
from pathlib import Path


def _load(lib: Path) -> None:
    """Look for mkl in the environment's lib folder; the real libtorch_cpu.so uses a symbol that mkl 2024.1 has no more."""
    try:
        note = (lib / "STAND-IN-mkl.txt").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ImportError("libtorch_cpu.so needs mkl, and the environment has none. @NOTE@") from None
    version = re.match(r"mkl (\d+)\.(\d+)", note)
    if version and (int(version[1]), int(version[2])) >= (2024, 1):
        raise ImportError(f"{Path(__file__).parent}/lib/libtorch_cpu.so: undefined symbol: iJIT_NotifyEvent")


# This file is lib/python3.10/site-packages/torch/_load.py.
_load(Path(__file__).absolute().parents[3])
