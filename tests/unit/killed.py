"""Whether what a killed process had started ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

COLLECTIONS = Path(__file__).resolve().parents[2] / "playbooks" / "collections"


def child_ends(code: str) -> bool:
    """Run Python code that starts a child and prints its id, kill it with -9, and see whether the child ends too."""
    code = f"import sys; sys.path.insert(0, {str(COLLECTIONS)!r})\n{code}"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    stat = Path(f"/proc/{child}/stat")
    for _ in range(600):
        # A process that has ended may wait for whoever reaps it.
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    return False
