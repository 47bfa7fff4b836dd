"""Run the repository's own tools/train.py in processes of its own: start it, follow it, check how it ended."""
from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from verify import processes, trainlog
from verify.options import Options
from verify.result import CheckFailed

RANKS = ("RANK", "LOCAL_RANK", "ROLE_RANK")
SIZES = ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "ROLE_WORLD_SIZE")
# Called with the job's name, the iterations done, and all that there will be.
OnIteration = Callable[[str, int, int], None]
ONE_HOST = {"GROUP_RANK": "0", "GROUP_WORLD_SIZE": "1", "ROLE_NAME": "default", "MASTER_ADDR": "127.0.0.1"}


def ignored(name: str, done: int, total: int) -> None:
    """An OnIteration for callers that do not follow a training."""


@dataclass(frozen=True)
class Job:
    """What to run; `name` is also the name of its log, OUT/<name>.log."""

    name: str
    config: Path
    work_dir: Path
    seed: int
    gpus: int = 1  # more than one: a process for each
    more: tuple[str, ...] = ()  # further arguments of tools/train.py


@dataclass
class Ended:
    """A run that ended with status 0."""

    launcher: str
    output: str = ""
    seconds: float = 0.0
    reached: list[tuple[float, int]] = field(default_factory=list)  # (monotonic time, iteration) as each appeared in the output


def run(options: Options, job: Job, on_iteration: OnIteration = ignored,
        watching: Callable[[int], AbstractContextManager[None]] = lambda pid: nullcontext()) -> Ended:
    """Run `job` to its end, inside the context `watching(pid)`.

    Raises:
        CheckFailed: it did not end in time, or not with status 0.
    """
    job.work_dir.mkdir(parents=True, exist_ok=True)
    # files of an earlier run must not be taken for this one's
    for stale in (*job.work_dir.glob("*.log.json"), *job.work_dir.glob("*.pth")):
        stale.unlink()
    ended = Ended(launcher(options) if job.gpus == 1 else "pytorch")
    command = [sys.executable, "tools/train.py", str(job.config), "--work-dir", str(job.work_dir), "--seed", str(job.seed),
               "--launcher", ended.launcher, *job.more]
    log_file = options.out / f"{job.name}.log"
    begun = time.monotonic()
    variables = environments(job.gpus) if ended.launcher == "pytorch" else [environment()]
    status = _follow(command, options, variables, log_file, job.name, on_iteration, watching, ended.reached)
    ended.seconds = time.monotonic() - begun
    ended.output = log_file.read_text(encoding="utf-8", errors="replace")
    if status != 0:
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        raise CheckFailed(f"tools/train.py: {how}; its last lines:\n{trainlog.last_lines(ended.output)}", ended.output)
    return ended


def launcher(options: Options) -> str:
    """The launcher of a single process: as requested, or by whether there is a GPU."""
    if options.launcher != "auto":
        return options.launcher
    import torch

    return "pytorch" if torch.cuda.is_available() else "none"


def environment() -> dict[str, str]:
    """The environment of a training: this process's, without verify's own folder in PYTHONPATH."""
    own = Path(__file__).resolve().parents[1]
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and Path(path).resolve() != own]
    return dict(os.environ, PYTHONPATH=os.pathsep.join(paths), PYTHONUNBUFFERED="1")


def environments(gpus: int) -> list[dict[str, str]]:
    """The environment of each process of a training on `gpus` GPUs: what torch.distributed.run sets, and the guide for one GPU.

    torch.distributed.run itself is not used: with torch 1.11 on Python 3.10 it crashes when its processes are done.
    """
    common = dict(environment(), **ONE_HOST, MASTER_PORT=str(_free_port()), **dict.fromkeys(SIZES, str(gpus)))
    if gpus > 1:
        common.setdefault("OMP_NUM_THREADS", "1")
    return [dict(common, **dict.fromkeys(RANKS, str(rank))) for rank in range(gpus)]


def _free_port() -> int:
    """A free port: the guide's may belong to a training in progress."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _follow(command: list[str], options: Options, variables: list[dict[str, str]], log_file: Path, name: str, on_iteration: OnIteration,
            watching: Callable[[int], AbstractContextManager[None]], reached: list[tuple[float, int]]) -> int:
    """Run `command` once with each of `variables`, report each iteration as it appears and note it in `reached`; the exit status.

    It is 0 when all succeeded, else the status of one that failed; the others, which would wait for it, are ended.
    """
    with log_file.open("wb") as log, log_file.open(encoding="utf-8", errors="replace") as reader:
        children = [subprocess.Popen(command, cwd=options.repo, env=own, stdin=subprocess.DEVNULL, stdout=log,
                                     stderr=subprocess.STDOUT, start_new_session=True) for own in variables]
        deadline = time.monotonic() + options.train_timeout
        rest = ""
        try:
            with watching(children[0].pid):
                while True:
                    status = _status([child.poll() for child in children])
                    lines = (rest + reader.read()).split("\n")
                    rest = lines.pop()
                    for done, total in trainlog.iterations("\n".join(lines)):
                        reached.append((time.monotonic(), done))
                        on_iteration(name, done, total)
                    if status is not None:
                        return status
                    if time.monotonic() > deadline:
                        raise CheckFailed(f"tools/train.py did not end within {options.train_timeout} s; see {log_file}")
                    time.sleep(0.2)
        finally:
            for child in children:
                if child.poll() is None:
                    processes.end(child)


def _status(statuses: list[int | None]) -> int | None:
    """The exit status of all: a failure as soon as there is one, 0 when all succeeded, None while they run."""
    bad = next((status for status in statuses if status), None)
    return bad if bad is not None else None if None in statuses else 0
