"""Cut off with kill -9 at any point: nothing half-done is taken for done, and the next run ends right with nothing left over."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.archive import extract as extracting
from ansible_collections.codetr.provision.plugins.module_utils.archive import inventory, manifest, worker
from ansible_collections.codetr.provision.plugins.module_utils.archive.extract import Order, extract
from ansible_collections.codetr.provision.plugins.module_utils.archive.members import Entry
from archive_lab import PATIENCE_SECONDS, beside, children, early, files, is_running, make_zip, order, temporary, wait_for

FOUND = {f"{number:03}.jpg": random.Random(number).randbytes(2_000) for number in range(400)}


@pytest.fixture
def task(tmp_path: Path) -> Order:
    src = make_zip(tmp_path / "train.zip", {f"train2017/{name}": data for name, data in FOUND.items()})
    return order(tmp_path, src)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long enough for a test to step in, and never through."""
    write = worker._write

    def slowly(window: worker.Window, entry: Entry, target: str) -> None:
        time.sleep(0.002)
        write(window, entry, target)

    monkeypatch.setattr(worker, "_write", slowly)
    monkeypatch.setattr(extracting, "_sync_disk", lambda folder: time.sleep(PATIENCE_SECONDS))


def started(task: Order) -> int:
    """A process that extracts, as the first of its own group."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            extract(task)
        finally:
            os._exit(0)
    # Both set it, whoever comes first: the group must be there before it is killed.
    os.setpgid(pid, pid)
    return pid


def ends_right(task: Order) -> None:
    assert extract(task) == {"changed": True, "files": 400, "bytes": 800_000}
    assert files(Path(task.dest)) == FOUND
    assert beside(task) == {"train2017"}
    assert {path.name for path in Path(task.manifest).parent.iterdir()} == {"train.json", "train.files"}
    assert not extract(task)["changed"]


def test_ten_times_somewhere_while_it_writes(task: Order, slow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for point in random.Random(7).sample(range(1, 401), 10):
        before = temporary(task)
        pid = started(task)
        for _ in wait_for(lambda point=point, before=before: len(early(task, but=before)) >= point):  # type: ignore[misc]
            pass
        assert len(early(task, but=before)) >= point
        os.killpg(pid, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        assert extract(task, check=True)["changed"]
        assert not Path(task.dest).exists()
    monkeypatch.undo()
    ends_right(task)


@pytest.mark.parametrize(("module", "name"), [
    (extracting, "_sync_disk"), (inventory, "write"), (manifest, "write"), (extracting, "_swap"), (os, "rename"),
])
@pytest.mark.parametrize("before", [True, False])
def test_between_the_last_byte_and_the_name(
    task: Order, monkeypatch: pytest.MonkeyPatch, module: object, name: str, before: bool,
) -> None:
    step: Callable[..., object] = getattr(module, name)

    def cut(*arguments: object) -> None:
        if not before:
            step(*arguments)
        os.killpg(0, signal.SIGKILL)

    monkeypatch.setattr(module, name, cut)
    pid = started(task)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    monkeypatch.undo()
    if Path(task.dest).exists():
        assert not extract(task)["changed"]
        assert files(Path(task.dest)) == FOUND
    else:
        ends_right(task)


def test_workers_end_with_the_one_that_started_them(task: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_write", lambda window, entry, target: time.sleep(PATIENCE_SECONDS))
    pid = started(task)
    for _ in wait_for(lambda: bool(children(pid))):
        pass
    workers = children(pid)
    assert workers
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    for _ in wait_for(lambda: not any(map(is_running, workers))):
        pass
    assert not any(map(is_running, workers))
    monkeypatch.undo()
    ends_right(task)
