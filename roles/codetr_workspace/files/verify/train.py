"""Checks `train`, `checkpoint` and `evaluation`: one epoch of the repository's own tools/train.py, in a process of its own."""
from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify import trainlog
from verify.options import Options
from verify.prepare import Prepared
from verify.result import CheckFailed

# what torch.distributed asks for on one GPU of one host, as in the guide
ONE_PROCESS = {
    "LOCAL_RANK": "0", "RANK": "0", "GROUP_RANK": "0", "ROLE_RANK": "0", "ROLE_NAME": "default", "LOCAL_WORLD_SIZE": "1",
    "WORLD_SIZE": "1", "GROUP_WORLD_SIZE": "1", "ROLE_WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1",
}


@dataclass(frozen=True)
class Trained:
    """A finished training."""

    log: trainlog.TrainLog
    work_dir: Path
    detail: str


def run(options: Options, prepared: Prepared, iterations: int, say: Callable[[str], None] = print) -> Trained:
    """Train one epoch of `iterations` iterations; its output goes to OUT/train.log.

    Raises:
        CheckFailed: it did not end with status 0 in time, or its losses are missing or not finite.
    """
    work_dir = options.out / "work"
    work_dir.mkdir(parents=True, exist_ok=True)
    for stale in (*work_dir.glob("*.log.json"), *work_dir.glob("*.pth")):
        stale.unlink()
    launcher = _launcher(options)
    command = [sys.executable, "tools/train.py", str(prepared.path), "--work-dir", str(work_dir), "--seed", str(options.seed),
               "--launcher", launcher]
    log_file = options.out / "train.log"
    begun = time.monotonic()
    status = _follow(command, options, _environment(launcher), log_file, say)
    seconds = time.monotonic() - begun
    output = log_file.read_text(encoding="utf-8", errors="replace")
    if status != 0:
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        raise CheckFailed(f"tools/train.py: {how}; its last lines:\n{trainlog.last_lines(output)}", output)
    log = trainlog.read(work_dir)
    wrong = log.complaints(iterations)
    if wrong:
        raise CheckFailed(f"tools/train.py: {'; '.join(wrong)}; its last lines:\n{trainlog.last_lines(output)}", output)
    first, last = log.losses[0]["loss"], log.losses[-1]["loss"]
    detail = f"{iterations} iterations in {seconds:.0f} s, loss {first:.3f} to {last:.3f}, --launcher {launcher}"
    return Trained(log, work_dir, detail)


def check_checkpoint(trained: Trained, parameters: int) -> tuple[int, str]:
    """Load the checkpoint that the training left; its size in bytes, and what to say.

    Raises:
        CheckFailed: there is none, or it does not hold the weights of this model, finite.
    """
    import torch

    path = trained.work_dir / "epoch_1.pth"
    if not path.is_file():
        raise CheckFailed(f"the training left no checkpoint {path}")
    # it holds more than weights; we wrote it ourselves a moment ago
    trusted: dict[str, Any] = {} if torch.__version__.startswith("1.") else {"weights_only": False}
    content = torch.load(path, map_location="cpu", **trusted)
    weights = content["state_dict"]
    held = sum(value.numel() for value in weights.values())
    if held < parameters:
        raise CheckFailed(f"checkpoint {path} holds {held:,} numbers, the model has {parameters:,} parameters")
    broken = [name for name, value in weights.items() if value.is_floating_point() and not bool(torch.isfinite(value).all())]
    if broken:
        raise CheckFailed(f"checkpoint {path} holds weights that are not finite, first {broken[0]}")
    size = path.stat().st_size
    return size, f"{path.name}, {size / 1e6:.0f} MB, {len(weights)} tensors, epoch {content['meta'].get('epoch')}"


def check_evaluation(trained: Trained) -> str:
    """What the evaluation after the epoch gave.

    Raises:
        CheckFailed: its average precision is no number from 0 to 1 (COCO says -1 when there is nothing to measure).
    """
    precision = trained.log.average_precision
    if precision is None or not 0 <= precision <= 1:
        raise CheckFailed(f"the evaluation's average precision is {precision}, which is no number from 0 to 1")
    return f"{len(trained.log.metrics)} metrics, bbox mAP {precision:.3f} (one epoch on a handful of images says nothing about quality)"


def _launcher(options: Options) -> str:
    if options.launcher != "auto":
        return options.launcher
    import torch

    return "pytorch" if torch.cuda.is_available() else "none"


def _environment(launcher: str) -> dict[str, str]:
    """This process's environment as the training gets it; verify's own folder is taken out of PYTHONPATH."""
    own = Path(__file__).resolve().parents[1]
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and Path(path).resolve() != own]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(paths), PYTHONUNBUFFERED="1")
    if launcher == "pytorch":
        # a port of our own: the one in the guide may belong to a training that is under way
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            environment.update(ONE_PROCESS, MASTER_PORT=str(free.getsockname()[1]))
    return environment


def _follow(command: list[str], options: Options, environment: dict[str, str], log_file: Path, say: Callable[[str], None]) -> int:
    """Run `command` and say each iteration as it appears in its output; its exit status."""
    with log_file.open("wb") as log, log_file.open(encoding="utf-8", errors="replace") as reader:
        child = subprocess.Popen(command, cwd=options.repo, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                 stderr=subprocess.STDOUT, start_new_session=True)
        deadline = time.monotonic() + options.train_timeout
        rest = ""
        try:
            while True:
                status = child.poll()
                lines = (rest + reader.read()).split("\n")
                rest = lines.pop()
                for done, total in trainlog.iterations("\n".join(lines)):
                    say(f"         train: iteration {done} of {total}")
                if status is not None:
                    return status
                if time.monotonic() > deadline:
                    raise CheckFailed(f"tools/train.py did not end within {options.train_timeout} s; see {log_file}")
                time.sleep(0.3)
        finally:
            if child.poll() is None:
                # its loaders are its children
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
