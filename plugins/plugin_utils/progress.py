"""How far the parts of a job on a host are: read from the progress files that they write, formatted for a line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

DONE, WAIT = "done", "wait"
BYTES = "bytes"
# Phases that the progress files name, as what is being done.
DOING = {
    "check": "checking",
    "decode": "decoding",
    "download": "downloading",
    "extract": "extracting",
    "validate": "validating",
    WAIT: "waiting for the server of",
}
# Samples from which time left is extrapolated; the first interval of a job says nothing about the rest.
SAMPLES = 3
MOST_LETTERS = 160
# Seconds after which a job without figures is reported again.
REPEAT_SECONDS = 60.0


class Pace:
    """How fast a number grows, from the first time it was seen: what was done before, by a run that was cut, does not count."""

    def __init__(self) -> None:
        self._first = (0.0, 0.0)
        self._last = (0.0, 0.0)
        self._samples = 0

    def add(self, at: float, done: float) -> None:
        """Take a sample; one that shows no growth only counts as time that passed."""
        if not self._samples or done < self._last[1]:
            self._first, self._samples = (at, done), 1
        elif done > self._last[1]:
            self._samples += 1
        self._last = (at, done)

    def seconds_left(self, total: float, rate: float = 0.0) -> float | None:
        """Seconds until ``total``, None before there are enough samples; ``rate`` per second where the job measures it itself."""
        if self._samples < SAMPLES:
            return None
        seconds = self._last[0] - self._first[0]
        rate = rate or ((self._last[1] - self._first[1]) / seconds if seconds > 0 else 0.0)
        return max(0.0, total - self._last[1]) / rate if rate > 0 else None


@dataclass(frozen=True)
class Item:
    """One part of a job.

    Attributes:
        name: what it is about (``coco-val2017.fetch``).
        phase: what is being done (``download``); ``done`` where it has ended.
        done, total: how far it is, in ``unit``; both 0 where that is not known.
        rate: growth per second as the job measures it; 0 where it does not.
        seconds: for phase ``wait``, until it goes on.
        unit: ``bytes``, or what is counted; may be empty.
        doing: what is being done, in words of the job's own.
    """

    name: str
    phase: str
    done: float
    total: float
    rate: float = 0.0
    seconds: float = 0.0
    unit: str = ""
    doing: str = ""

    @property
    def complete(self) -> bool:
        """Whether all of it is done; what follows, such as writing it to the disk, may still go on."""
        return self.done >= self.total

    @property
    def active(self) -> bool:
        """Whether it has begun and not ended."""
        return self.phase == WAIT or (self.phase != DONE and self.done > 0)

    def sentence(self, left: float | None = None) -> str:
        """``downloading coco-val2017, 120 of 816 MB (15 %), 40.2 MB/s, 17 s left``."""
        return f"{DOING.get(self.phase, self.phase)} {self.name.partition('.')[0]}, {self.figures(left)}"

    def figures(self, left: float | None = None) -> str:
        """``120 of 816 MB (15 %), 40.2 MB/s, 17 s left``, or ``44/67``, without what is not known."""
        if self.unit != BYTES:
            parts = [f"{self.done:.0f}/{self.total:.0f} {self.unit}".rstrip()]
        else:
            unit, name = (1e6, "MB") if self.total >= 1e6 else (1e3, "kB")
            parts = [f"{self.done / unit:.0f} of {self.total / unit:.0f} {name} ({100 * self.done / self.total:.0f} %)"]
        if self.phase == WAIT:
            return f"{parts[0]}, next try in {duration(self.seconds)}"
        if self.rate > 0:
            parts.append(self._pace())
        if left is not None and not self.complete:
            parts.append(f"{duration(left)} left")
        return ", ".join(parts)

    def _pace(self) -> str:
        if self.unit != BYTES:
            return f"{self.rate:.0f} per second"
        return f"{self.rate / 1e6:.1f} MB/s" if self.rate >= 1e6 else f"{self.rate / 1e3:.0f} kB/s"


def parse(name: str, text: str) -> Item | None:
    """The item in one progress file; None for a file that is absent, cannot be understood or tells nothing."""
    try:
        data = json.loads(text)
        phase, unit, doing = (_plain(data.get(key)) for key in ("phase", "unit", "doing"))
        done, total, rate, seconds = (float(data.get(key) or 0) for key in ("done", "total", "rate", "seconds"))
    except (ValueError, TypeError, AttributeError):
        return None
    return Item(_plain(name), phase, done, total, rate, seconds, unit, doing) if total > 0 or doing else None


def parse_folder(text: str) -> list[Item]:
    """The items of a folder of progress files, given as lines of a file's name, a tab, and its content."""
    found = []
    for line in text.splitlines():
        name, _unused, content = line.partition("\t")
        item = parse(name.rpartition("/")[2].removesuffix(".json"), content)
        if item and item.total > 0:
            found.append(item)
    return found


