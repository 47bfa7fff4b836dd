"""A subset of N pictures per folder, the same on every host, and annotations cut to match it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.dataset.layout import image_path

TRAIN_FOLDER, VAL_FOLDER = "train2017/", "val2017/"
# LVIS's val set lies in both folders; this part of the training folder's pictures is chosen from it.
LVIS_VAL_SHARE = 4


def outline(document: dict[str, Any], stem: str) -> dict[str, bool]:
    """What choosing needs of an annotation file, so that the file itself can leave memory: picture -> whether it has annotations."""
    annotated = {annotation["image_id"] for annotation in document["annotations"]}
    return {image_path(stem, image): image["id"] in annotated for image in document["images"]}


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
        outlines: by stem of the annotation file (``instances_train2017``, ``lvis_v1_val``), as ``outline`` gives them.

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


def cut(document: dict[str, Any], stem: str, chosen: frozenset[str]) -> dict[str, Any]:
    """The document with only the chosen pictures (``train2017/...jpg``) and their annotations; all else as it was."""
    images = [image for image in document["images"] if image_path(stem, image) in chosen]
    kept = {image["id"] for image in images}
    return {**document, "images": images, "annotations": [entry for entry in document["annotations"] if entry["image_id"] in kept]}
