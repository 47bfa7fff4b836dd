"""Survey an annotation file in one pass and little memory: counts, images, classes, and the boxes of some images."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import select
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.codetr.provision.plugins.module_utils.atomic import replace_text
from ansible_collections.codetr.provision.plugins.module_utils.child import Child, WorkFailed
from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import image_path
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import FETCH_AGAIN, DatasetRefused
from ansible_collections.codetr.provision.plugins.module_utils.datasets.samples import Candidates
from ansible_collections.codetr.provision.plugins.module_utils.datasets.stream import Document

# Boxes were drawn on scaled images and rounded: up to so many pixels over the edge are valid.
SLACK = 1.0
# LVIS's train file has more than half of all bytes, so a third process would only take memory.
AT_ONCE = 2
SECONDS_BETWEEN = 0.5


@dataclass
class Survey:
    """The survey of one annotation file. ``vars`` of it is JSON-able.

    Attributes:
        stem: the file's name without ``.json``.
        bytes, mtime_ns: size and time of the file when it was read.
        categories: None for a file without categories (captions).
        image_table: ``{"train2017/000000000009.jpg": [image id, width, height]}``, pixels, 0 where unknown.
        bare: images without annotations.
        strays: annotations of images that the file does not list.
        classes: number of annotations by category name, highest first.
        invalid_boxes: without area, or more than ``SLACK`` pixels outside the image. LVIS has a few.
        samples: a few images with their boxes, as ``Candidates.best`` returns them.
    """

    stem: str
    bytes: int
    mtime_ns: int
    images: int = 0
    annotations: int = 0
    categories: int | None = None
    image_table: dict[str, list[int]] = field(default_factory=dict)
    bare: list[str] = field(default_factory=list)
    strays: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    invalid_boxes: int = 0
    samples: list[dict[str, Any]] = field(default_factory=list)


def survey(path: str, stem: str, on_bytes: Callable[[int], None] | None = None) -> Survey:
    """Read the file once, in memory proportional to its images, not to its annotations.

    Args:
        stem: the annotation file's name without ``.json``, which determines its image folder.
        on_bytes: called with the number of bytes read so far.

    Raises:
        DatasetRefused: it is not an annotation file, or has an image id or file name twice.
    """
    reading = _Reading(path, stem)
    take = {"images": reading.image, "annotations": reading.annotation, "categories": reading.category}
    with Document(path, on_bytes) as document:
        status = os.stat(path)
        for key in document:
            if key not in take:
                continue
            reading.lists.add(key)
            add = take[key]
            for entry, _unused in document.elements():
                try:
                    add(entry)
                except (TypeError, KeyError, ValueError, IndexError, AttributeError) as error:
                    raise DatasetRefused(f"{path} has {key} that are not in COCO format ({error!r}). {_again(path)}.") from None
    if not {"images", "annotations"} <= reading.lists:
        raise DatasetRefused(f"{path} has no lists named images and annotations. {_again(path)}.")
    return reading.result(status)


def _again(path: str) -> str:
    return FETCH_AGAIN.format(path=path)


class _Reading:
    """The state of a survey. The lists may come in any order: LVIS's annotations precede its images."""

    def __init__(self, path: str, stem: str) -> None:
        self.path, self.stem = path, stem
        self.lists: set[str] = set()
        self.image_table: dict[str, list[int]] = {}
        self.by_id: dict[int, list[int]] = {}
        self.of_image: dict[int, int] = {}
        self.of_category: dict[int, int] = {}
        self.names: dict[int, str] = {}
        self.invalid = 0
        # Image id, right and lower edge of boxes whose image size is not known yet: 24 bytes each.
        self.later = array("d")
        self.candidates = Candidates()

    def image(self, entry: dict[str, Any]) -> None:
        number, image = entry["id"], image_path(self.stem, entry)
        if number in self.by_id:
            raise DatasetRefused(f"{self.path} has two images with the id {number}. {_again(self.path)}.")
        if image in self.image_table:
            raise DatasetRefused(f"{self.path} names {image} twice. {_again(self.path)}.")
        self.by_id[number] = self.image_table[image] = [number, entry.get("width") or 0, entry.get("height") or 0]

    def category(self, entry: dict[str, Any]) -> None:
        self.names[entry["id"]] = entry["name"]

    def annotation(self, entry: dict[str, Any]) -> None:
        image, category, box = entry["image_id"], entry.get("category_id"), entry.get("bbox")
        self.of_image[image] = self.of_image.get(image, 0) + 1
        if category is not None:
            self.of_category[category] = self.of_category.get(category, 0) + 1
        if box is None:
            return
        x, y, width, height = box
        # Written so that NaN is invalid too.
        if not (width > 0 and height > 0 and x >= -SLACK and y >= -SLACK):
            self.invalid += 1
            return
        self.candidates.add(image, box, category)
        known = self.by_id.get(image)
        if known is None:
            self.later.extend((image, x + width, y + height))
        else:
            self.invalid += _outside(known, x + width, y + height)

    def result(self, status: os.stat_result) -> Survey:
        later = iter(self.later)
        for image, right, bottom in zip(later, later, later):
            known = self.by_id.get(int(image))
            if known is not None:
                self.invalid += _outside(known, right, bottom)
        classes: dict[str, int] = {}
        for category, number in self.of_category.items():
            name = self.names.get(category, f"category {category}")
            classes[name] = classes.get(name, 0) + number
        annotations = sum(self.of_image.values())
        return Survey(
            stem=self.stem,
            bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
            images=len(self.image_table),
            annotations=annotations,
            categories=len(self.names) if "categories" in self.lists else None,
            image_table=self.image_table,
            bare=[image for image, known in self.image_table.items() if known[0] not in self.of_image],
            strays=annotations - sum(self.of_image.get(image, 0) for image in self.by_id),
            classes=dict(sorted(classes.items(), key=lambda one: (-one[1], one[0]))),
            invalid_boxes=self.invalid,
            samples=self.candidates.best(self.image_table, self.names),
        )