def overall(items: list[Item]) -> tuple[float, float]:
    """Done and total of all items together; an ended one counts whole."""
    return sum(item.total if item.phase == DONE else min(item.done, item.total) for item in items), sum(item.total for item in items)


def duration(seconds: float) -> str:
    """``17 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60:02} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60:02} min"


class Report:
    """The lines about one job: for people what is new, for the console command a record of everything.

    Args:
        label: the stage and what is being done, ``packages: compiling mmcv-full ops``.
        parts: whether the job has several parts, each with a line of its own.
    """

    def __init__(self, label: str, parts: bool = False) -> None:
        self._label, self._parts = label, parts
        self._paces: dict[tuple[str, ...], Pace] = {}
        self._lines: list[str] = []
        self._text, self._since, self._printed = "", 0.0, 0.0

    @property
    def label(self) -> str:
        """The stage and what is being done."""
        return self._label

    def update(self, now: float, items: list[Item]) -> tuple[list[str], dict[str, Any] | None]:
        """The lines that are new, and the record where anything is new; ``now`` are seconds of a steady clock."""
        lefts = {item: self._left(now, item) for item in items}
        whole = self._pace("whole", now, *overall(items)) if self._parts else next(iter(lefts.values()), None)
        text, figures = self._label, ""
        if self._parts:
            stage = self._label.partition(": ")[0]
            lines = [f"{stage}: {item.sentence(lefts[item])}" for item in items if item.active]
            figures = "; ".join(item.sentence() for item in items if item.active and not item.complete)
            whole_text = f"{stage}: {figures}" if figures else text
        else:
            item = items[0] if items else Item("", "", 0, 0)
            text = f"{text}: {item.doing}" if item.doing else text
            between = ", " if item.doing or item.unit else " "
            lines = [f"{text}{between}{item.figures(lefts[item])}"] if item.total > 0 else []
            whole_text = f"{text}{between}{item.figures()}" if item.total > 0 else text
        if text != self._text:
            self._text, self._since = text, now
        news = [line for line in lines if line not in self._lines]
        if not lines:
            lines = [text]
            if lines != self._lines or now - self._printed >= REPEAT_SECONDS:
                news = [f"{text} ({duration(now - self._since)})" if now - self._since >= 1 else text]
        if news:
            self._printed = now
        changed, self._lines = lines != self._lines, lines
        done, total = overall(items)
        record = {"label": text, "text": whole_text, "done": done, "total": total, "seconds_left": whole}
        return news, record if changed else None

    def _left(self, now: float, item: Item) -> float | None:
        return self._pace(item.name, now, item.done, item.total, item.rate, item.phase, item.doing)

    def _pace(self, name: str, now: float, done: float, total: float, rate: float = 0.0, *more: str) -> float | None:
        pace = self._paces.setdefault((name, *more), Pace())
        pace.add(now, done)
        return pace.seconds_left(total, rate)


def _plain(value: object) -> str:
    """Text of a host for a terminal: printable letters, and not many."""
    return "".join(letter for letter in str(value or "")[:MOST_LETTERS] if letter.isprintable())
