"""How far the parts of a job on a host are, from the progress files that they write, in words."""

from __future__ import annotations

import json
from dataclasses import dataclass

DONE, WAIT = "done", "wait"
BYTES = "bytes"


@dataclass(frozen=True)
class Item:
    """One part of a job.

    Attributes:
        name: what it is about (``coco-val2017.fetch``).
        phase: what is being done (``download``); ``done`` where it has ended.
        done, total: how far it is, in ``unit``.
        rate: the same per second; 0 where nobody knows.
        seconds: for phase ``wait``, until it goes on.
        unit: ``bytes``, or what is counted; may be empty.
    """

    name: str
    phase: str
    done: float
    total: float
    rate: float = 0.0
    seconds: float = 0.0
    unit: str = ""

    @property
    def complete(self) -> bool:
        """Whether all of it is done; what follows, such as writing it to the disk, may still go on."""
        return self.done >= self.total

    @property
    def active(self) -> bool:
        """Whether it has begun and not ended."""
        return self.phase == WAIT or (self.phase != DONE and self.done > 0)

    def words(self) -> str:
        """``download coco-val2017: 120 of 816 MB (15 %), 40.2 MB/s, 17 s left``."""
        return f"{self.phase} {self.name.partition('.')[0]}: {self.figures()}"

    def figures(self) -> str:
        """``120 of 816 MB (15 %), 40.2 MB/s, 17 s left``, without what nobody knows."""
        told = f"{self._amount()} ({100 * self.done / self.total:.0f} %)"
        if self.phase == WAIT:
            return f"{told}, the server is tried again in {_left(self.seconds)}"
        if self.rate <= 0:
            return told
        return f"{told}, {self._pace()}, {_left((self.total - self.done) / self.rate)} left"

    def _amount(self) -> str:
        if self.unit != BYTES:
            return f"{self.done:.0f} of {self.total:.0f} {self.unit}".rstrip()
        unit, name = (1e6, "MB") if self.total >= 1e6 else (1e3, "kB")
        return f"{self.done / unit:.0f} of {self.total / unit:.0f} {name}"

    def _pace(self) -> str:
        if self.unit != BYTES:
            return f"{self.rate:.0f} per second"
        return f"{self.rate / 1e6:.1f} MB/s" if self.rate >= 1e6 else f"{self.rate / 1e3:.0f} kB/s"


def parse(name: str, text: str) -> Item | None:
    """The item in one progress file; None where there is none that can be understood."""
    try:
        data = json.loads(text)
        phase, unit = (str(data.get(key) or "") for key in ("phase", "unit"))
        rate, seconds = (float(data.get(key) or 0) for key in ("rate", "seconds"))
        item = Item(name, phase, float(data["done"]), float(data["total"]), rate, seconds, unit)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return item if item.total > 0 else None


def parse_folder(text: str) -> list[Item]:
    """The items of a folder of progress files, given as lines of a file's name, a tab, and its content."""
    found = []
    for line in text.splitlines():
        name, _, content = line.partition("\t")
        item = parse(name.rpartition("/")[2].removesuffix(".json"), content)
        if item:
            found.append(item)
    return found


def overall(items: list[Item]) -> tuple[float, float]:
    """Done and total of all items together; an ended one counts whole."""
    return sum(item.total if item.phase == DONE else min(item.done, item.total) for item in items), sum(item.total for item in items)


def _left(seconds: float) -> str:
    """``17 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60:02} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02} min"
