"""Run a command and measure it: wall and CPU seconds, peak memory of all its processes, peak disk use."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.1


@dataclass(frozen=True)
class Figures:
    """The cost of one run: seconds and bytes."""

    wall: float
    cpu: float
    memory: int
    disk: int


def _tree(root: int) -> list[int]:
    """Return the process and all its descendants."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found, at = [root], 0
    while at < len(found):
        found += parents.get(found[at], [])
        at += 1
    return found


def _memory(root: int) -> int:
    """Return the proportional set size in bytes, which counts shared memory once."""
    total = 0
    for number in _tree(root):
        try:
            text = Path(f"/proc/{number}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0) * 1024
    return total


def measure(command: list[str], folder: Path) -> Figures:
    """Run a command that writes below ``folder``; exit if it fails."""
    before, used = resource.getrusage(resource.RUSAGE_CHILDREN), shutil.disk_usage(folder).used
    begun = time.perf_counter()
    child = subprocess.Popen(command)
    peaks, ended = [0, 0], threading.Event()

    def watch() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            peaks[:] = max(peaks[0], _memory(child.pid)), max(peaks[1], shutil.disk_usage(folder).used - used)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = child.wait()
    wall = time.perf_counter() - begun
    ended.set()
    watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if code != 0:
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    return Figures(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, *peaks)


def fresh(folder: Path) -> Path:
    """Replace the folder by an empty one and sync the disk."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.sync()
    return folder
