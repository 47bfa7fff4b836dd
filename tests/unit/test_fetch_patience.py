"""Which URL is tried when, with how many connections, and when it is enough. The clock is a list of seconds, nothing waits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.fetch import patience
from ansible_collections.codetr.provision.plugins.module_utils.fetch.ask import Answer
from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import DownloadFailed, Kind
from ansible_collections.codetr.provision.plugins.module_utils.fetch.patience import Exhausted, Patience

A, B = "http://a.example.org/x", "http://me:secret@b.example.org/x"


class World:
    """Servers that do as scripted, one word for each try of a URL; the last word goes on for ever.

    ``ok``, a kind of failure (``GONE``), or the same with the number of bytes that are here afterwards (``PASSING 500``).
    """

    def __init__(self, **scripts: str) -> None:
        self.scripts = {{"a": A, "b": B}[name]: script.split(", ") for name, script in scripts.items()}
        self.answers: list[Answer] = []
        self.now = 1000.0
        self.here = 0
        self.tries: list[tuple[str, float, int]] = []
        self.asked: list[float] = []
        self.told: list[float] = []

    def attempt(self, url: str, connections: int) -> str:
        self.tries.append((url, self.now - 1000, connections))
        assert len(self.tries) < 200, "this has no end"
        script = self.scripts[url]
        kind, _, here = (script.pop(0) if len(script) > 1 else script[0]).partition(" ")
        self.here = int(here or self.here)
        if kind == "ok":
            return url
        raise DownloadFailed(Kind[kind], f"it said {kind}")

    def ask(self, url: str) -> Answer:
        self.asked.append(self.now - 1000)
        assert len(self.asked) < 200, "this has no end"
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= 1
        self.now += seconds

    def persist(self, *urls: str) -> str:
        return Patience(self.attempt, lambda: self.here, self.told.append).persist(list(urls or self.scripts), 16)

    def fails(self) -> dict[str, str]:
        with pytest.raises(Exhausted) as exhausted:
            self.persist()
        return dict(exhausted.value.failures)

    @property
    def waited(self) -> float:
        return self.now - 1000


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    def make(**scripts: str) -> World:
        made = World(**scripts)
        monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: made.now, sleep=made.sleep))
        monkeypatch.setattr(patience, "ask", made.ask)
        return made

    return make


def test_a_url_that_is_gone_is_left_at_once_and_named(world: Callable[..., World]) -> None:
    lab = world(a="GONE", b="GONE")
    assert lab.fails() == {A: "it said GONE", "http://b.example.org/x": "it said GONE"}
    assert len(lab.tries) == 2
    assert lab.waited == 0


def test_a_server_that_nobody_reaches_is_given_up_after_three_tries_and_ten_seconds(world: Callable[..., World]) -> None:
    lab = world(a="UNREACHED")
    lab.fails()
    assert len(lab.tries) == 3
    assert 9 <= lab.waited <= 9 * 1.25


def test_other_mirrors_are_tried_before_anybody_waits(world: Callable[..., World]) -> None:
    lab = world(a="UNREACHED, ok", b="PASSING")
    assert lab.persist() == A
    assert [url for url, _, _ in lab.tries] in ([A, B, A], [A, B, B, A])
    assert lab.tries[1][1] == 0
    assert lab.tries[2][1] >= 3


def test_waits_become_longer_up_to_a_limit(world: Callable[..., World]) -> None:
    lab = world(a="PASSING 1, PASSING")
    lab.fails()
    gaps = [after[1] - before[1] for before, after in pairwise(lab.tries)]
    assert len(lab.tries) == 1 + patience.TRIES_PROVEN
    for gap, least in zip(gaps, [1, 3, 6, 12, 24, 48, 60, 60], strict=True):
        assert least <= gap <= least * 1.25


def test_a_server_that_works_a_bit_each_time_is_not_given_up(world: Callable[..., World]) -> None:
    lab = world(a=", ".join(f"PASSING {number}" for number in range(1, 40)) + ", ok")
    assert lab.persist() == A
    assert lab.waited < 40 * 1.25


def test_a_url_that_is_gone_in_the_middle_is_tried_once_more(world: Callable[..., World]) -> None:
    """A redirect had led to a link that was good for some minutes only."""
    lab = world(a="GONE 500, GONE 900, ok")
    assert lab.persist() == A
    lab = world(a="GONE 500, GONE, ok")
    lab.fails()


def test_after_a_mirror_that_lied_the_bytes_of_the_others_count_from_nothing(world: Callable[..., World]) -> None:
    lab = world(a="PASSING 9000, GONE 0", b=", ".join(f"PASSING {number}" for number in range(1, 20)) + ", ok")
    assert lab.persist() == B


def test_a_server_that_sends_the_same_bytes_again_and_again_is_given_up(world: Callable[..., World]) -> None:
    """It ignores Range and breaks off: each try brings bytes, and none more than the one before."""
    lab = world(a="STALE 500, STALE 0, STALE 500, STALE 0")
    lab.fails()
    assert len(lab.tries) == 1 + patience.TRIES_PROVEN


def test_a_server_that_was_there_gets_more_patience_than_one_that_never_was(world: Callable[..., World]) -> None:
    lab = world(a="PASSING 1, UNREACHED, UNREACHED, UNREACHED, UNREACHED, UNREACHED, UNREACHED, ok")
    assert lab.persist() == A


def test_a_busy_server_is_asked_first_and_gets_half_the_connections(world: Callable[..., World]) -> None:
    lab = world(a="BUSY, BUSY, BUSY, BUSY, BUSY, ok")
    lab.answers = [Answer(busy=False)]
    assert lab.persist() == A
    assert [connections for _, _, connections in lab.tries] == [16, 8, 4, 2, 1, 1]
    assert len(lab.asked) == 5


def test_a_server_that_is_not_busy_is_not_asked(world: Callable[..., World]) -> None:
    lab = world(a="PASSING, ok")
    lab.persist()
    assert lab.asked == []
    assert lab.tries[1][2] == 16


def test_a_busy_server_is_given_up_after_six_times(world: Callable[..., World]) -> None:
    lab = world(a="BUSY")
    lab.answers = [Answer(busy=True)]
    assert lab.fails() == {A: "it said BUSY"}
    assert len(lab.tries) == 1
    assert len(lab.asked) == 5
    assert 93 <= lab.waited <= 93 * 1.25


def test_retry_after_is_obeyed(world: Callable[..., World]) -> None:
    lab = world(a="BUSY, ok")
    lab.answers = [Answer(busy=True, wait=100), Answer(busy=False)]
    lab.persist()
    assert lab.tries[1][1] - lab.asked[0] >= 100


def test_retry_after_at_once_is_not_taken_at_its_word(world: Callable[..., World]) -> None:
    lab = world(a="BUSY")
    lab.answers = [Answer(busy=True, wait=0)]
    lab.fails()
    assert lab.asked[1] - lab.asked[0] >= 1


def test_a_server_that_wants_hours_gets_minutes_and_that_is_said(world: Callable[..., World]) -> None:
    lab = world(a="BUSY")
    lab.answers = [Answer(busy=True, wait=7200)]
    assert "sends Retry-After: 7200 seconds, more than the limit of 300" in lab.fails()[A]
    gaps = [after - before for before, after in pairwise(lab.asked)]
    assert all(300 <= gap <= 375 for gap in gaps)


def test_whoever_waits_says_for_how_long(world: Callable[..., World]) -> None:
    lab = world(a="PASSING, ok")
    lab.persist()
    assert 3 <= lab.told[0] <= 3.75
    assert lab.told == sorted(lab.told, reverse=True)
    assert len(lab.told) >= 3


def test_many_hosts_do_not_come_back_in_one_moment(world: Callable[..., World]) -> None:
    def second_try() -> float:
        lab = world(a="PASSING, ok")
        lab.persist()
        return lab.tries[1][1]

    assert len({second_try() for _ in range(5)}) > 1
