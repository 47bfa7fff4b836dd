"""The last step: validate everything, give annotations and links their places, write the manifests and the summary."""

from __future__ import annotations

import json
import os
from typing import Any, Callable, Protocol

from ansible_collections.codetr.provision.plugins.module_utils.archive import inventory, manifest
from ansible_collections.codetr.provision.plugins.module_utils.archive.pool import processors
from ansible_collections.codetr.provision.plugins.module_utils.atomic import replace_text
from ansible_collections.codetr.provision.plugins.module_utils.datasets import check, classify, decode, subset, summary, surveys
from ansible_collections.codetr.provision.plugins.module_utils.datasets.choice import chosen_images
from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import ANNOTATIONS, IMAGES, LINKS, ours
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import DatasetRefused
from ansible_collections.codetr.provision.plugins.module_utils.datasets.survey import Survey


class ProgressOf(Protocol):
    """Gives the callback, for done and in all, of a part and a step."""

    def __call__(self, name: str, step: str, unit: str = "bytes") -> Callable[[int, int], None]:
        """``unit`` says what is counted."""


class Placing:
    """Validates all parts and finishes those that are not finished.

    Args:
        parts: all of them by name, see module codetr_dataset.
        words: what each is (``judge``).
        made: names of those that were just extracted.
        choice: the subset, or None for everything.
        progress_of: gives the callback for a part and a step.
    """

    def __init__(
        self,
        root: str,
        parts: dict[str, dict[str, Any]],
        words: dict[str, str],
        made: set[str],
        choice: dict[str, Any] | None,
        progress_of: ProgressOf,
    ) -> None:
        self.root, self.parts, self.words, self.made, self.choice = root, parts, words, made, choice
        self.progress_of = progress_of
        self.chosen = chosen_images(root) if choice else None

    def run(self, links: bool, decoding: str, decoders: list[str]) -> dict[str, Any]:
        """``{part: {"files", "bytes", "counts"}}`` of the parts that were finished.

        Raises:
            DatasetRefused: something is not in order. What is in place already stays, and is not marked as finished.
            InventoryFailed: a file cannot be read.
        """
        todo = [part for part in self.parts.values() if part["name"] in self.made or self.words[part["name"]] != classify.HERE]
        images = [part for part in self.parts.values() if part["kind"] == IMAGES]
        annotations = [part for part in self.parts.values() if part["kind"] == ANNOTATIONS]
        for part in images:
            self._link_images(part)
        done = {part["name"]: self._images(part) for part in images if part in todo}
        files = {part["name"]: self._files(part) for part in annotations}
        if links:
            for link, target in LINKS.items():
                _link(os.path.join(self.root, link), target)
        found, sizes = self._validate(files)
        python = decode.decoder(decoders)
        decoded = None if python is None else self._decode(python, sizes, decoding == "all" and any(part in todo for part in images))
        self._summarise(images, done, [one for some in found.values() for one in some], decoded, python)
        if decoded:
            check.check_decoded(decoded, self.root)
        for part in annotations:
            if part in todo:
                counts = {one.stem: {"images": one.images, "annotations": one.annotations} for one in found[part["name"]]}
                done[part["name"]] = self._put(part, files[part["name"]], counts)
        # Last of all: only now is anything finished.
        for name, told in done.items():
            manifest.write(ours(self.root, f"{name}.json"), {**told, "part": name, "choice": self.choice, "validated": True})
        return {name: {key: told[key] for key in ("files", "bytes", "counts")} for name, told in done.items()}

    def _manifest(self, part: dict[str, Any]) -> dict[str, Any]:
        return manifest.read(ours(self.root, f"{part['name']}.json")) or {}

    def _provenance(self, part: dict[str, Any]) -> dict[str, Any]:
        """What the manifest says of where the part is from; of one that was only looked at again, it stays what it was."""
        word, before = self.words[part["name"]], self._manifest(part)
        # What is adopted where a link of ours was has taken the link's place.
        linked = {classify.LINK: part["source"].get("path", ""), classify.ADOPT: ""}.get(word, before.get("linked", ""))
        adopted = part["name"] not in self.made and (word in (classify.ADOPT, classify.LINK) or bool(before.get("adopted")))
        return {"sha256": part["sha256"], "stand_in": part["stand_in"], "adopted": adopted, "linked": linked if adopted else ""}

    def _link_images(self, part: dict[str, Any]) -> None:
        if self.words[part["name"]] != classify.LINK:
            return
        path = os.path.join(self.root, part["path"])
        # Before the link: cut off after it, the next run must know it as ours.
        mark = {**self._provenance(part), "part": part["name"], "choice": self.choice, "validated": False}
        manifest.write(ours(self.root, f"{part['name']}.json"), mark)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.islink(path):
            os.unlink(path)
        _link(path, part["source"]["path"])

    def _images(self, part: dict[str, Any]) -> dict[str, Any]:
        """What the manifest of a folder of images says."""
        path, before = os.path.join(self.root, part["path"]), self._manifest(part)
        if not os.path.isdir(path):
            raise DatasetRefused(f"There is no folder {path}. Run again: it is then made anew from the archive.")
        rows = inventory.scan(path)
        if before.get("fingerprint") != inventory.fingerprint(rows):
            rows = inventory.take(path, processors(), self.progress_of(part["name"], "read"))
            inventory.write(inventory.beside(ours(self.root, f"{part['name']}.json")), rows)
        wanted = None if self.choice else (part["counts"] or {}).get("images")
        if wanted is not None and len(rows) != wanted:
            raise DatasetRefused(
                f"{path} has {len(rows)} files where the record of {part['name']} says {wanted}. "
                "Give the record its right counts, or move the folder away.",
            )
        empty = [row.path for row in rows if row.size == 0]
        if empty:
            raise DatasetRefused(f"{path} has {len(empty)} empty files, the first is {min(empty)}. Move them away, then run again.")
        told = {"files": len(rows), "bytes": sum(row.size for row in rows), "fingerprint": inventory.fingerprint(rows)}
        return {**before, **self._provenance(part), **told, "counts": {"images": len(rows)}}

    def _files(self, part: dict[str, Any]) -> list[str]:
        """Where the annotation files of a part are now, those of a subset cut.

        Raises:
            DatasetRefused: one is missing, or stands where somebody else's lies.
        """
        name, final = part["name"], os.path.join(self.root, part["path"])
        mine = self._manifest(part).get("json") or {}
        if name not in self.made:
            if self.words[name] == classify.LINK:
                return [os.path.join(part["source"]["path"], file) for file in part["source"]["names"]]
            return [os.path.join(final, file) for file in sorted(mine or part["required"])]
        source = ours(self.root, "staging", name)
        names = sorted(file for file in os.listdir(source) if file.endswith(".json"))
        absent = sorted(set(part["required"]) - set(names))
        if absent:
            fix = "Give its record the right URL and sha256 in provision_artifacts"
            raise DatasetRefused(f"The archive of {name} has no {absent[0]}. {fix}.")
        for file in names:
            if file not in mine and os.path.lexists(os.path.join(final, file)):
                foreign = os.path.join(final, file)
                raise DatasetRefused(f"{foreign} is there already and was not made by this project. Move it away, then run again.")
        paths = [os.path.join(source, file) for file in names]
        return paths if self.chosen is None else [self._cut(self.chosen, name, path) for path in paths]

    def _cut(self, chosen: frozenset[str], name: str, path: str) -> str:
        target = ours(self.root, "staging", f"{name}.cut", os.path.basename(path))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        surveys.make(self.root, [path], lambda done, total: None)
        subset.cut_file(path, target, surveys.load(self.root, path), chosen)
        return target

    def _validate(self, files: dict[str, list[str]]) -> tuple[dict[str, list[Survey]], dict[str, list[int]]]:
        """Every annotation file against its record and the images that are there.

        Returns:
            Small surveys by part, and ``[id, width, height]`` by image.
        """
        there, linked = check.images_below(self.root), check.linked_folders(self.root)
        for name, paths in files.items():
            if name not in self.made and self.words[name] in (classify.ADOPT, classify.LINK):
                for path in paths:
                    surveys.forget(self.root, path)
        surveys.make(self.root, [path for paths in files.values() for path in paths], self.progress_of("annotations", "validate"))
        found: dict[str, list[Survey]] = {}
        sizes: dict[str, list[int]] = {}
        for name, paths in files.items():
            found[name] = []
            for path in paths:
                one = surveys.load(self.root, path)
                check.check_numbers(one, path, None if self.choice else self.parts[name]["counts"])
                check.check_images(one, path, there, self.root)
                if self.parts[name]["path"].startswith("lvis"):
                    check.check_links(one, path, linked, self.root)
                for image, known in one.image_table.items():
                    sizes.setdefault(image, known)
                found[name].append(summary.small(one))
        return found, sizes

    def _decode(self, python: str, sizes: dict[str, list[int]], everything: bool) -> decode.Decoded:
        there = self._listed_images()
        wanted = decode.jobs(self.root, there, sizes, None if everything else decode.SAMPLE)
        total = sum(len(names) if everything else min(len(names), decode.SAMPLE) for names in there.values())
        on_progress = self.progress_of("images", "decode", "files")
        return decode.decode(python, wanted, lambda done: on_progress(done, total))

    def _listed_images(self) -> dict[str, set[str]]:
        """The images of each folder, without what somebody put beside them since they were listed."""
        there = check.images_below(self.root)
        for part in self.parts.values():
            rows = inventory.read(inventory.beside(ours(self.root, f"{part['name']}.json"))) if part["kind"] == IMAGES else None
            if rows is not None:
                there[os.path.basename(part["path"])] &= {row.path for row in rows}
        return there

    def _put(self, part: dict[str, Any], paths: list[str], counts: dict[str, Any]) -> dict[str, Any]:
        """Give annotation files their names; what the manifest says of them."""
        final, mark = os.path.join(self.root, part["path"]), ours(self.root, f"{part['name']}.json")
        mine = self._manifest(part).get("json") or {}
        sizes = {os.path.basename(path): os.path.getsize(path) for path in paths}
        told = {**self._provenance(part), "files": len(paths), "bytes": sum(sizes.values()), "json": sizes, "counts": counts}
        # Before the first file gets its name: cut off after that, the next run must know them as ours.
        manifest.write(mark, {**told, "part": part["name"], "choice": self.choice, "validated": False})
        os.makedirs(final, exist_ok=True)
        for path in paths:
            target = os.path.join(final, os.path.basename(path))
            if part["name"] in self.made:
                os.replace(path, target)
            elif self.words[part["name"]] == classify.LINK:
                if os.path.islink(target) and os.path.basename(path) in mine:
                    os.unlink(target)
                _link(path=target, target=path)
        rows = inventory.take(final, processors(), self.progress_of(part["name"], "read"), sorted(sizes))
        inventory.write(inventory.beside(mark), rows)
        return {**told, "fingerprint": inventory.fingerprint(rows)}

    def _summarise(
        self,
        images: list[dict[str, Any]],
        done: dict[str, dict[str, Any]],
        found: list[Survey],
        decoded: decode.Decoded | None,
        python: str | None,
    ) -> None:
        """For the report; it tells of images that cannot be decoded, too."""
        folders, counts = [], {}
        for part in images:
            told = done.get(part["name"]) or self._manifest(part)
            source = "linked" if told.get("linked") else "adopted" if told.get("adopted") else "archive"
            path = told.get("linked") or os.path.join(self.root, part["path"])
            name = os.path.basename(part["path"])
            folders.append({"name": name, "images": told["files"], "bytes": told["bytes"], "source": source, "path": path})
        for part in self.parts.values():
            counts.update({name[: -len(".json")]: {} if self.choice else part["counts"] for name in part["required"]})
        content = summary.summary(
            self.root,
            (self.choice or {}).get("subset", 0),
            any(part["stand_in"] for part in self.parts.values()),
            folders,
            found,
            summary.checks_of(found, counts, sum(folder["images"] for folder in folders), decoded),
            summary.shown(self.root, found, ours(self.root, "samples"), python),
        )
        replace_text(ours(self.root, "summary.json"), [json.dumps(content)])


def _link(path: str, target: str) -> None:
    """A link; one that leads to the same place already is left as it is."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.islink(path) and os.readlink(path).rstrip("/") == target:
        return
    if os.path.lexists(path):
        raise DatasetRefused(f"{path} is there and does not lead to {target}. Move it away, then run again.")
    os.symlink(target, path)
