"""The last step: validate everything, put annotations and links in place, write the manifests and the summary."""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Protocol

from ansible_collections.codetr.provision.plugins.module_utils.archive import inventory, manifest
from ansible_collections.codetr.provision.plugins.module_utils.archive.pool import cpus
from ansible_collections.codetr.provision.plugins.module_utils.atomic import replace_text
from ansible_collections.codetr.provision.plugins.module_utils.datasets import check, classify, decode, subset, summary, surveys
from ansible_collections.codetr.provision.plugins.module_utils.datasets.choice import chosen_images
from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import ANNOTATIONS, IMAGES, ours
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import DatasetRefused
from ansible_collections.codetr.provision.plugins.module_utils.datasets.survey import Survey


class ProgressOf(Protocol):
    """Returns the progress callback of a part and a step; it takes the amount done and the total."""

    def __call__(self, name: str, step: str, unit: str = "bytes") -> Callable[[int, int], None]:
        """``unit`` is what is counted."""


class Placing:
    """Validates all parts and finishes the unfinished ones.

    Args:
        parts: all of them by name, see module codetr_dataset.
        statuses: status of each part, see ``classify``.
        made: names of the parts that were just extracted.
        choice: the subset, or None for everything.
        progress_of: returns the callback of a part and a step.
    """

    def __init__(
        self,
        root: str,
        parts: dict[str, dict[str, Any]],
        statuses: dict[str, str],
        made: set[str],
        choice: dict[str, Any] | None,
        progress_of: ProgressOf,
    ) -> None:
        self.root, self.parts, self.statuses, self.made, self.choice = root, parts, statuses, made, choice
        self.progress_of = progress_of
        self.folders = {
            os.path.basename(part["path"]): os.path.join(root, part["path"]) for part in parts.values() if part["kind"] == IMAGES
        }
        self.chosen = chosen_images(root, self.folders) if choice else None

    def run(self, links: dict[str, str], decoding: str, decoders: list[str]) -> dict[str, Any]:
        """``{part: {"files", "bytes", "counts"}}`` of the finished parts.

        Raises:
            DatasetRefused: something is not valid. What is already in place stays there, and is not recorded as finished.
            InventoryFailed: a file cannot be read.
        """
        todo = [part for part in self.parts.values() if part["name"] in self.made or self.statuses[part["name"]] != classify.CURRENT]
        images = [part for part in self.parts.values() if part["kind"] == IMAGES]
        annotations = [part for part in self.parts.values() if part["kind"] == ANNOTATIONS]
        for part in images:
            self._link_images(part)
        done = {part["name"]: self._images(part) for part in images if part in todo}
        files = {part["name"]: self._files(part) for part in annotations}
        for link, target in links.items():
            _link(os.path.join(self.root, link), target)
        found, sizes = self._validate(files, links)
        python = decode.decoder(decoders)
        decoded = None if python is None else self._decode(python, sizes, decoding == "all" and any(part in todo for part in images))
        self._summarise(images, done, [one for some in found.values() for one in some], decoded, python)
        if decoded:
            check.check_decoded(decoded, self.root)
        for part in annotations:
            if part in todo:
                counts = {one.stem: {"images": one.images, "annotations": one.annotations} for one in found[part["name"]]}
                done[part["name"]] = self._put(part, files[part["name"]], counts)
        # Written last: a part is finished only once its manifest says so.
        for name, entry in done.items():
            manifest.write(ours(self.root, f"{name}.json"), {**entry, "part": name, "choice": self.choice, "validated": True})
        return {name: {key: entry[key] for key in ("files", "bytes", "counts")} for name, entry in done.items()}

    def _manifest(self, part: dict[str, Any]) -> dict[str, Any]:
        return manifest.read(ours(self.root, f"{part['name']}.json")) or {}

    def _provenance(self, part: dict[str, Any]) -> dict[str, Any]:
        """Return the manifest entries on a part's origin, unchanged for a part that was only validated again."""
        status, before = self.statuses[part["name"]], self._manifest(part)
        # Data adopted in place of one of our links replaces that link.
        linked = {classify.LINK: part["source"].get("path", ""), classify.ADOPT: ""}.get(status, before.get("linked", ""))
        adopted = part["name"] not in self.made and (status in (classify.ADOPT, classify.LINK) or bool(before.get("adopted")))
        return {"sha256": part["sha256"], "stand_in": part["stand_in"], "adopted": adopted, "linked": linked if adopted else ""}

    def _link_images(self, part: dict[str, Any]) -> None:
        if self.statuses[part["name"]] != classify.LINK:
            return
        path = os.path.join(self.root, part["path"])
        # Before the link: after an interruption, the next run must recognise the link as ours.
        entry = {**self._provenance(part), "part": part["name"], "choice": self.choice, "validated": False}
        manifest.write(ours(self.root, f"{part['name']}.json"), entry)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.islink(path):
            os.unlink(path)
        _link(path, part["source"]["path"])

    def _images(self, part: dict[str, Any]) -> dict[str, Any]:
        """Validate a folder of images and return its manifest entries."""
        path, before = os.path.join(self.root, part["path"]), self._manifest(part)
        if not os.path.isdir(path):
            raise DatasetRefused(f"The folder {path} does not exist. Run again; it is then extracted from the archive.")
        rows = inventory.scan(path)
        if before.get("fingerprint") != inventory.fingerprint(rows):
            rows = inventory.take(path, cpus(), self.progress_of(part["name"], "read"))
            inventory.write(inventory.beside(ours(self.root, f"{part['name']}.json")), rows)
        expected = None if self.choice else (part["counts"] or {}).get("images")
        if expected is not None and len(rows) != expected:
            raise DatasetRefused(
                f"{path} has {len(rows)} files, but the record of {part['name']} lists {expected}. "
                "Correct the counts of the record, or move the folder away.",
            )
        empty = [row.path for row in rows if row.size == 0]
        if empty:
            raise DatasetRefused(f"{path} has {len(empty)} empty files, first {min(empty)}. Move them away, then run again.")
        entry = {"files": len(rows), "bytes": sum(row.size for row in rows), "fingerprint": inventory.fingerprint(rows)}
        return {**before, **self._provenance(part), **entry, "counts": {"images": len(rows)}}

    def _files(self, part: dict[str, Any]) -> list[str]:
        """Return the current paths of a part's annotation files, cut to match a subset.

        Raises:
            DatasetRefused: a file is missing, or a file that this project did not create is in its place.
        """
        name, final = part["name"], os.path.join(self.root, part["path"])
        mine = self._manifest(part).get("json") or {}
        if name not in self.made:
            if self.statuses[name] == classify.LINK:
                return [os.path.join(part["source"]["path"], file) for file in part["source"]["names"]]
            return [os.path.join(final, file) for file in sorted(mine or part["required"])]
        source = ours(self.root, "staging", name)
        names = sorted(file for file in os.listdir(source) if file.endswith(".json"))
        absent = sorted(set(part["required"]) - set(names))
        if absent:
            fix = "Correct its URL and sha256 in provision_artifacts"
            raise DatasetRefused(f"The archive of {name} does not contain {absent[0]}. {fix}.")
        for file in names:
            if file not in mine and os.path.lexists(os.path.join(final, file)):
                foreign = os.path.join(final, file)
                raise DatasetRefused(f"{foreign} exists and was not created by this project. Move it away, then run again.")
        paths = [os.path.join(source, file) for file in names]
        return paths if self.chosen is None else [self._cut(self.chosen, name, path) for path in paths]

    def _cut(self, chosen: frozenset[str], name: str, path: str) -> str:
        target = ours(self.root, "staging", f"{name}.cut", os.path.basename(path))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        surveys.make(self.root, [path], lambda done, total: None)
        subset.cut_file(path, target, surveys.load(self.root, path), chosen)
        return target

    def _validate(self, files: dict[str, list[str]], links: dict[str, str]) -> tuple[dict[str, list[Survey]], dict[str, list[int]]]:
        """Check every annotation file against its record and the images on the disk.

        Returns:
            Small surveys by part, and ``[id, width, height]`` by image.
        """
        present, linked = check.images_in(self.folders), check.linked_folders(self.root, links)
        for name, paths in files.items():
            if name not in self.made and self.statuses[name] in (classify.ADOPT, classify.LINK):
                for path in paths:
                    surveys.forget(self.root, path)
        surveys.make(self.root, [path for paths in files.values() for path in paths], self.progress_of("annotations", "validate"))
        found: dict[str, list[Survey]] = {}
        sizes: dict[str, list[int]] = {}
        for name, paths in files.items():
            found[name] = []
            home = os.path.dirname(self.parts[name]["path"])
            uses_links = any(os.path.dirname(link) == home for link in links)
            for path in paths:
                one = surveys.load(self.root, path)
                check.check_numbers(one, path, None if self.choice else self.parts[name]["counts"])
                check.check_images(one, path, present, self.root)
                if uses_links:
                    check.check_links(one, path, linked, os.path.join(self.root, home))
                for image, known in one.image_table.items():
                    sizes.setdefault(image, known)
                found[name].append(summary.small(one))
        return found, sizes

    def _decode(self, python: str, sizes: dict[str, list[int]], everything: bool) -> decode.Decoded:
        present = self._listed_images()
        images = decode.jobs(self.folders, present, sizes, None if everything else decode.SAMPLE)
        total = sum(len(names) if everything else min(len(names), decode.SAMPLE) for names in present.values())
        on_progress = self.progress_of("images", "decode", "files")
        return decode.decode(python, images, lambda done: on_progress(done, total))

    def _listed_images(self) -> dict[str, set[str]]:
        """List the images of each folder, without files that were added since the inventory."""
        present = check.images_in(self.folders)
        for part in self.parts.values():
            rows = inventory.read(inventory.beside(ours(self.root, f"{part['name']}.json"))) if part["kind"] == IMAGES else None
            if rows is not None:
                present[os.path.basename(part["path"])] &= {row.path for row in rows}
        return present

    def _put(self, part: dict[str, Any], paths: list[str], counts: dict[str, Any]) -> dict[str, Any]:
        """Move annotation files to their final names and return their manifest entries."""
        final, manifest_path = os.path.join(self.root, part["path"]), ours(self.root, f"{part['name']}.json")
        mine = self._manifest(part).get("json") or {}
        sizes = {os.path.basename(path): os.path.getsize(path) for path in paths}
        entry = {**self._provenance(part), "files": len(paths), "bytes": sum(sizes.values()), "json": sizes, "counts": counts}
        # Before the first rename: after an interruption, the next run must recognise the files as ours.
        manifest.write(manifest_path, {**entry, "part": part["name"], "choice": self.choice, "validated": False})
        os.makedirs(final, exist_ok=True)
        for path in paths:
            target = os.path.join(final, os.path.basename(path))
            if part["name"] in self.made:
                os.replace(path, target)
            elif self.statuses[part["name"]] == classify.LINK:
                if os.path.islink(target) and os.path.basename(path) in mine:
                    os.unlink(target)
                _link(path=target, target=path)
        rows = inventory.take(final, cpus(), self.progress_of(part["name"], "read"), sorted(sizes))
        inventory.write(inventory.beside(manifest_path), rows)
        return {**entry, "fingerprint": inventory.fingerprint(rows)}

    def _summarise(
        self,
        images: list[dict[str, Any]],
        done: dict[str, dict[str, Any]],
        found: list[Survey],
        decoded: decode.Decoded | None,
        python: str | None,
    ) -> None:
        """Write the summary for the report, including images that cannot be decoded."""
        folders, counts = [], {}
        for part in images:
            entry = done.get(part["name"]) or self._manifest(part)
            source = "linked" if entry.get("linked") else "adopted" if entry.get("adopted") else "archive"
            path = entry.get("linked") or os.path.join(self.root, part["path"])
            name = os.path.basename(part["path"])
            folders.append({"name": name, "images": entry["files"], "bytes": entry["bytes"], "source": source, "path": path})
        for part in self.parts.values():
            counts.update({name[: -len(".json")]: {} if self.choice else part["counts"] for name in part["required"]})
        content = summary.summary(
            self.root,
            (self.choice or {}).get("subset", 0),
            any(part["stand_in"] for part in self.parts.values()),
            folders,
            found,
            summary.checks_of(found, counts, sum(folder["images"] for folder in folders), decoded),
            summary.shown(self.folders, found, ours(self.root, "samples"), python),
        )
        replace_text(ours(self.root, "summary.json"), [json.dumps(content)])


def _link(path: str, target: str) -> None:
    """Create a link, unless it already exists with that target."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.islink(path) and os.readlink(path).rstrip("/") == target:
        return
    if os.path.lexists(path):
        raise DatasetRefused(f"{path} exists and is not a link to {target}. Move it away, then run again.")
    os.symlink(target, path)
