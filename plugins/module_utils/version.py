"""Version numbers: the one place where text such as ``580.159.04`` or ``6.1.0-56-amd64`` becomes numbers that compare."""

from __future__ import annotations

import re

_SUFFIX = re.compile(r"[-+~][A-Za-z]")
_DIGITS = re.compile(r"\d+")


def numbers(text: str | None, least: int = 0) -> tuple[int, ...]:
    """All numbers of a version, in order, without a suffix of letters.

    Args:
        text: the version.
        least: how many numbers to return at least; missing ones are 0, so that ``9`` and ``9.0`` are equal.

    ``11.4.4`` is (11, 4, 4), ``24.1.2-0`` is (24, 1, 2, 0), ``6.1.0-56-amd64`` is (6, 1, 0, 56), and None or text without a number is ().
    """
    found = [int(part) for part in _DIGITS.findall(_SUFFIX.split(text or "", maxsplit=1)[0])]
    return tuple(found + [0] * (least - len(found)))


def minor_of(text: str | None) -> str:
    """The first two parts of a version: ``11.4`` for ``11.4.4``; what is there where it has fewer."""
    return ".".join((text or "").split(".")[:2])
