"""The images of a subset: chosen once, recorded, the same on every host."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.archive import manifest
from ansible_collections.codetr.provision.plugins.module_utils.datasets import subset, surveys
from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import ANNOTATIONS, IMAGES, ours


def choose(root: str, parts: list[dict[str, Any]], choice: dict[str, Any]) -> None:
    """Choose images from the annotations in staging and write one list per folder.

    Raises:
        DatasetRefused: annotations are not valid.
    """
    sources = [part for part in parts if part["kind"] == ANNOTATIONS]
    paths = [ours(root, "staging", part["name"], name) for part in sources for name in part["required"]]
    surveys.make(root, paths, lambda done, total: None)
    outlines = {found.stem: subset.outline_of(found) for found in (surveys.load(root, path) for path in paths)}
    chosen = subset.choose(outlines, choice["subset"], [os.path.basename(part["path"]) for part in parts if part["kind"] == IMAGES])
    os.makedirs(ours(root, "choice"), exist_ok=True)
    for folder, names in chosen.items():
        with open(ours(root, "choice", f"{folder}.txt"), "w", encoding="utf-8") as handle:
            handle.writelines(f"{name}\n" for name in names)
    # Written last: the lists are valid only once this file exists.
    manifest.write(ours(root, "choice", "choice.json"), choice)


def chosen_names(root: str, folder: str) -> list[str]:
    """Read the chosen images of one folder."""
    with open(ours(root, "choice", f"{folder}.txt"), encoding="utf-8") as handle:
        return [line.strip() for line in handle]


def chosen_images(root: str, folders: Iterable[str]) -> frozenset[str]:
    """Read all chosen images, as ``train2017/...jpg``."""
    return frozenset(f"{folder}/{name}" for folder in folders for name in chosen_names(root, folder))
