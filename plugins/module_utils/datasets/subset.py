"""Choose a subset of N images per folder, the same on every host, and cut annotations to match it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator

from ansible_collections.codetr.provision.plugins.module_utils.atomic import replace_text
from ansible_collections.codetr.provision.plugins.module_utils.datasets.stream import Document
from ansible_collections.codetr.provision.plugins.module_utils.datasets.survey import Survey

# LVIS's val set uses both folders; one in so many images of the training folder is chosen from it.
LVIS_VAL_SHARE = 4


def outline_of(found: Survey) -> dict[str, bool]:
    """Reduce a survey to what choosing needs: for each image, whether it has annotations."""
    bare = set(found.bare)
    return {image: image not in bare for image in found.image_table}


def _rank(outlines: Iterable[dict[str, bool]], folder: str) -> list[str]:
    """Sort the images of a folder: fully annotated ones first, then in a fixed pseudo-random order."""
    poor: dict[str, int] = {}
    for found in outlines:
        for image, annotated in found.items():
            if image.startswith(folder):
                poor[image] = poor.get(image, 0) + (not annotated)
    return sorted(poor, key=lambda image: (poor[image], hashlib.sha256(image.encode()).digest()))


def choose(outlines: dict[str, dict[str, bool]], number: int, folders: Iterable[str]) -> dict[str, list[str]]:
    """Choose up to ``number`` images of each folder.

    Args:
        outlines: by stem of the annotation file (``instances_train2017``, ``lvis_v1_val``), as ``outline_of`` returns them.
        folders: names of the image folders.

    Returns:
        ``{"train2017": [file names, sorted], "val2017": [...]}``. With LVIS, its train and val files both keep
        images, and its val file keeps some of either folder, as long as there are any and ``number`` is 2 or more.
    """
    everything = list(outlines.values())
    lvis_train, lvis_val = outlines.get("lvis_v1_train", {}), outlines.get("lvis_v1_val", {})
    # LVIS's other file first, which uses only a small part of the folder.
    preferred = {"train2017": (lvis_val, lvis_train), "val2017": (lvis_train, lvis_val)}
    chosen = {}
    for folder in folders:
        first, second = preferred.get(folder, ({}, {}))
        ranked = _rank(everything, f"{folder}/")
        share = max(1, number // LVIS_VAL_SHARE) if number > 1 else 0
        minor = [image for image in ranked if image in first][:share]
        major = [image for image in ranked if image in second][: number - len(minor)]
        taken = dict.fromkeys([*minor, *major, *ranked])
        chosen[folder] = sorted(image.split("/", 1)[1] for image in list(taken)[:number])
    return chosen


def cut_file(path: str, target: str, found: Survey, chosen: frozenset[str]) -> None:
    """Write an annotation file with only the chosen images and their annotations; everything else is copied unchanged.

    Args:
        target: replaced atomically; may be ``path`` itself.
        found: the survey of ``path``.
        chosen: images, as ``train2017/...jpg``.

    Raises:
        DatasetRefused: ``path`` cannot be read.
    """
    kept = {known[0] for image, known in found.image_table.items() if image in chosen}
    with Document(path) as document:
        replace_text(target, _pieces(document, kept))


def _pieces(document: Document, kept: set[int]) -> Iterator[str]:
    separator = "{"
    for key in document:
        yield f"{separator}{json.dumps(key)}:"
        separator = ","
        if document.is_list():
            yield from _list(document, {"images": "id", "annotations": "image_id"}.get(key), kept)
        else:
            yield document.value()[1]
    yield "{}" if separator == "{" else "}"


def _list(document: Document, key: str | None, kept: set[int]) -> Iterator[str]:
    """Copy the next list: the entries whose image id, found under ``key``, is kept; all entries where ``key`` is None."""
    separator = "["
    for entry, text in document.elements():
        if key is None or entry[key] in kept:
            yield separator + text
            separator = ","
    yield "[]" if separator == "[" else "]"
