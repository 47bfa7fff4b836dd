"""A subset of N images per folder, the same on every host, and annotations cut to match it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator

from ansible_collections.codetr.provision.plugins.module_utils.atomic import replace_text
from ansible_collections.codetr.provision.plugins.module_utils.datasets.stream import Document
from ansible_collections.codetr.provision.plugins.module_utils.datasets.survey import Survey

TRAIN_FOLDER, VAL_FOLDER = "train2017/", "val2017/"
# LVIS's val set lies in both folders; this part of the training folder's images is chosen from it.
LVIS_VAL_SHARE = 4


def outline_of(found: Survey) -> dict[str, bool]:
    """What choosing needs of an annotation file: image -> whether it has annotations."""
    bare = set(found.bare)
    return {image: image not in bare for image in found.image_table}


def _rank(outlines: Iterable[dict[str, bool]], folder: str) -> list[str]:
    """The images of a folder: those with annotations in all files that know them first; the order is fixed but has no pattern."""
    poor: dict[str, int] = {}
    for found in outlines:
        for image, annotated in found.items():
            if image.startswith(folder):
                poor[image] = poor.get(image, 0) + (not annotated)
    return sorted(poor, key=lambda image: (poor[image], hashlib.sha256(image.encode()).digest()))


def choose(outlines: dict[str, dict[str, bool]], number: int) -> dict[str, list[str]]:
    """Up to ``number`` images of each folder.

    Args:
        outlines: by stem of the annotation file (``instances_train2017``, ``lvis_v1_val``), as ``outline_of`` gives them.

    Returns:
        ``{"train2017": [file names, sorted], "val2017": [...]}``. Where LVIS is among them, its train and val files both keep
        images, and its val file keeps some of either folder, as long as there are any and ``number`` is 2 or more.
    """
    everything = list(outlines.values())
    lvis_train, lvis_val = outlines.get("lvis_v1_train", {}), outlines.get("lvis_v1_val", {})
    chosen = {}
    for folder, first, second in ((TRAIN_FOLDER, lvis_val, lvis_train), (VAL_FOLDER, lvis_train, lvis_val)):
        ranked = _rank(everything, folder)
        share = max(1, number // LVIS_VAL_SHARE) if number > 1 else 0
        minor = [image for image in ranked if image in first][:share]
        major = [image for image in ranked if image in second][: number - len(minor)]
        taken = dict.fromkeys([*minor, *major, *ranked])
        chosen[folder.rstrip("/")] = sorted(image.split("/", 1)[1] for image in list(taken)[:number])
    return chosen


def cut_file(path: str, target: str, found: Survey, chosen: frozenset[str]) -> None:
    """Write an annotation file with only the chosen images and their annotations; all else is as it was, and so is each entry's text.

    Args:
        target: is replaced as a whole, and may be ``path`` itself.
        found: the survey of ``path``.
        chosen: images, as ``train2017/...jpg``.

    Raises:
        DatasetRefused: ``path`` cannot be read.
    """
    kept = {known[0] for image, known in found.image_table.items() if image in chosen}
    with Document(path) as document:
        replace_text(target, _pieces(document, kept))


def _pieces(document: Document, kept: set[int]) -> Iterator[str]:
    mark = "{"
    for key in document:
        yield f"{mark}{json.dumps(key)}:"
        mark = ","
        if document.is_list():
            yield from _list(document, {"images": "id", "annotations": "image_id"}.get(key), kept)
        else:
            yield document.value()[1]
    yield "{}" if mark == "{" else "}"


def _list(document: Document, tells: str | None, kept: set[int]) -> Iterator[str]:
    """The list that comes next: all entries, or where ``tells`` is the key that has their image's id, the kept ones."""
    mark = "["
    for entry, text in document.elements():
        if tells is None or entry[tells] in kept:
            yield mark + text
            mark = ","
    yield "[]" if mark == "[" else "]"
