"""Several archives on their way at once: what overlaps, and how it ends when one does not come."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.archive import pipeline
from ansible_collections.codetr.provision.plugins.module_utils.archive.extract import Order
from ansible_collections.codetr.provision.plugins.module_utils.archive.pipeline import Work
from ansible_collections.codetr.provision.plugins.module_utils.child import WorkFailed
from ansible_collections.codetr.provision.plugins.module_utils.fetch import aria2
from ansible_collections.codetr.provision.plugins.module_utils.fetch.place import Request
from archive_lab import children, files, is_running, make_zip, wait_for
from webserver import Faulty

SOURCE = random.Random(5)
LARGE = {f"{number}.jpg": SOURCE.randbytes(100_000) for number in range(40)}
SMALL = {"a.json": b"{}"}


@pytest.fixture
def web(web: Faulty, monkeypatch: pytest.MonkeyPatch) -> Faulty:
    """Where the server stalls here, it is for the test to end that."""
    monkeypatch.setattr(aria2, "STALL_SECONDS", 60)
    return web


def work(tmp_path: Path, web: Faulty, name: str, members: dict[str, bytes], **more: Any) -> Work:
    data = make_zip(tmp_path / f"{name}.made", members).read_bytes()
    web.files[f"/{name}"] = data
    digest = hashlib.sha256(data).hexdigest()
    archive, dest = str(tmp_path / f"{name}.zip"), str(tmp_path / "out" / name)
    request = Request(name=name, urls=[web.url(f"/{name}")], dest=archive, sha256=digest, size=len(data))
    return Work(request, Order(archive, dest, digest, str(tmp_path / "marks" / f"{name}.json")), **more)


def in_background(works: list[Work], outcome: list[Any]) -> threading.Thread:
    def run() -> None:
        try:
            outcome.append(pipeline.run(works))
        except WorkFailed as failure:
            outcome.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_all_arrive_and_archives_go_unless_they_are_kept(tmp_path: Path, web: Faulty) -> None:
    answers = pipeline.run([work(tmp_path, web, "one", LARGE), work(tmp_path, web, "two", SMALL, keep=True)])
    assert files(tmp_path / "out" / "one") == LARGE
    assert files(tmp_path / "out" / "two") == SMALL
    assert not (tmp_path / "one.zip").exists()
    assert (tmp_path / "two.zip").exists()
    assert answers["one"]["extract"]["files"] == len(LARGE)
    assert answers["one"]["fetch"]["url"] == web.url("/one")


def test_an_archive_is_extracted_while_the_next_one_arrives(tmp_path: Path, web: Faulty) -> None:
    web.pace["/two"] = 200_000
    outcome: list[Any] = []
    thread = in_background([work(tmp_path, web, "one", LARGE), work(tmp_path, web, "two", dict(list(LARGE.items())[:10]))], outcome)
    for _ in wait_for(lambda: (tmp_path / "out" / "one").exists() or not thread.is_alive()):
        pass
    next_on_its_way = (tmp_path / "two.zip.part").exists()
    thread.join()
    assert next_on_its_way
    assert files(tmp_path / "out" / "one") == LARGE


def test_the_next_download_does_not_wait_for_what_follows_the_first(tmp_path: Path, web: Faulty) -> None:
    def then() -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("two.zip.part")) and time.monotonic() < deadline:
            time.sleep(0.01)
        (tmp_path / "seen").write_text("yes" if list(tmp_path.glob("two.zip.part")) else "no")
        return {"said": 1}

    web.pace["/two"] = 200_000
    slow = dict(list(LARGE.items())[:10])
    outcome: list[Any] = []
    in_background([work(tmp_path, web, "one", SMALL, then=then), work(tmp_path, web, "two", slow)], outcome).join()
    assert (tmp_path / "seen").read_text() == "yes"
    assert outcome[0]["one"]["then"] == {"said": 1}


def test_what_follows_comes_one_by_one_while_an_archive_is_on_its_way(tmp_path: Path, web: Faulty) -> None:
    def then() -> dict[str, Any]:
        with (tmp_path / "at-work").open("x"):
            time.sleep(1)
        (tmp_path / "at-work").unlink()
        return {"on_its_way": (tmp_path / "three.zip.part").exists()}

    web.pace["/three"] = 200_000
    slow = work(tmp_path, web, "three", dict(list(LARGE.items())[:10]))
    answers = pipeline.run([work(tmp_path, web, "one", SMALL, then=then), work(tmp_path, web, "two", SMALL, then=then), slow])
    assert [answers[name]["then"]["on_its_way"] for name in ("one", "two")] == [True, True]


def test_what_follows_comes_side_by_side_when_nothing_else_is_left(tmp_path: Path, web: Faulty) -> None:
    pipeline.run([work(tmp_path, web, "one", SMALL), work(tmp_path, web, "two", SMALL)])

    def meet(name: str, other: str) -> dict[str, Any]:
        (tmp_path / name).touch()
        for _ in wait_for((tmp_path / other).exists):
            pass
        return {"met": (tmp_path / other).exists()}

    both = [("one", "two"), ("two", "one")]
    answers = pipeline.run([work(tmp_path, web, name, SMALL, then=partial(meet, name, other)) for name, other in both])
    assert [answers[name]["then"] for name, _ in both] == [{"met": True}, {"met": True}]


def test_what_follows_leaves_the_processors_to_downloads(tmp_path: Path, web: Faulty) -> None:
    here = os.nice(0)
    answers = pipeline.run([work(tmp_path, web, "one", SMALL, then=lambda: {"nice": os.nice(0)})])
    assert answers["one"]["then"]["nice"] == min(19, here + pipeline.NICE)


def test_one_download_at_a_time_in_the_given_order(tmp_path: Path, web: Faulty) -> None:
    pipeline.run([work(tmp_path, web, name, LARGE if name == "b" else SMALL) for name in ("c", "b", "a")])
    assert list(dict.fromkeys(web.requests)) == ["/c", "/b", "/a"]


def test_what_an_earlier_run_extracted_is_not_fetched_again(tmp_path: Path, web: Faulty) -> None:
    first = work(tmp_path, web, "one", LARGE)
    pipeline.run([first])
    asked = len(web.requests)
    answers = pipeline.run([work(tmp_path, web, "one", LARGE, then=lambda: {"again": 1}), work(tmp_path, web, "two", SMALL)])
    assert web.requests[asked:].count("/one") == 0
    assert answers["one"] == {"then": {"again": 1}}
    assert files(tmp_path / "out" / "two") == SMALL


def test_a_download_that_fails_says_why_and_stops_the_rest(tmp_path: Path, web: Faulty) -> None:
    bad = work(tmp_path, web, "one", SMALL)
    web.files["/one"] = b"something else"
    with pytest.raises(WorkFailed, match=r"one could not be fetched.*not the expected file"):
        pipeline.run([bad, work(tmp_path, web, "two", LARGE)])
    assert "/two" not in web.requests
    assert not (tmp_path / "out" / "one").exists()


def test_an_extraction_that_fails_says_why_and_stops_the_download(tmp_path: Path, web: Faulty) -> None:
    (tmp_path / "out" / "one").mkdir(parents=True)
    web.faults["/one"] = ("stall", 1)
    with pytest.raises(WorkFailed, match="exists and was not created by this project"):
        pipeline.run([work(tmp_path, web, "one", LARGE)])
    assert children(os.getpid()) == []


def test_what_follows_may_fail_with_a_sentence(tmp_path: Path, web: Faulty) -> None:
    def then() -> dict[str, Any]:
        raise LookupError("Look elsewhere.")

    with pytest.raises(WorkFailed, match=r"^Look elsewhere\.$"):
        pipeline.run([work(tmp_path, web, "one", SMALL, then=then)], (LookupError,))


def runs_aria2(pid: int) -> bool:
    """Whether it is the process that fetches; workers come and go meanwhile."""
    for child in children(pid):
        with contextlib.suppress(OSError):
            if "aria2c" in Path(f"/proc/{child}/cmdline").read_text():
                return True
    return False


def test_a_killed_download_ends_it_and_leaves_nobody_behind(tmp_path: Path, web: Faulty) -> None:
    web.faults["/one"] = ("stall", 1)
    outcome: list[Any] = []
    thread = in_background([work(tmp_path, web, "one", LARGE)], outcome)
    assert web.reached_stall.wait(60)
    started = children(os.getpid())
    (fetching,) = [pid for pid in started if runs_aria2(pid)]
    os.kill(fetching, signal.SIGKILL)
    thread.join(60)
    web.release.set()
    assert "The process that fetched one was killed" in str(outcome[0])
    for _ in wait_for(lambda: not any(is_running(pid) for pid in started)):
        pass
