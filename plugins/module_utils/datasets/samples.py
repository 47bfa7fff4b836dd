"""Pick a few images with their boxes from a stream of a million annotations, without holding them all."""

from __future__ import annotations

import heapq
import zlib
from typing import Any

# Enough boxes to show something, few enough to see the image.
FEWEST, MOST = 2, 12
SAMPLES = 4
# Enough for samples of each folder: a quarter of LVIS's val set is in val2017.
CANDIDATES = 64


class Candidates:
    """The boxes of the ``CANDIDATES`` images with the lowest tickets among those that have boxes. A ticket is a hash of the image id.

    The highest ticket held only ever falls, so an image held at the end has lost no box.
    """

    def __init__(self) -> None:
        self.boxes: dict[int, list[Any]] = {}
        self._highest: list[tuple[int, int]] = []

    def add(self, image: int, box: list[float], category: int | None) -> None:
        found = self.boxes.get(image)
        if found is None:
            ticket = -_ticket(image)
            if len(self._highest) < CANDIDATES:
                heapq.heappush(self._highest, (ticket, image))
            elif ticket <= self._highest[0][0]:
                return
            else:
                del self.boxes[heapq.heapreplace(self._highest, (ticket, image))[1]]
            found = self.boxes[image] = []
        found.append((box, category))

    def best(self, images: dict[str, list[int]], names: dict[int, str]) -> list[dict[str, Any]]:
        """``{"image", "width", "height", "boxes": [[x, y, width, height, class]]}``, pixels: up to ``SAMPLES`` images of each folder.

        They are the same each time, and have ``FEWEST`` to ``MOST`` boxes where possible.

        Args:
            images: ``{"train2017/000000000009.jpg": [image id, width, height]}``
            names: of the categories, by id.
        """
        folders: dict[str, list[Any]] = {}
        for image, (number, width, height) in images.items():
            boxes = self.boxes.get(number)
            if boxes is not None:
                unfit = not FEWEST <= len(boxes) <= MOST
                named = [[*box, names.get(category, f"category {category}")] for box, category in boxes]
                sample = {"image": image, "width": width, "height": height, "boxes": named}
                folders.setdefault(image.partition("/")[0], []).append((unfit, _ticket(number), number, sample))
        return [found[-1] for folder in sorted(folders) for found in sorted(folders[folder])[:SAMPLES]]


def _ticket(image: int) -> int:
    return zlib.crc32(b"%d" % image)
