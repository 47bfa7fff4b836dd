"""The summary of a host's data: data.json (on the host `<data root>/.codetr/summary.json`). Sizes are bytes, boxes are pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from codetr_provision import wording

# More than any data set has of anything; larger numbers would make sums, bars and images meaningless.
MOST = 10**15
MOST_SIDE = 100_000
FEW_ANNOTATIONS = 11
SETS = {"coco": "COCO", "lvis": "LVIS"}
Box = tuple[float, float, float, float, str]  # x and y of the upper left corner, width, height, name of the class


def _within(least: float, most: float, **numbers: float) -> None:
    for name, number in numbers.items():
        # written so that NaN fails as well
        if not least <= number <= most:
            raise ValueError(f"{name} is {str(number)[:20]}, which is out of range")


@dataclass
class DataFolder:
    """A folder of images."""

    name: str
    images: int
    bytes: int
    source: str = ""
    path: str = ""

    def __post_init__(self) -> None:
        _within(0, MOST, images=self.images, bytes=self.bytes)


@dataclass
class DataFile:
    """An annotation file; `categories` is None for a file without any."""

    name: str
    images: int
    annotations: int
    bytes: int
    categories: int | None = None
    invalid_boxes: int = 0

    def __post_init__(self) -> None:
        numbers = {"images": self.images, "annotations": self.annotations, "bytes": self.bytes, "invalid_boxes": self.invalid_boxes}
        _within(0, MOST, **numbers, categories=self.categories or 0)


@dataclass
class DataCheck:
    """One check of the data when it was installed: `ok`, `failed` or `skipped`."""

    name: str
    status: str
    detail: str = ""


@dataclass
class Sample:
    """An image with its boxes; `file` is its thumbnail, empty without one. All numbers are pixels of the original."""

    set: Literal["coco", "lvis"]
    image: str
    width: int
    height: int
    boxes: list[Box] = field(default_factory=list)
    file: str = ""

    def __post_init__(self) -> None:
        _within(1, MOST_SIDE, width=self.width, height=self.height)
        for x, y, width, height, _ in self.boxes:
            _within(-MOST, MOST, x=x, y=y, width=width, height=height)


@dataclass
class Classes:
    """The number of annotations of each class, largest first."""

    coco: list[tuple[str, int]] = field(default_factory=list)
    lvis: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for counts in (self.coco, self.lvis):
            for _, count in counts:
                _within(0, MOST, count=count)
            counts.sort(key=lambda one: -one[1])

    def of(self, which: str) -> list[tuple[str, int]]:
        """The classes of `coco` or `lvis`."""
        return self.lvis if which == "lvis" else self.coco


@dataclass
class DataResult:
    """data.json as the host wrote it."""

    root: str
    at: str = ""
    stand_in: bool = False
    subset: int = 0  # images of each folder; 0 is all
    folders: list[DataFolder] = field(default_factory=list)
    files: list[DataFile] = field(default_factory=list)
    classes: Classes = field(default_factory=Classes)
    checks: list[DataCheck] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    def __post_init__(self) -> None:
        _within(0, MOST, subset=self.subset)

    @property
    def failed(self) -> list[DataCheck]:
        """The checks that did not pass."""
        return [check for check in self.checks if check.status not in ("ok", "skipped")]

    @property
    def passed(self) -> int:
        """How many checks passed."""
        return sum(check.status == "ok" for check in self.checks)

    @property
    def images(self) -> int:
        """The number of images; those in two places count once, since LVIS uses COCO's."""
        most: dict[str, int] = {}
        for folder in self.folders:
            name = PurePosixPath(folder.name).name
            most[name] = max(folder.images, most.get(name, 0))
        return sum(most.values())

    @property
    def outcome(self) -> str:
        """The outcome of the checks, in words."""
        if self.failed:
            names = ", ".join(wording.short(check.name) for check in self.failed[:3])
            return f"{len(self.failed)} of {wording.count(len(self.checks), 'check')} failed: {names}{', ...' if self.failed[3:] else ''}"
        if not self.passed:
            return "nothing was checked"
        skipped = len(self.checks) - self.passed
        return f"{wording.count(self.passed, 'check')} passed{f', {skipped} skipped' if skipped else ''}"

    @property
    def sentence(self) -> str:
        """The amount of data and the outcome of its checks, for the report's first page."""
        subset = f" (a subset: at most {wording.count(self.subset, 'image')} of each folder)" if self.subset else ""
        counted = [_counted(SETS[which], self.classes.of(which)) for which in SETS if self.classes.of(which)]
        return "; ".join([f"{wording.count(self.images, 'image')}{subset}", *counted, self.outcome])


def _counted(title: str, classes: Iterable[tuple[str, int]]) -> str:
    counts = [count for _, count in classes]
    return f"{wording.count(sum(counts), f'{title} annotation')} in {wording.count(len(counts), 'class', 'classes')}"
