"""Check a surveyed annotation file against its record and against the images on the disk."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.datasets.decode import Decoded
from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import expected_counts
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import FETCH_AGAIN, DatasetRefused
from ansible_collections.codetr.provision.plugins.module_utils.datasets.survey import Survey


def check_numbers(found: Survey, path: str, counts: dict[str, Any] | None) -> dict[str, int]:
    """Return the file's numbers of images and annotations.

    Args:
        path: the file, for the message.
        counts: from its artifact record; None to compare nothing (a subset).

    Raises:
        DatasetRefused: the record has other numbers.
    """
    got = {"images": found.images, "annotations": found.annotations}
    for key, number in expected_counts(counts, found.stem).items():
        if got[key] != number:
            fix = FETCH_AGAIN.format(path=path)
            raise DatasetRefused(f"{path} has {got[key]} {key}, but its record lists {number}. {fix}, or correct the record's counts.")
    return got


def check_images(found: Survey, path: str, present: Mapping[str, Collection[str]], root: str) -> None:
    """Check that every image the file lists exists, and that every annotation belongs to a listed image.

    Args:
        present: file names by folder, as ``images_in`` returns them.

    Raises:
        DatasetRefused: an image or an annotation fails; the text names the first.
    """
    missing = [image for image in found.image_table if not _is_present(image, present)]
    if missing:
        raise DatasetRefused(
            f"{path} lists {len(missing)} images that do not exist below {root}, first {min(missing)}. "
            "Move its folder away and run again; it is then extracted again from the archive.",
        )
    if found.strays:
        raise DatasetRefused(f"{path} has {found.strays} annotations of images that it does not list. {FETCH_AGAIN.format(path=path)}.")


def _is_present(image: str, present: Mapping[str, Collection[str]]) -> bool:
    folder, _unused, name = image.partition("/")
    return name in present.get(folder, ())


def check_links(found: Survey, path: str, linked: Collection[str], home: str) -> None:
    """Check that every image folder that the file uses is reachable from the data set's own folder; LVIS's val file uses two.

    Args:
        linked: folders, as ``linked_folders`` returns them.
        home: the data set's own folder.

    Raises:
        DatasetRefused: a folder is not reachable.
    """
    named = {image.partition("/")[0] for image in found.image_table}
    for folder in sorted(named - set(linked)):
        what = f"{path} lists images in {folder}, but {home}/{folder} does not lead to a folder"
        raise DatasetRefused(f"{what}. Move that path away and run again; the link is then created again.")


def check_decoded(decoded: Decoded, root: str) -> None:
    """Check that every image tried was decoded and has the annotated size.

    Raises:
        DatasetRefused: an image is damaged; the text names the first.
    """
    if decoded.faults:
        first = min(decoded.faults)
        raise DatasetRefused(
            f"{len(decoded.faults)} of {decoded.checked} checked images below {root} are damaged: "
            f"{first} {decoded.faults[first]}. Move its folder away and run again; it is then extracted again from the archive.",
        )


def images_in(folders: Mapping[str, str]) -> dict[str, set[str]]:
    """List the file names in image folders, given as path by name; an absent folder is empty."""
    return {name: set(os.listdir(path)) if os.path.isdir(path) else set() for name, path in folders.items()}


def linked_folders(root: str, links: Iterable[str]) -> set[str]:
    """Return the names of the links that lead to a folder."""
    return {os.path.basename(link) for link in links if os.path.isdir(os.path.join(root, link))}
