"""Wishes of verify.yml that make no sense end the run before any host is contacted."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_playbooks import VERIFY, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize(("word", "said"), [
    ("verify_level=quick", "verify_level must be one of versions, ops, train, speed; it is quick."),
    ("verify_gpus=0", "verify_gpus must be a whole number of at least 1; it is 0."),
    ("verify_gpus=all", "verify_gpus must be a whole number of at least 1; it is all."),
    ("verify_scale=-5", "verify_scale must be a whole number of at least 0; it is -5."),
])
def test_a_wish_that_makes_no_sense(bench: Bench, word: str, said: str) -> None:
    assert said in bench.refused(VERIFY, "-e", word)


@pytest.mark.parametrize("words", ["verify_level=speed verify_gpus=2 verify_scale=0", "verify_level= verify_scale="])
def test_wishes_that_fit_reach_for_the_hosts(bench: Bench, words: str) -> None:
    assert bench.run(VERIFY, "-e", words).stdout.count("UNREACHABLE!") == 2
