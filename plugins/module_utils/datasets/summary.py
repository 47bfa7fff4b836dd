"""What the report's data page shows, made from surveys and the decoder: numbers, classes, checks, and some images with their boxes."""

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
CLASSES = {"coco": ("instances_train2017", "instances_val2017"), "lvis": ("lvis_v1_train", "lvis_v1_val")}
# Data set, annotation file, folder, how many. LVIS's val file has images of both folders, and both are shown.
SHOWN = (
    ("coco", "instances_train2017", "train2017", 4),
    ("coco", "instances_val2017", "val2017", 2),
    ("lvis", "lvis_v1_train", "train2017", 2),
    ("lvis", "lvis_v1_val", "train2017", 2),
    ("lvis", "lvis_v1_val", "val2017", 2),
)
OK, FAILED, SKIPPED = "ok", "failed", "skipped"


def small(found: Survey) -> Survey:
    """The survey without what grows with the number of images: all that a summary needs of it."""
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
    """The content of ``.codetr/summary.json``.

    Args:
        subset: images of each folder; 0 for all.
        folders: ``{"name", "images", "bytes", "source", "path"}``, ``source`` one of archive, adopted, linked.
        surveys: of all annotation files, as they are in place; ``small`` ones do.
        checks: as ``checks_of`` gives them.
        samples: as ``shown`` gives them.
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
    told = ("images", "annotations", "categories", "bytes", "invalid_boxes")
    return {"name": f"{found.stem}.json", **{key: getattr(found, key) for key in told}}


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
    """What was looked at, ``{"name", "status", "detail"}`` each; ``status`` is ok, failed or skipped.

    Call it when ``check``'s functions have passed the surveys: what they refuse is ok here.

    Args:
        surveys: of all annotation files; ``small`` ones do.
        counts: by stem, the counts of the file's artifact record; empty for a subset.
        images: how many there are in all folders.
        decoded: what came of decoding; None where no interpreter had PIL.
    """
    annotations = sum(found.annotations for found in surveys)
    compared = [found.stem for found in surveys if expected_counts(counts.get(found.stem), found.stem)]
    invalid = sum(found.invalid_boxes for found in surveys)
    return [
        _check("annotation files", OK, f"{len(surveys)} files read to their end, {annotations} annotations, each of an image of its file"),
        _check("images", OK, f"every image that a file names is there, {images} in all"),
        _check("counts", OK, f"as the records say: {', '.join(compared)}")
        if compared
        else _check("counts", SKIPPED, "nothing to compare with: this is a subset, or the records have no counts"),
        _check("boxes", OK, f"{invalid} of {annotations} annotations have a box without area or partly outside its image"),
        _decoding(images, decoded),
    ]


def _check(name: str, status: str, detail: str) -> dict[str, str]:
    return {"name": name, "status": status, "detail": detail}


def _decoding(images: int, decoded: Decoded | None) -> dict[str, str]:
    name = "decoding"
    if decoded is None:
        return _check(name, SKIPPED, "nothing was decoded: no Python with PIL was found. Install python3-pil and run again.")
    if decoded.faults:
        first = min(decoded.faults)
        return _check(name, FAILED, f"{len(decoded.faults)} of {decoded.looked} images: {first} {decoded.faults[first]}")
    return _check(name, OK, f"{decoded.looked} of {images} images decoded whole, with the sizes that the annotations say")


def shown(root: str, surveys: Sequence[Survey], folder: str, python: str | None) -> list[dict[str, Any]]:
    """Some images with their boxes, and their small copies made.

    Args:
        surveys: of all annotation files; ``small`` ones do.
        folder: where the copies go; made where it is missing.
        python: as ``decoder`` found it; None makes no copies.

    Returns:
        ``{"set", "file", "image", "width", "height", "boxes": [[x, y, width, height, class]]}``, pixels of the original. ``file`` is
        a name in ``folder``, empty where there is no copy. A image whose size nobody knows is left out.
    """
    by_stem = {found.stem: found for found in surveys}
    samples: list[dict[str, Any]] = []
    for name, stem, split, number in SHOWN:
        found = by_stem[stem].samples if stem in by_stem else []
        mine = [sample for sample in found if sample["image"].startswith(f"{split}/")][:number]
        samples += [{"set": name, "file": "", **sample} for sample in mine]
    if python is not None:
        _draw(root, samples, folder, python)
    return [sample for sample in samples if sample["width"] and sample["height"]]


def _draw(root: str, samples: list[dict[str, Any]], folder: str, python: str) -> None:
    """Give each sample its file, and the size that the image has."""
    os.makedirs(folder, exist_ok=True)
    files: dict[str, dict[str, Any]] = {}
    for sample in samples:
        number = 1 + sum(other["set"] == sample["set"] for other in files.values())
        files[f"data-{sample['set']}-{number:02}.jpg"] = sample
    wanted = [
        Job(name, os.path.join(root, "coco", sample["image"]), thumbnail=os.path.join(folder, name)) for name, sample in files.items()
    ]
    for name, (width, height) in decode(python, wanted, lambda done: None).sizes.items():
        files[name].update(file=name, width=width, height=height)
