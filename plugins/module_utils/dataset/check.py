"""Whether an annotation file is what its record says, and every picture that it names is there."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.dataset.layout import expected_counts, image_path

FETCH_AGAIN = "Remove {path} and run again: it is then made anew from the archive"


class DatasetRefused(Exception):
    """The data set is not in order. The text is for people: what is wrong and what to do."""


def load(path: str) -> dict[str, Any]:
    """The parsed file, with its lists of images and annotations.

    Raises:
        DatasetRefused: it is not such a file.
    """
    try:
        with open(path, encoding="utf-8") as handle:
            document = json.load(handle)
    except FileNotFoundError:
        raise DatasetRefused(f"There is no {path}. Run again: it is then made anew from the archive.") from None
    except (OSError, ValueError) as error:
        raise DatasetRefused(f"{path} is no JSON that can be read ({error}). {FETCH_AGAIN.format(path=path)}.") from None
    except MemoryError:
        size = os.path.getsize(path)
        raise DatasetRefused(f"{path} ({size} bytes) does not fit into memory. Training reads it whole too: use a larger host.") from None
    if not isinstance(document, dict) or not all(isinstance(document.get(key), list) for key in ("images", "annotations")):
        raise DatasetRefused(f"{path} has no lists called images and annotations. {FETCH_AGAIN.format(path=path)}.")
    return document


def judge_counts(document: dict[str, Any], path: str, stem: str, counts: dict[str, Any] | None) -> dict[str, int]:
    """The file's counts of images and annotations.

    Raises:
        DatasetRefused: the record says other ones.
    """
    got = {key: len(document[key]) for key in ("images", "annotations")}
    for key, number in expected_counts(counts, stem).items():
        if got[key] != number:
            way_out = FETCH_AGAIN.format(path=path)
            raise DatasetRefused(f"{path} has {got[key]} {key} where its record says {number}. {way_out}, or correct the record's counts.")
    return got


def judge_images(document: dict[str, Any], path: str, stem: str, pictures: dict[str, set[str]], root: str) -> None:
    """Every picture that the file names is in its folder, and every annotation belongs to a picture of the file.

    Args:
        pictures: names by folder (``train2017``, ``val2017``).

    Raises:
        DatasetRefused: one is not; the text names the first.
    """
    missing = []
    for image in document["images"]:
        folder, _, name = image_path(stem, image).partition("/")
        if name not in pictures.get(folder, ()):
            missing.append(f"{folder}/{name}")
    if missing:
        raise DatasetRefused(
            f"{path} names {len(missing)} images that are not below {root}/coco, the first is {min(missing)}. "
            "Remove the folder it belongs to and run again: it is then made anew from the archive.",
        )
    known = {image["id"] for image in document["images"]}
    stray = sum(entry["image_id"] not in known for entry in document["annotations"])
    if stray:
        raise DatasetRefused(f"{path} has {stray} annotations of images that it does not list. {FETCH_AGAIN.format(path=path)}.")


def pictures_below(root: str) -> dict[str, set[str]]:
    """The names in COCO's two image folders; an absent folder is empty."""
    found = {}
    for folder in ("train2017", "val2017"):
        path = os.path.join(root, "coco", folder)
        found[folder] = set(os.listdir(path)) if os.path.isdir(path) else set()
    return found