def _outside(known: list[int], right: float, bottom: float) -> bool:
    """Whether a box ends outside its image. A size of 0 is unknown."""
    _unused, width, height = known
    return bool(width and right > width + SLACK) or bool(height and bottom > height + SLACK)


def save(found: Survey, where: str) -> None:
    """Write the survey to a file atomically."""
    # Not json.dump, which encodes piece by piece and is many times slower.
    replace_text(where, [json.dumps(vars(found), separators=(",", ":"))])


def load(where: str, path: str) -> Survey | None:
    """Return the saved survey, or None where it is missing or the annotation file ``path`` has changed since."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        status = os.stat(path)
        with open(where, encoding="utf-8") as handle:
            found = Survey(**json.load(handle))
        if (found.bytes, found.mtime_ns) == (status.st_size, status.st_mtime_ns):
            return found
    return None


def survey_all(jobs: Mapping[str, str], on_progress: Callable[[int, int], None], processes: int = AT_ONCE) -> None:
    """Survey several files, each in a process that ends with this one. Saved surveys of unchanged files are reused.

    Args:
        jobs: path of the survey by path of the annotation file.
        on_progress: called with bytes read and bytes in total, about twice a second.
        processes: how many run at the same time.

    Raises:
        DatasetRefused: one of them is not valid.
    """
    waiting = sorted((path for path, where in jobs.items() if load(where, path) is None), key=_size)
    total = sum(_size(path) for path in waiting)
    # Anonymous and shared: the children write their progress. Aligned 8-byte writes are atomic.
    read = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")
    running: list[Child] = []
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                path = waiting.pop()
                running.append(_start(path, jobs[path], read, len(waiting)))
            for child in select.select(running, [], [], SECONDS_BETWEEN)[0]:
                running.remove(child)
                child.answer()
            on_progress(sum(read), total)
    except WorkFailed as failure:
        raise DatasetRefused(str(failure)) from None
    finally:
        for child in running:
            child.stop()


def _size(path: str) -> int:
    """Return 0 for a missing file; reading it raises the error."""
    return os.path.getsize(path) if os.path.exists(path) else 0


def _start(path: str, where: str, read: memoryview, slot: int) -> Child:
    def work() -> dict[str, Any]:
        def on_bytes(done: int) -> None:
            read[slot] = done

        save(survey(path, os.path.basename(path)[: -len(".json")], on_bytes), where)
        return {}

    return Child(f"surveyed {path}", work, (DatasetRefused, OSError))
