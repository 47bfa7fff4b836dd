"""The layout of the data sets below the data root, from roles/codetr_datasets/files/layouts.yml."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Dict

IMAGES, ANNOTATIONS = "images", "annotations"
# Holds everything but the data: manifests, the chosen subset, archives while they are needed.
OURS = ".codetr"
Layouts = Dict[str, Dict[str, Any]]


@dataclass(frozen=True)
class Part:
    """What one archive becomes.

    Attributes:
        name: of the artifact record.
        kind: ``images`` (a folder of images) or ``annotations`` (JSON files in a folder that other files may share).
        path: the folder, below the data root. The last component of an image folder is unique among all data sets.
        below: select only members of the archive whose name starts with this.
        strip: number of leading components to drop from the members' names.
        required: JSON files that the archive must contain.
        names: regular expression for all JSON files that it contains.
        places: folders below a user's own copy of the data where the part may be.
    """

    name: str
    kind: str
    path: str
    below: str = ""
    strip: int = 0
    required: tuple[str, ...] = ()
    names: str = ""
    places: tuple[str, ...] = ()


def ours(root: str, *names: str) -> str:
    """Return a path in this project's own folder below the data root."""
    return os.path.join(root, OURS, *names)


def parts_of(layouts: Layouts, name: str, kind: str) -> list[Part]:
    """Return the parts of one kind that a data set needs."""
    parts = layouts[name].get(kind, ())
    return [Part(**{**part, "kind": kind, **{key: tuple(part.get(key, ())) for key in ("required", "places")}}) for part in parts]


def parts_for(layouts: Layouts, names: Collection[str]) -> list[Part]:
    """Return the parts that the requested data sets need, each once; annotations first, since a subset is chosen from them."""
    found = {}
    for kind in (ANNOTATIONS, IMAGES):
        for name in layouts:
            if name in names:
                found.update({part.name: part for part in parts_of(layouts, name, kind)})
    return list(found.values())


def links_for(layouts: Layouts, names: Collection[str]) -> dict[str, str]:
    """Return the links that the requested data sets need: target by path below the data root."""
    return {link: target for name in layouts if name in names for link, target in layouts[name].get("links", {}).items()}


def image_path(stem: str, image: dict[str, str]) -> str:
    """Return the image that an annotation file refers to: ``train2017/000000000009.jpg``.

    Args:
        stem: the annotation file's name without ``.json``. COCO's names end in the folder; LVIS's images have it in ``coco_url``.
        image: an entry of its ``images``.
    """
    if stem.startswith("lvis"):
        return "/".join(image["coco_url"].split("/")[-2:])
    return f"{stem.rpartition('_')[2]}/{image['file_name']}"


def expected_counts(counts: dict[str, int | None] | None, stem: str) -> dict[str, int]:
    """Return the numbers of ``images`` and ``annotations`` that a file must have; a key is absent where unknown.

    A record of COCO annotations has several files and ``train2017_images``; the others have one file and ``images``.
    """
    counts = counts or {}
    kind, _unused, split = stem.rpartition("_")
    if kind not in ("instances", "lvis_v1"):
        return {}
    prefix = f"{split}_" if kind == "instances" else ""
    found = {key: counts.get(prefix + key) for key in ("images", "annotations")}
    return {key: number for key, number in found.items() if number is not None}
