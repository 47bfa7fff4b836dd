"""Where each part of COCO 2017 and LVIS v1 lies below the data root, as Co-DETR's configs expect it."""

from __future__ import annotations

from dataclasses import dataclass

IMAGES, ANNOTATIONS = "images", "annotations"
# Everything of ours that is no data lies here: manifests, the subset's choice, archives while they are needed.
OURS = ".codetr"
# LVIS has no pictures of its own.
LINKS = {"lvis_v1/train2017": "../coco/train2017", "lvis_v1/val2017": "../coco/val2017"}


@dataclass(frozen=True)
class Part:
    """What one archive becomes.

    Attributes:
        name: of the artifact record.
        kind: ``images`` (a folder of pictures) or ``annotations`` (JSON files in a folder that others may share).
        path: the folder, below the data root.
        below, strip: which members of the archive, and how many leading parts of their names go.
        required: JSON files that must come out of it.
    """

    name: str
    kind: str
    path: str
    below: str = ""
    strip: int = 0
    required: tuple[str, ...] = ()


TRAIN = Part("coco-train2017", IMAGES, "coco/train2017", "train2017/", 1)
VAL = Part("coco-val2017", IMAGES, "coco/val2017", "val2017/", 1)
COCO = Part(
    "coco-annotations-trainval2017",
    ANNOTATIONS,
    "coco/annotations",
    "annotations/",
    1,
    ("instances_train2017.json", "instances_val2017.json"),
)
LVIS_TRAIN = Part("lvis-v1-train", ANNOTATIONS, "lvis_v1/annotations", required=("lvis_v1_train.json",))
LVIS_VAL = Part("lvis-v1-val", ANNOTATIONS, "lvis_v1/annotations", required=("lvis_v1_val.json",))


def parts_for(names: list[str]) -> list[Part]:
    """The parts that the wished data sets (``coco``, ``lvis``) need, annotations first: a subset is chosen from them."""
    parts = [COCO] if "coco" in names else []
    parts += [LVIS_TRAIN, LVIS_VAL] if "lvis" in names else []
    return [*parts, VAL, TRAIN] if parts else []


def image_path(stem: str, image: dict[str, str]) -> str:
    """Which picture an annotation file means: ``train2017/000000000009.jpg``.

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
    kind, _, split = stem.rpartition("_")
    if kind not in ("instances", "lvis_v1"):
        return {}
    prefix = f"{split}_" if kind == "instances" else ""
    found = {key: counts.get(prefix + key) for key in ("images", "annotations")}
    return {key: number for key, number in found.items() if number is not None}
