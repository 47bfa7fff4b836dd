"""Build the content of the report's data page: numbers, classes, checks, and sample images with boxes."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.datasets.decode import Decoded, Job, decode
from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import expected_counts
from ansible_collections.codetr.provision.plugins.module_utils.datasets.survey import Survey

SCHEMA = 1
# The report draws classes and samples of these data sets.
CLASSES = {"coco": ("instances_train2017", "instances_val2017"), "lvis": ("lvis_v1_train", "lvis_v1_val")}
# Data set, annotation file, folder, number of samples. LVIS's val file uses both folders.
SHOWN = (
    ("coco", "instances_train2017", "train2017", 4),
    ("coco", "instances_val2017", "val2017", 2),
    ("lvis", "lvis_v1_train", "train2017", 2),
    ("lvis", "lvis_v1_val", "train2017", 2),
    ("lvis", "lvis_v1_val", "val2017", 2),
)
OK, FAILED, SKIPPED = "ok", "failed", "skipped"


def small(found: Survey) -> Survey:
    """Drop what grows with the number of images; a summary does not need it."""
    return replace(found, image_table={}, bare=[])


def summary(
    root: str,
    subset: int,
    stand_in: bool,
    folders: Sequence[dict[str, Any]],
    surveys: Sequence[Survey],
    checks: Sequence[dict[str, str]],
    samples: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Return the content of ``.codetr/summary.json``.

    Args:
        subset: images of each folder; 0 for all.
        folders: ``{"name", "images", "bytes", "source", "path"}``, ``source`` one of archive, adopted, linked.
        surveys: of all annotation files in place; ``small`` ones suffice.
        checks: as ``checks_of`` returns them.
        samples: as ``shown`` returns them.
    """
    by_stem = {found.stem: found for found in surveys}
    return {
        "schema": SCHEMA,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "root": root,
        "stand_in": stand_in,
        "subset": subset,
        "folders": list(folders),
        "files": [_file(by_stem[stem]) for stem in sorted(by_stem)],
        "classes": {name: _classes([by_stem[stem] for stem in stems if stem in by_stem]) for name, stems in CLASSES.items()},
        "checks": list(checks),
        "samples": list(samples),
    }


def _file(found: Survey) -> dict[str, Any]:
    keys = ("images", "annotations", "categories", "bytes", "invalid_boxes")
    return {"name": f"{found.stem}.json", **{key: getattr(found, key) for key in keys}}


def _classes(surveys: list[Survey]) -> list[list[Any]]:
    total: dict[str, int] = {}
    for found in surveys:
        for name, number in found.classes.items():
            total[name] = total.get(name, 0) + number
    return [[name, number] for name, number in sorted(total.items(), key=lambda one: (-one[1], one[0]))]


def checks_of(
    surveys: Sequence[Survey],
    counts: Mapping[str, dict[str, Any] | None],
    images: int,
    decoded: Decoded | None,
) -> list[dict[str, str]]:
    """List the checks made, ``{"name", "status", "detail"}`` each; ``status`` is ok, failed or skipped.

    Call it after ``check``'s functions have passed the surveys: it reports their checks as ok.

    Args:
        surveys: of all annotation files; ``small`` ones suffice.
        counts: by stem, the counts of the file's artifact record; empty for a subset.
        images: their number in all folders.
        decoded: the results of decoding; None where no interpreter has PIL.
    """
    annotations = sum(found.annotations for found in surveys)
    compared = [found.stem for found in surveys if expected_counts(counts.get(found.stem), found.stem)]
    invalid = sum(found.invalid_boxes for found in surveys)
    return [
        _check("annotation files", OK, f"{len(surveys)} files read, {annotations} annotations, each of an image listed in its file"),
        _check("images", OK, f"every listed image exists, {images} in all"),
        _check("counts", OK, f"as in the records: {', '.join(compared)}")
        if compared
        else _check("counts", SKIPPED, "not compared: this is a subset, or the records have no counts"),
        _check("boxes", OK, f"{invalid} of {annotations} annotations have a box without area or partly outside its image"),
        _decoding(images, decoded),
    ]


def _check(name: str, status: str, detail: str) -> dict[str, str]:
    return {"name": name, "status": status, "detail": detail}


def _decoding(images: int, decoded: Decoded | None) -> dict[str, str]:
    name = "decoding"
    if decoded is None:
        return _check(name, SKIPPED, "no image was decoded: no Python with PIL was found. Install python3-pil and run again.")
    if decoded.faults:
        first = min(decoded.faults)
        return _check(name, FAILED, f"{len(decoded.faults)} of {decoded.checked} images: {first} {decoded.faults[first]}")
    return _check(name, OK, f"{decoded.checked} of {images} images decoded completely, with the annotated sizes")


def shown(folders: Mapping[str, str], surveys: Sequence[Survey], target: str, python: str | None) -> list[dict[str, Any]]:
    """Select sample images with their boxes, and make small copies of them.

    Args:
        folders: path of each image folder, by name.
        surveys: of all annotation files; ``small`` ones suffice.
        target: folder for the copies; created where missing.
        python: as ``decoder`` returns it; None makes no copies.

    Returns:
        ``{"set", "file", "image", "width", "height", "boxes": [[x, y, width, height, class]]}``, pixels of the original. ``file`` is
        a name in ``target``, empty where there is no copy. An image of unknown size is left out.
    """
    by_stem = {found.stem: found for found in surveys}
    samples: list[dict[str, Any]] = []
    for name, stem, split, number in SHOWN:
        found = by_stem[stem].samples if stem in by_stem else []
        mine = [sample for sample in found if sample["image"].startswith(f"{split}/")][:number]
        samples += [{"set": name, "file": "", **sample} for sample in mine]
    if python is not None:
        _draw(folders, samples, target, python)
    return [sample for sample in samples if sample["width"] and sample["height"]]


def _draw(folders: Mapping[str, str], samples: list[dict[str, Any]], target: str, python: str) -> None:
    """Make the thumbnails, and set each sample's file and size."""
    os.makedirs(target, exist_ok=True)
    files: dict[str, dict[str, Any]] = {}
    for sample in samples:
        number = 1 + sum(other["set"] == sample["set"] for other in files.values())
        files[f"data-{sample['set']}-{number:02}.jpg"] = sample
    images = [
        Job(name, _path(folders, sample["image"]), thumbnail=os.path.join(target, name)) for name, sample in files.items()
    ]
    for name, (width, height) in decode(python, images, lambda done: None).sizes.items():
        files[name].update(file=name, width=width, height=height)


def _path(folders: Mapping[str, str], image: str) -> str:
    folder, _unused, name = image.partition("/")
    return os.path.join(folders[folder], name)
