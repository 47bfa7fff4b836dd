"""Lay out boxes and their labels on an image. All numbers are pixels of the original image, from its upper left corner."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codetr_provision import wording
from codetr_provision.data_result import Box

# The size in CSS pixels at which an image is typically shown; lines and letters are sized for it.
SEEN = (320, 240)
LINE, LETTERS, MARGIN = 2.0, 12.0, 3.0
LABEL_HEIGHT = LETTERS * 1.3
MOST_BOXES, MOST_LABELS = 100, 16
# All light, so that black letters are readable on each; with a dark edge they stand out on light images as well as on dark ones.
PALETTE = ("#ffd92f", "#5fd7ff", "#8cf07c", "#ffa3d1", "#ffb454", "#cbb2ff", "#4ff0c4", "#ff9c8f", "#e8f58a", "#ffffff")
NARROW, BROAD = frozenset(" !'(),./:;I[]fijlrt|"), frozenset("%@GMOQWmw")


@dataclass(frozen=True)
class Area:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: Area) -> bool:
        """Whether the two overlap; a shared edge does not count."""
        across = self.x < other.x + other.width and other.x < self.x + self.width
        return across and self.y < other.y + other.height and other.y < self.y + self.height


@dataclass(frozen=True)
class Mark:
    """A box, or the label of one."""

    area: Area
    text: str
    colour: str


@dataclass(frozen=True)
class Entry:
    """A class and how many boxes of it the image has."""

    name: str
    count: int
    colour: str


@dataclass(frozen=True)
class Drawing:
    """What is drawn over an image; `line`, `letters` and `margin` are the sizes of edges, letters and the space beside them."""

    width: int
    height: int
    line: float
    letters: float
    margin: float
    boxes: list[Mark]
    labels: list[Mark]
    legend: list[Entry]
    outside: int  # boxes without any area inside the image
    more: int  # boxes beyond MOST_BOXES, the smallest ones


def draw(width: int, height: int, boxes: Sequence[Box]) -> Drawing:
    """Lay out the boxes of an image of `width` by `height`; the largest are drawn first, so that none hides a smaller one."""
    # image pixels per CSS pixel at the typical size
    unit = max(width / SEEN[0], height / SEEN[1])
    inside = [(area, box[4]) for box in boxes if (area := clipped(box, width, height)) is not None]
    inside.sort(key=lambda one: -one[0].width * one[0].height)
    drawn = inside[:MOST_BOXES]
    legend = [
        Entry(name, count, PALETTE[number % len(PALETTE)])
        for number, (name, count) in enumerate(Counter(name for _, name in drawn).most_common())
    ]
    colours = {entry.name: entry.colour for entry in legend}
    marks = [Mark(area, name, colours[name]) for area, name in drawn]
    return Drawing(
        width, height, LINE * unit, LETTERS * unit, MARGIN * unit, marks, list(_labels(marks, width, height, unit)), legend,
        outside=len(boxes) - len(inside), more=len(inside) - len(drawn),
    )


def clipped(box: Box, width: int, height: int) -> Area | None:
    """The part of a box inside the image; None when there is none."""
    x, y, across, down, _ = box
    left, top = max(x, 0), max(y, 0)
    area = Area(left, top, min(x + across, width) - left, min(y + down, height) - top)
    return area if area.width > 0 and area.height > 0 else None


def text_width(text: str) -> float:
    """The approximate width of a text in units of its height; the page stretches the text to it."""
    return sum(_letter_width(letter) for letter in text)


def _letter_width(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    return 0.33 if letter in NARROW else 0.85 if letter in BROAD else 0.58


def _labels(marks: Sequence[Mark], width: int, height: int, unit: float) -> Iterator[Mark]:
    """Labels for the largest boxes that have room for one: above the box, else inside or below, without overlap."""
    taken: list[Area] = []
    for mark in marks:
        if len(taken) == MOST_LABELS:
            return
        text = wording.short(mark.text)
        across, down = (text_width(text) * LETTERS + 2 * MARGIN) * unit, LABEL_HEIGHT * unit
        box = mark.area
        bottom = box.y + box.height
        left = max(0.0, min(box.x, width - across))
        for top in (box.y - down, box.y, bottom - down, bottom):
            area = Area(left, top, across, down)
            if across <= width and 0 <= top <= height - down and not any(area.overlaps(other) for other in taken):
                taken.append(area)
                yield Mark(area, text, mark.colour)
                break
