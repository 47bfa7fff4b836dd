"""Finds a CPython 3.10 on this machine: what the stand-in of Miniconda carries."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "CODETR_LAB_PYTHON310"

# Prints the interpreter's own file, not a virtual environment's link to it.
QUESTION = """
import sys, os, ssl, zlib, ctypes, ensurepip
assert sys.implementation.name == "cpython" and sys.version_info[:2] == (3, 10)
own = os.path.join(sys.base_exec_prefix, "bin", "python3.10")
print(own if os.path.exists(own) else os.path.realpath(sys.executable))
"""


def candidates() -> Iterator[Path]:
    """Yield the places where a CPython 3.10 may be, best first."""
    if chosen := os.environ.get(VARIABLE):
        yield Path(chosen)
        return
    for name in ("python3.10", "python3", "python"):
        if found := shutil.which(name):
            yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    # Another user's folder may be closed to us.
    if os.access(pyenv, os.R_OK | os.X_OK):
        yield from sorted(pyenv.glob("versions/3.10*/bin/python3.10"), reverse=True)
    if uv := shutil.which("uv"):
        answer = subprocess.run([uv, "python", "find", "3.10"], capture_output=True, text=True, check=False, timeout=10)
        if answer.returncode == 0 and answer.stdout.strip():
            yield Path(answer.stdout.strip())


def ask(candidate: Path) -> Path | None:
    """Run candidate and return the CPython 3.10 behind it, or None: being on PATH proves nothing (a shim of pyenv's is, and fails)."""
    try:
        answer = subprocess.run([candidate, "-c", QUESTION], capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Path(answer.stdout.strip()) if answer.returncode == 0 else None


def find() -> Path | None:
    """Return a CPython 3.10 that runs and has ssl, zlib, ctypes and ensurepip, or None."""
    return next((found for candidate in candidates() if (found := ask(candidate))), None)
