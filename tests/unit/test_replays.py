"""Hosts that people reported, replayed: what the plan answers, and the table of it in docs/complaints.md.

``python tests/unit/test_replays.py --write`` writes the table anew.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "playbooks" / "collections"), str(ROOT / "tests" / "unit")]

import replayed  # noqa: E402

DOCUMENT = ROOT / "docs" / "complaints.md"
TITLES = ("what people reported", "what was asked for", "the answer")
HEAD = """\
# Complaints, and what the user gets to read now

Written by `python tests/unit/test_replays.py --write` from the hosts in `tests/unit/replays`. Each is a small host in the state that the
threads tell of, put together by hand from what such hosts' files look like; what people reported is told in our words. The right column
is the plan's whole answer (driver and stack), word for word. A test fails when the plan's words differ from these.
"""
BESIDE = """\

## Beside these

Hosts that none of those threads is about, and whose answer has to be right all the same.
"""


def document() -> str:
    """The table of all replayed hosts."""
    reported: list[tuple[str, ...]] = []
    beside: list[tuple[str, ...]] = []
    for name in replayed.names():
        replay = replayed.read(name)
        with tempfile.TemporaryDirectory() as folder:
            answer = replayed.said(replayed.plan(replay, Path(folder))[0])
        if "complaint" in replay:
            reported.append((complaint(replay), asked(replay), cell(answer)))
        else:
            beside.append((cell(replay["situation"]), asked(replay), cell(answer)))
    return HEAD + table(TITLES, reported) + BESIDE + table(("the host", *TITLES[1:]), beside)


def table(titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table of Markdown."""
    return "\n" + "".join(f"| {' | '.join(row)} |\n" for row in (titles, ("---",) * len(titles), *rows))


def complaint(replay: dict[str, Any]) -> str:
    """What people reported, with the threads."""
    named = {url: re.sub(r".*/([^/]+)/(?:issues|pull)/([0-9]+)$", r"\1#\2", url) for url in replay["urls"]}
    links = ", ".join(f"[{name}]({url})" for url, name in named.items())
    return f"{cell(replay['complaint'])} ({links})"


def asked(replay: dict[str, Any]) -> str:
    """The config of a replayed host."""
    config = [f"`{name}={str(value).lower() if isinstance(value, bool) else value}`" for name, value in replay.get("config", {}).items()]
    return "<br>".join([*config, *(["a local connection"] if replay.get("connection") == "local" else [])]) or "nothing"


def cell(text: str) -> str:
    """A text as a cell of a table."""
    lines = [line.strip() for line in text.strip().splitlines()]
    return "<br>".join(lines).replace("|", "\\|")


@pytest.mark.parametrize("name", replayed.names())
def test_a_reported_host_gets_its_answer(name: str, tmp_path: Path) -> None:
    replay = replayed.read(name)
    expect = replay["expect"]
    made, host = replayed.plan(replay, tmp_path)
    text = replayed.said(made)
    stage = made["stages"]["nvidia_driver"]
    assert (made["stack"], stage["action"], len(made["problems"])) == (expect["stack"], expect["action"], expect["problems"]), text
    assert [part for part in expect["says"] if part not in text] == [], text
    assert [part for part in expect.get("says_not", []) if part in text] == [], text
    assert {key: stage["params"].get(key) for key in expect.get("params", {})} == expect.get("params", {})
    if "suite" in expect:
        assert stage["params"]["sets"][0]["suite"] == expect["suite"]
    if "sets" in expect:
        assert [each["packages"] + each["headers"] for each in stage["params"]["sets"]][: len(expect["sets"])] == expect["sets"]
    # A name in the host's file that the probe never asks apt about would be a slip of the pen.
    assert sorted(set(host.policy) - host.asked) == []


@pytest.mark.parametrize("name", replayed.names())
def test_a_refusal_names_a_fix_and_touches_nothing(name: str, tmp_path: Path) -> None:
    made, _ = replayed.plan(replayed.read(name), tmp_path)
    assert all(len(item["fix"]) > 25 and item["fix"].endswith(".") for item in made["problems"])
    words = [text for text in (replayed.said(made), *made["waits"]) if "None" in text or "  -  " in text or ".." in text.replace("...", "")]
    assert words == []


def test_there_are_twenty_and_each_names_its_threads() -> None:
    replays = [replay for replay in map(replayed.read, replayed.names()) if "complaint" in replay]
    assert len(replays) >= 20
    for replay in replays:
        assert replay["urls"]
        assert all(re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+", url) for url in replay["urls"])


def test_the_table_of_complaints_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "python tests/unit/test_replays.py --write writes it anew"


if __name__ == "__main__" and "--write" in sys.argv:
    DOCUMENT.write_text(document(), encoding="utf-8")
