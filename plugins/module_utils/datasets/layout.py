"""Where each part of COCO 2017 and LVIS v1 lies below the data root, as Co-DETR's configs expect it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

IMAGES, ANNOTATIONS = "images", "annotations"
# Everything of ours that is no data lies here: manifests, the subset's choice, archives while they are needed.
OURS = ".codetr"
# LVIS has no images of its own.
LINKS = {"lvis_v1/train2017": "../coco/train2017", "lvis_v1/val2017": "../coco/val2017"}


@dataclass(frozen=True)
class Part:
    """What one archive becomes.

    Attributes:
        name: of the artifact record.
        kind: ``images`` (a folder of images) or ``annotations`` (JSON files in a folder that others may share).
        path: the folder, below the data root.
        below, strip: which members of the archive, and how many leading parts of their names go.
        required: JSON files that must come out of it.
        names: regular expression for all JSON files that it has.
        places: folders below somebody's own copy of the data where the part is found.
    """

    name: str
    kind: str
    path: str
    below: str = ""
    strip: int = 0
    required: tuple[str, ...] = ()
    names: str = ""
    places: tuple[str, ...] = ()


def _images(name: str, folder: str) -> Part:
    places = (f"coco/{folder}", folder, f"coco/images/{folder}", f"images/{folder}")
    return Part(name, IMAGES, f"coco/{folder}", f"{folder}/", 1, places=places)


def _lvis(name: str, file: str) -> Part:
    places = ("lvis_v1/annotations", "lvis_v1", "lvis/annotations", "lvis", "annotations", ".")
    return Part(name, ANNOTATIONS, "lvis_v1/annotations", required=(file,), names=re.escape(file), places=places)


TRAIN = _images("coco-train2017", "train2017")
VAL = _images("coco-val2017", "val2017")
COCO = Part(
    "coco-annotations-trainval2017",
    ANNOTATIONS,
    "coco/annotations",
    "annotations/",
    1,
    ("instances_train2017.json", "instances_val2017.json"),
    r"(instances|captions|person_keypoints)_(train|val)2017\.json",
    ("coco/annotations", "annotations"),
)
LVIS_TRAIN = _lvis("lvis-v1-train", "lvis_v1_train.json")
LVIS_VAL = _lvis("lvis-v1-val", "lvis_v1_val.json")


def ours(root: str, *names: str) -> str:
    """A path in our own folder below the data root."""
    return os.path.join(root, OURS, *names)


def parts_for(names: list[str]) -> list[Part]:
    """The parts that the requested data sets (``coco``, ``lvis``) need, annotations first: a subset is chosen from them."""
    parts = [COCO] if "coco" in names else []
    parts += [LVIS_TRAIN, LVIS_VAL] if "lvis" in names else []
    return [*parts, VAL, TRAIN] if parts else []


def image_path(stem: str, image: dict[str, str]) -> str:
    """Which image an annotation file means: ``train2017/000000000009.jpg``.

    Args:
        stem: the annotation file's name without ``.json``: COCO's names end in the folder, LVIS's images say it in ``coco_url``.
        image: an entry of its ``images``.
    """
    if stem.startswith("lvis"):
        return "/".join(image["coco_url"].split("/")[-2:])
    return f"{stem.rpartition('_')[2]}/{image['file_name']}"


def expected_counts(counts: dict[str, int | None] | None, stem: str) -> dict[str, int]:
    """How many ``images`` and ``annotations`` a file must have; a key is absent where nobody knows.

    The record of COCO's annotations is about two files and says ``train2017_images``; the others are about one and say ``images``.
    """
    counts = counts or {}
    kind, _unused, split = stem.rpartition("_")
    if kind not in ("instances", "lvis_v1"):
        return {}
    prefix = f"{split}_" if kind == "instances" else ""
    found = {key: counts.get(prefix + key) for key in ("images", "annotations")}
    return {key: number for key, number in found.items() if number is not None}
