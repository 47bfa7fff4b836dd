"""Check `ops library`: call mmcv's compiled ops once, in a process of its own because it may crash."""
from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

from verify.result import CheckFailed
from verify.trainlog import last_lines

LIMIT = 300  # seconds; loading CUDA on a cold disk is slow


def ops_library() -> str:
    """Load and call mmcv's compiled library.

    Raises:
        CheckFailed: it does not load, crashes, or differs from the reference.
    """
    own = str(Path(__file__).resolve().parents[1])
    paths = [own, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    code = "from verify import ops; print(ops.first_call())"
    try:
        done = subprocess.run([sys.executable, "-B", "-c", code], env=dict(os.environ, PYTHONPATH=os.pathsep.join(paths)), cwd="/",
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired as error:
        raise CheckFailed(f"mmcv's compiled ops did not answer within {LIMIT} s") from error
    if done.returncode < 0:
        crash = f"mmcv's compiled ops crash at their first call ({signal.Signals(-done.returncode).name})"
        raise CheckFailed("; ".join([crash, *_own_runtime()]), done.stderr)
    if done.returncode > 0:
        raise CheckFailed(last_lines(done.stderr, 1) or f"exit status {done.returncode}", done.stderr)
    return last_lines(done.stdout, 1)


def _own_runtime() -> list[str]:
    """A sentence when mmcv's library was linked statically with libstdc++: one that uses the system's names it in its strings."""
    try:
        found = importlib.util.find_spec("mmcv._ext")
    except Exception:  # importing mmcv itself may be what is broken
        return []
    library = Path(found.origin) if found and found.origin else None
    if library is None or not library.is_file() or b"\0libstdc++.so.6\0" in library.read_bytes():
        return []
    return [f"{library.name} does not name libstdc++.so.6 among the libraries it needs"]
