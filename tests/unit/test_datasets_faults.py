"""The whole job under faults, against a web server: right data in the end or a clear sentence, and never taken for done before."""

from __future__ import annotations

import os
import pickle
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.child import WorkFailed
from ansible_collections.codetr.provision.plugins.module_utils.datasets.run import run
from archive_lab import remount, small_disk
from datasets_lab import TRAIN, VAL, Lab
from webserver import Faulty

ROUNDS = 10
JOB = """
import pickle, sys
from ansible_collections.codetr.provision.plugins.module_utils.datasets.run import run
run(pickle.load(open(sys.argv[1], "rb")))
"""


@pytest.fixture
def lab(tmp_path: Path, web: Faulty) -> Lab:
    """Images that take a moment to come, from the server."""
    made = Lab(tmp_path)
    source = random.Random(4)
    for folder, names in (("train2017", TRAIN), ("val2017", VAL)):
        made.archive(f"coco-{folder}", {f"{folder}/{name}": source.randbytes(60_000) for name in names}, {"images": len(names)})
    for name, record in made.records.items():
        web.files[f"/{name}.zip"] = (made.source / f"{name}.zip").read_bytes()
        record["urls"] = [web.url(f"/{name}.zip")]
    return made


def begin(lab: Lab) -> subprocess.Popen[bytes]:
    """The job in a process of its own, as on a host."""
    path = lab.source / "option.pickle"
    path.write_bytes(pickle.dumps(lab.options(lab.plan())))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", JOB, str(path)], env=environment, start_new_session=True)


def is_right(lab: Lab) -> bool:
    """Whether every byte of the archives is at its place, and nothing else is beside."""
    for name in ("train2017", "val2017"):
        with zipfile.ZipFile(lab.source / f"coco-{name}.zip") as archive:
            there = {path.name: path.read_bytes() for path in (lab.root / "coco" / name).iterdir()}
            if there != {info.filename.partition("/")[2]: archive.read(info) for info in archive.infolist()}:
                return False
    with zipfile.ZipFile(lab.source / "lvis-v1-val.zip") as archive:
        same = archive.read("lvis_v1_val.json") == (lab.root / "lvis_v1/annotations/lvis_v1_val.json").read_bytes()
    return same and {path.name for path in (lab.root / "coco").iterdir()} == {"train2017", "val2017", "annotations"}


def test_killed_at_ten_points_it_is_never_done_too_early_and_always_ends_right(lab: Lab, web: Faulty) -> None:
    """Each round kills what the one before left, so that leftovers of every kind are met; the last one runs to its end."""
    for name in lab.records:
        web.pace[f"/{name}.zip"] = 1_500_000
    source = random.Random(7)
    seen = set()
    for number in range(ROUNDS):
        job = begin(lab)
        if number == 0:
            # One is met in the middle, however slow the machine is.
            web.wait_until_sent("/coco-train2017.zip", 50_000)
        else:
            time.sleep(source.uniform(0.2, 1.6))
        # Sometimes only the job itself, sometimes all that it started.
        os.kill(job.pid, signal.SIGKILL) if number % 2 else os.killpg(job.pid, signal.SIGKILL)
        finished = job.wait() == 0
        action = lab.plan().action
        assert (action == "keep") == finished or is_right(lab)
        seen |= {path.name.partition(".")[2] for path in (lab.root / ".codetr").rglob("*")}
    assert any("part" in name for name in seen)
    web.pace.clear()
    run(lab.options(lab.plan()))
    assert is_right(lab)
    assert lab.plan().action == "keep"


def test_a_second_job_waits_for_the_first_and_fetches_nothing(lab: Lab, web: Faulty) -> None:
    web.pace["/coco-train2017.zip"] = 150_000
    options = lab.options(lab.plan())
    first = begin(lab)
    web.wait_until_sent("/coco-train2017.zip", 50_000)
    second = begin(lab)
    time.sleep(1)
    assert (first.poll(), second.poll()) == (None, None)
    assert (first.wait(120), second.wait(120)) == (0, 0)
    # A connection that is opened for a part may get some bytes of the next one.
    assert all(web.sent[f"/{name}.zip"] < 1.5 * record["size"] for name, record in lab.records.items())
    assert is_right(lab)
    assert lab.plan().action == "keep"
    # And one that was planned before it was all there finds out, too.
    assert run(options)["fetched"] == {}


@pytest.mark.parametrize("fault", ["truncate", "no-range", "503", "reset"])
def test_a_server_with_a_fault_that_passes_costs_only_time(lab: Lab, web: Faulty, fault: str) -> None:
    for name in lab.records:
        web.faults[f"/{name}.zip"] = (fault, 1)
    run(lab.options(lab.plan()))
    assert is_right(lab)
    assert lab.plan().action == "keep"


def test_wrong_bytes_once_are_an_error_and_the_next_run_is_right(lab: Lab, web: Faulty) -> None:
    web.faults["/coco-train2017.zip"] = ("flip", 1)
    with pytest.raises(WorkFailed, match=r"coco-train2017 could not be fetched.*it is not the expected file"):
        run(lab.options(lab.plan()))
    assert not (lab.root / "coco" / "train2017").exists()
    run(lab.options(lab.plan()))
    assert is_right(lab)


def test_a_server_that_lies_is_named_and_nothing_is_done(lab: Lab, web: Faulty) -> None:
    web.files["/coco-val2017.zip"] = web.files["/coco-train2017.zip"]
    with pytest.raises(WorkFailed, match=r"coco-val2017 could not be fetched.*it is not the expected file"):
        run(lab.options(lab.plan()))
    assert not (lab.root / "coco" / "val2017").exists()
    assert lab.plan().action != "keep"


@pytest.mark.parametrize("size", ["1500k", "3m"])
def test_a_disk_that_fills_is_said_and_with_more_room_it_goes_on(lab: Lab, tmp_path: Path, size: str) -> None:
    """The smaller one fills during the download, the larger one while images are written. No size is known that could be judged before."""
    for record in lab.records.values():
        record["size"] = None
    with small_disk(tmp_path / "disk", f"size={size}"):
        lab.config["codetr_datasets_root"], lab.root = str(tmp_path / "disk" / "data"), tmp_path / "disk" / "data"
        lab.root.mkdir()
        with pytest.raises((WorkFailed, OSError), match=r"[Nn]o space left|disk is full|are free"):
            run(lab.options(lab.plan()))
        assert lab.plan().action != "keep"
        remount(tmp_path / "disk", "size=20m")
        run(lab.options(lab.plan()))
        assert is_right(lab)
        assert lab.plan().action == "keep"


def test_a_root_that_cannot_be_written_is_an_error_and_not_done(lab: Lab, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=1m"):
        lab.config["codetr_datasets_root"], lab.root = str(tmp_path / "disk"), tmp_path / "disk"
        remount(tmp_path / "disk", "ro")
        with pytest.raises(OSError, match="Read-only file system"):
            run(lab.options(lab.plan()))
        assert lab.plan().action != "keep"
