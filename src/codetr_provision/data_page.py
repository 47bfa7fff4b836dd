"""The page about the data: its checks, folders and files, sample images with their boxes, and annotations per class."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from codetr_provision import boxes, page, wording
from codetr_provision.data_result import FEW_ANNOTATIONS, SETS, DataResult, Sample
from codetr_provision.model import RunResult

PAGE = "data.html"
# Per host and set, so that the page stays at a few megabytes whatever the data.
MOST_SAMPLES = 12
# roles/codetr_verify/tasks/data.yml fetches none that is larger
MOST_SAMPLE_BYTES = 200 * 1024
MOST_CLASSES, MOST_FREQUENT, RAREST = 100, 40, 20
MOST_LEGEND = 10
MOST_FILE_NAME = 100


@dataclass(frozen=True)
class Tile:
    """An image of the grid; `uri` is empty when there is no thumbnail, `label` describes it for screen readers."""

    image: str
    uri: str
    label: str
    drawing: boxes.Drawing
    notes: list[str]


@dataclass(frozen=True)
class Bar:
    """One class; `share` of the chart's width, 0 to 100."""

    name: str
    count: int
    share: float


@dataclass(frozen=True)
class Chart:
    """The classes of one set; `decades` is how many powers of ten the width spans, equal for all groups."""

    title: str
    note: str
    decades: float
    groups: list[tuple[str, list[Bar]]]


def sample_files(folder: Path, data: DataResult) -> list[Path]:
    """The thumbnails in `folder` that the page shows."""
    named = [_file(folder, sample) for which in SETS for sample in _shown(data, which)]
    return [path for path in dict.fromkeys(named) if path is not None and path.is_file()]


def anchors(run: RunResult) -> dict[str, str]:
    """The page's anchor of each host with data."""
    return {host.name: f"host-{number}" for number, host in enumerate(run.hosts, 1) if host.data is not None}


def render(run: RunResult, folders: Path) -> str | None:
    """The page as text, with thumbnails from `folders`/<host>/; None when no host has data."""
    data_of = {host.name: host.data for host in run.hosts if host.data is not None}
    if not data_of:
        return None
    return page.render(
        "data.html.j2", run=run, hosts=len(data_of), anchors=anchors(run), sets=SETS, most_legend=MOST_LEGEND,
        stand_ins=[name for name, data in data_of.items() if data.stand_in],
        tiles={name: {which: list(_tiles(name, data, which, folders)) for which in SETS} for name, data in data_of.items()},
        left_out={name: {which: len(_of(data, which)) - len(_shown(data, which)) for which in SETS} for name, data in data_of.items()},
        charts={name: list(_charts(data)) for name, data in data_of.items()},
    )


def bars(classes: Sequence[tuple[str, int]], decades: float) -> list[Bar]:
    """A bar for each class, on a logarithmic scale that begins at one annotation and spans `decades` powers of ten."""
    return [Bar(name, count, round(100 * math.log10(count) / decades, 1) if count else 0.0) for name, count in classes]


def _of(data: DataResult, which: str) -> list[Sample]:
    return [sample for sample in data.samples if sample.set == which]


def _shown(data: DataResult, which: str) -> list[Sample]:
    return _of(data, which)[:MOST_SAMPLES]


def _file(folder: Path, sample: Sample) -> Path | None:
    """The path of the thumbnail; None for a name that the role codetr_datasets does not use."""
    fits = len(sample.file) <= MOST_FILE_NAME and sample.file.startswith("data-") and sample.file.endswith(".jpg")
    return page.inside(folder, sample.file) if fits else None


def _tiles(host: str, data: DataResult, which: str, folders: Path) -> Iterator[Tile]:
    folder = page.inside(folders, host)
    for sample in _shown(data, which):
        path = _file(folder, sample) if folder is not None else None
        uri = page.embedded(path, MOST_SAMPLE_BYTES) if path is not None else ""
        drawing = boxes.draw(sample.width, sample.height, sample.boxes)
        classes = ", ".join(f"{entry.count} {wording.short(entry.name)}" for entry in drawing.legend[:MOST_LEGEND]) or "none"
        yield Tile(sample.image, uri, f"{SETS[which]} image {sample.image}, boxes: {classes}", drawing, list(_notes(uri, drawing)))


def _notes(uri: str, drawing: boxes.Drawing) -> Iterator[str]:
    if not uri:
        yield "No thumbnail of this image."
    if drawing.outside:
        yield f"{wording.count(drawing.outside, 'box', 'boxes')} outside the image or without a size, not drawn."
    if drawing.more:
        yield f"{wording.count(drawing.more, 'smaller box', 'smaller boxes')} not drawn."


def _charts(data: DataResult) -> Iterator[Chart]:
    for which, title in SETS.items():
        classes = data.classes.of(which)
        if not classes:
            continue
        decades = max(1.0, math.log10(max(classes[0][1], 1)))
        groups = [(name, bars(some, decades)) for name, some in _groups(which, classes)]
        yield Chart(f"{title}: annotations of each class", _note(which, classes, groups), decades, groups)


def _groups(which: str, classes: list[tuple[str, int]]) -> list[tuple[str, list[tuple[str, int]]]]:
    if which == "coco" or len(classes) <= MOST_FREQUENT + RAREST:
        some = classes[:MOST_CLASSES]
        return [(f"All {len(some)} classes" if len(some) == len(classes) else f"The {MOST_CLASSES} most frequent", some)]
    return [(f"The {MOST_FREQUENT} most frequent", classes[:MOST_FREQUENT]), (f"The {RAREST} rarest", classes[-RAREST:])]


def _note(which: str, classes: list[tuple[str, int]], groups: list[tuple[str, list[Bar]]]) -> str:
    few = sum(count < FEW_ANNOTATIONS for _, count in classes)
    shown = sum(len(some) for _, some in groups)
    parts = [f"{wording.count(len(classes), 'class', 'classes')} in all{f', {shown} of them shown' if shown < len(classes) else ''}."]
    if few:
        none = sum(count == 0 for _, count in classes)
        parts.append(f"{few:,} have fewer than {FEW_ANNOTATIONS} annotations{f', {none:,} of them none' if none else ''}.")
    if which == "lvis":
        parts.append("LVIS itself counts images: it calls a class rare that is in 1 to 10 of the training set.")
    return " ".join(parts)
