"""Choosing the subset, and the last step of an installation: validate, put annotations and links in place, write the manifests."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.archive import manifest
from ansible_collections.codetr.provision.plugins.module_utils.dataset import check, subset
from ansible_collections.codetr.provision.plugins.module_utils.dataset.check import DatasetRefused
from ansible_collections.codetr.provision.plugins.module_utils.dataset.layout import ANNOTATIONS, IMAGES, LINKS, OURS

CHOICE = "choice"


def ours(root: str, *names: str) -> str:
    """A path in our own folder below the data root."""
    return os.path.join(root, OURS, *names)


def choose(root: str, parts: list[dict[str, Any]], choice: dict[str, Any]) -> dict[str, int]:
    """Choose the subset from the extracted annotations and write it down, one list per folder; how many pictures of each."""
    outlines = {}
    for part in parts:
        for name in part["required"]:
            stem = name[: -len(".json")]
            outlines[stem] = subset.outline(check.load(ours(root, "staging", part["name"], name)), stem)
    chosen = subset.choose(outlines, choice["subset"])
    folder = ours(root, CHOICE)
    os.makedirs(folder, exist_ok=True)
    for split, names in chosen.items():
        with open(os.path.join(folder, f"{split}.txt"), "w", encoding="utf-8") as handle:
            handle.writelines(f"{name}\n" for name in names)
    # Last: the lists count only when this says that they are whole.
    manifest.write(os.path.join(folder, "choice.json"), choice)
    return {split: len(names) for split, names in chosen.items()}


def chosen_pictures(root: str) -> frozenset[str]:
    """The subset's pictures as ``train2017/...jpg``."""
    found = []
    for split in ("train2017", "val2017"):
        with open(ours(root, CHOICE, f"{split}.txt"), encoding="utf-8") as handle:
            found += [f"{split}/{line.strip()}" for line in handle]
    return frozenset(found)


def place(root: str, parts: list[dict[str, Any]], choice: dict[str, Any] | None, links: bool) -> dict[str, Any]:
    """Finish the given parts; what each has now, by name.

    Raises:
        DatasetRefused: something is not in order. What is in place already stays, and is not marked as finished.
    """
    chosen = chosen_pictures(root) if choice else None
    pictures = check.pictures_below(root)
    done = {part["name"]: _images(root, part, choice is not None) for part in parts if part["kind"] == IMAGES}
    for part in parts:
        if part["kind"] == ANNOTATIONS:
            done[part["name"]] = _annotations(root, part, chosen, pictures)
    if links:
        for link, target in LINKS.items():
            _link(os.path.join(root, link), target)
    for name, found in done.items():
        manifest.write(ours(root, f"{name}.json"), {**found, "part": name, "choice": choice, "validated": True})
    for folder in ("staging", "progress"):
        shutil.rmtree(ours(root, folder), ignore_errors=True)
    return done


def _images(root: str, part: dict[str, Any], chosen: bool) -> dict[str, Any]:
    path = os.path.join(root, part["path"])
    if not os.path.isdir(path):
        raise DatasetRefused(f"There is no folder {path}. Run again: it is then made anew from the archive.")
    there = manifest.read(ours(root, f"{part['name']}.json")) or {}
    files = manifest.files_below(path)
    wanted = None if chosen else (part["counts"] or {}).get("images")
    if wanted is not None and len(files) != wanted:
        raise DatasetRefused(
            f"{path} has {len(files)} files where the record of {part['name']} says {wanted}. "
            "Give the record its right counts, or move the folder away.",
        )
    empty = [name for name, size in sorted(files.items()) if size == 0]
    if empty:
        raise DatasetRefused(f"{path} has {len(empty)} empty files, the first is {empty[0]}. Move them away, then run again.")
    return {**there, **_provenance(part), "files": len(files), "bytes": sum(files.values()), "counts": {"images": len(files)}}


def _provenance(part: dict[str, Any]) -> dict[str, Any]:
    return {"sha256": part["sha256"], "stand_in": part["stand_in"], "adopted": part["adopt"]}


def _annotations(
    root: str,
    part: dict[str, Any],
    chosen: frozenset[str] | None,
    pictures: dict[str, set[str]],
) -> dict[str, Any]:
    final = os.path.join(root, part["path"])
    source = final if part["adopt"] else ours(root, "staging", part["name"])
    names = list(part["required"]) if part["adopt"] else sorted(name for name in manifest.files_below(source) if name.endswith(".json"))
    absent = sorted(set(part["required"]) - set(names))
    if absent:
        way_out = "Give its record the right URL and sha256 in provision_artifacts"
        raise DatasetRefused(f"The archive of {part['name']} has no {absent[0]}. {way_out}.")
    mine = (manifest.read(ours(root, f"{part['name']}.json")) or {}).get("json", {})
    counts = {}
    for name in names:
        path, stem = os.path.join(source, name), name[: -len(".json")]
        if not part["adopt"] and name not in mine and os.path.lexists(os.path.join(final, name)):
            foreign = os.path.join(final, name)
            raise DatasetRefused(f"{foreign} is there already and was not made by this project. Move it away, then run again.")
        document = check.load(path)
        if chosen is None:
            counts[stem] = check.judge_counts(document, path, stem, part["counts"])
        else:
            document = subset.cut(document, stem, chosen)
            counts[stem] = {key: len(document[key]) for key in ("images", "annotations")}
            _rewrite(path, document)
        check.judge_images(document, path, stem, pictures, root)
    sizes = {name: os.path.getsize(os.path.join(source, name)) for name in names}
    result = {**_provenance(part), "files": len(names), "bytes": sum(sizes.values()), "json": sizes, "counts": counts}
    # Before the first file gets its name: cut off after that, the next run must know them as ours.
    manifest.write(ours(root, f"{part['name']}.json"), {**result, "part": part["name"], "validated": False})
    os.makedirs(final, exist_ok=True)
    for name in names:
        os.replace(os.path.join(source, name), os.path.join(final, name))
    return result


def _rewrite(path: str, document: dict[str, Any]) -> None:
    draft = f"{path}.new"
    with open(draft, "w", encoding="utf-8") as handle:
        json.dump(document, handle, separators=(",", ":"))
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(draft, path)


def _link(path: str, target: str) -> None:
    """A relative link; one that leads to the same place already is left as it is."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.islink(path) and os.readlink(path).rstrip("/") == target:
        return
    if os.path.lexists(path):
        raise DatasetRefused(f"{path} is there and does not lead to {target}. Move it away, then run again.")
    os.symlink(target, path)
