"""Sample what a training uses while it runs: GPUs by nvidia-smi, and the memory of its processes."""
from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from verify import processes

EVERY = 0.5  # seconds
ANSWER = 5.0  # seconds for one call of nvidia-smi
QUERY = ["--query-gpu=index,utilization.gpu,memory.used", "--format=csv,noheader,nounits"]


@dataclass
class Usage:
    """Samples with their times (seconds, monotonic): use of each GPU in per cent, or the processes' memory in bytes without GPUs."""

    gpus: list[tuple[float, dict[int, float]]] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)
    without: str | None = None  # why there are no samples of GPUs, or no more of them

    def between(self, first: float, last: float) -> dict[int, list[float]]:
        """The per cents of each GPU from one time to another."""
        found: dict[int, list[float]] = {}
        for at, use in self.gpus:
            for index, percent in use.items():
                if first <= at <= last:
                    found.setdefault(index, []).append(percent)
        return found


def parse(output: str) -> dict[int, float]:
    """Use of each GPU in per cent, from nvidia-smi's lines; a GPU that does not report it (a MIG instance) is left out."""
    found = {}
    for line in output.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == 3 and parts[0].isdigit() and parts[1].isdigit():
            found[int(parts[0])] = float(parts[1])
    return found


@contextmanager
def watching(pid: int, gpus: str, usage: Usage) -> Iterator[None]:
    """Fill `usage` while the block runs.

    Args:
        pid: the training's main process.
        gpus: the GPUs to sample, in the format of nvidia-smi's --id; empty for none.
        usage: where samples are added.
    """
    ended = threading.Event()
    if not gpus:
        usage.without = "no GPU takes part"
    elif shutil.which("nvidia-smi") is None:
        usage.without = "there is no nvidia-smi"

    def sample() -> None:
        while not ended.is_set():
            begun = time.monotonic()
            if not gpus:
                # a process that has just ended has none
                if held := processes.memory(processes.family(pid)):
                    usage.memory.append((begun, held))
            elif usage.without is None:
                _sample_gpus(gpus, usage)
            ended.wait(max(0.0, EVERY - (time.monotonic() - begun)))

    # A daemon thread, because a driver that hangs blocks nvidia-smi for ever.
    thread = threading.Thread(target=sample, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(2 * ANSWER)


def _sample_gpus(gpus: str, usage: Usage) -> None:
    """Add a sample, or the reason why there are none."""
    try:
        done = subprocess.run(["nvidia-smi", f"--id={gpus}", *QUERY], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=ANSWER, check=False)
    except subprocess.TimeoutExpired:
        usage.without = f"nvidia-smi did not answer within {ANSWER:.0f} s"
        return
    except OSError as error:
        usage.without = f"nvidia-smi does not run: {error.strerror}"
        return
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or [f"exit status {done.returncode}"]
        usage.without = f"nvidia-smi fails: {lines[-1]}"
    elif use := parse(done.stdout):
        usage.gpus.append((time.monotonic(), use))
    else:
        usage.without = "nvidia-smi does not report the use of this GPU"
