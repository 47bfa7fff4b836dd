"""Whether a surveyed annotation file is what its record says, and every image that it names is there and can be read."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.datasets.decode import Decoded
from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import LINKS, expected_counts
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import FETCH_AGAIN, DatasetRefused
from ansible_collections.codetr.provision.plugins.module_utils.datasets.survey import Survey


def check_numbers(found: Survey, path: str, counts: dict[str, Any] | None) -> dict[str, int]:
    """The file's numbers of images and annotations.

    Args:
        path: of the file, for the sentence.
        counts: of its artifact record; None for no expectation (a subset).

    Raises:
        DatasetRefused: the record says other ones.
    """
    got = {"images": found.images, "annotations": found.annotations}
    for key, number in expected_counts(counts, found.stem).items():
        if got[key] != number:
            fix = FETCH_AGAIN.format(path=path)
            raise DatasetRefused(f"{path} has {got[key]} {key} where its record says {number}. {fix}, or correct the record's counts.")
    return got


def check_images(found: Survey, path: str, there: Mapping[str, Collection[str]], root: str) -> None:
    """Every image that the file names is in its folder, and every annotation belongs to an image of the file.

    Args:
        there: names by folder, as ``images_below`` gives them.

    Raises:
        DatasetRefused: one is not; the text names the first.
    """
    missing = [image for image in found.image_table if not _is_there(image, there)]
    if missing:
        raise DatasetRefused(
            f"{path} names {len(missing)} images that are not below {root}/coco, the first is {min(missing)}. "
            "Move the folder it belongs to away and run again: it is then made anew from the archive.",
        )
    if found.strays:
        raise DatasetRefused(f"{path} has {found.strays} annotations of images that it does not list. {FETCH_AGAIN.format(path=path)}.")


def _is_there(image: str, there: Mapping[str, Collection[str]]) -> bool:
    folder, _unused, name = image.partition("/")
    return name in there.get(folder, ())


def check_links(found: Survey, path: str, linked: Collection[str], root: str) -> None:
    """Every folder that an LVIS file names is to be reached from LVIS's own folder; its val file names both.

    Args:
        linked: folders, as ``linked_folders`` gives them.

    Raises:
        DatasetRefused: one is not.
    """
    named = {image.partition("/")[0] for image in found.image_table}
    for folder in sorted(named - set(linked)):
        what = f"{path} names images in {folder}, and {root}/lvis_v1/{folder} leads to no folder"
        raise DatasetRefused(f"{what}. Move away what is there and run again: the link is then made anew.")


def check_decoded(decoded: Decoded, root: str) -> None:
    """All images that were looked at could be decoded and have the size that the annotations say.

    Raises:
        DatasetRefused: one has not; the text names the first.
    """
    if decoded.faults:
        first = min(decoded.faults)
        raise DatasetRefused(
            f"{len(decoded.faults)} of {decoded.looked} images below {root}/coco that were looked at are damaged: "
            f"{first} {decoded.faults[first]}. Move the folder it belongs to away and run again: it is then made anew from the archive.",
        )


def images_below(root: str) -> dict[str, set[str]]:
    """The names in COCO's two image folders; an absent folder is empty."""
    found = {}
    for folder in ("train2017", "val2017"):
        path = os.path.join(root, "coco", folder)
        found[folder] = set(os.listdir(path)) if os.path.isdir(path) else set()
    return found


def linked_folders(root: str) -> set[str]:
    """The image folders that can be reached from LVIS's own folder."""
    return {os.path.basename(link) for link in LINKS if os.path.isdir(os.path.join(root, link))}
