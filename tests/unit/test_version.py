"""The one parser of version numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.version import minor_of, numbers

UTILS = Path(__file__).resolve().parents[2] / "plugins"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("580.159.04", (580, 159, 4)),
        ("11.4.4", (11, 4, 4)),
        ("24.1.2-0", (24, 1, 2, 0)),
        ("6.1.0-56-amd64", (6, 1, 0, 56)),
        ("6.12.95+deb12-amd64", (6, 12, 95)),
        ("6.8.0-1019-aws", (6, 8, 0, 1019)),
        ("12.2.0-14+deb12u1", (12, 2, 0, 14)),
        ("4:12.2.0~rc1", (4, 12, 2, 0)),
        ("13", (13,)),
        ("", ()),
        (None, ()),
        ("unknown", ()),
    ],
)
def test_a_version_becomes_numbers(text: str | None, expected: tuple[int, ...]) -> None:
    assert numbers(text) == expected


def test_missing_numbers_are_zero_where_asked_for() -> None:
    assert numbers("9", least=2) == numbers("9.0", least=2) == (9, 0)
    assert numbers("9.0.1", least=2) == (9, 0, 1)


def test_the_first_two_parts() -> None:
    assert [minor_of(text) for text in ("11.4.4", "11.4", "11", "", None)] == ["11.4", "11.4", "11", "", ""]


def test_there_is_no_other_parser() -> None:
    own = re.compile(r"int\(part\) for part in|findall\(r\"\\d\+\"")
    found = [str(path.relative_to(UTILS)) for path in UTILS.rglob("*.py") if own.search(path.read_text()) and path.name != "version.py"]
    assert found == []
