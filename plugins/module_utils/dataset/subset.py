"""A subset of N pictures per folder, the same on every host, and annotations cut to match it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator

from ansible_collections.codetr.provision.plugins.module_utils.archive.atomic import replace_text
from ansible_collections.codetr.provision.plugins.module_utils.dataset.stream import Document
from ansible_collections.codetr.provision.plugins.module_utils.dataset.survey import Survey

TRAIN_FOLDER, VAL_FOLDER = "train2017/", "val2017/"
# LVIS's val set lies in both folders; this part of the training folder's pictures is chosen from it.
LVIS_VAL_SHARE = 4


def outline_of(found: Survey) -> dict[str, bool]:
    """What choosing needs of an annotation file: picture -> whether it has annotations."""
    bare = set(found.bare)
    return {picture: picture not in bare for picture in found.pictures}


def _rank(outlines: Iterable[dict[str, bool]], folder: str) -> list[str]:
    """The pictures of a folder: those with annotations in all files that know them first; the order is fixed but has no pattern."""
    poor: dict[str, int] = {}
    for found in outlines:
        for picture, annotated in found.items():
            if picture.startswith(folder):
                poor[picture] = poor.get(picture, 0) + (not annotated)
    return sorted(poor, key=lambda picture: (poor[picture], hashlib.sha256(picture.encode()).digest()))


def choose(outlines: dict[str, dict[str, bool]], number: int) -> dict[str, list[str]]:
    """Up to ``number`` pictures of each folder.

    Args:
        outlines: by stem of the annotation file (``instances_train2017``, ``lvis_v1_val``), as ``outline_of`` gives them.

    Returns:
        ``{"train2017": [file names, sorted], "val2017": [...]}``. Where LVIS is among them, its train and val files both keep
        pictures, and its val file keeps some of either folder, as long as there are any and ``number`` is 2 or more.
    """
    everything = list(outlines.values())
    lvis_train, lvis_val = outlines.get("lvis_v1_train", {}), outlines.get("lvis_v1_val", {})
    chosen = {}
    for folder, first, second in ((TRAIN_FOLDER, lvis_val, lvis_train), (VAL_FOLDER, lvis_train, lvis_val)):
        ranked = _rank(everything, folder)
        share = max(1, number // LVIS_VAL_SHARE) if number > 1 else 0
        minor = [picture for picture in ranked if picture in first][:share]
        major = [picture for picture in ranked if picture in second][: number - len(minor)]
        taken = dict.fromkeys([*minor, *major, *ranked])
        chosen[folder.rstrip("/")] = sorted(picture.split("/", 1)[1] for picture in list(taken)[:number])
    return chosen


def cut_file(path: str, target: str, found: Survey, chosen: frozenset[str]) -> None:
    """Write an annotation file with only the chosen pictures and their annotations; all else is as it was, and so is each entry's text.

    Args:
        target: is replaced as a whole, and may be ``path`` itself.
        found: the survey of ``path``.
        chosen: pictures, as ``train2017/...jpg``.

    Raises:
        DatasetRefused: ``path`` cannot be read.
    """
    kept = {known[0] for picture, known in found.pictures.items() if picture in chosen}
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
