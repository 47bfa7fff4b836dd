"""Carry out the plan for the data sets on the host: fetch, extract, validate, put in place."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.codetr.provision.plugins.module_utils.archive import inventory, manifest, pipeline
from ansible_collections.codetr.provision.plugins.module_utils.archive.extract import Order
from ansible_collections.codetr.provision.plugins.module_utils.archive.members import Selection
from ansible_collections.codetr.provision.plugins.module_utils.datasets import classify, surveys, touched
from ansible_collections.codetr.provision.plugins.module_utils.datasets.choice import choose, chosen_names
from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import ANNOTATIONS, IMAGES, ours
from ansible_collections.codetr.provision.plugins.module_utils.datasets.place import Placing
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import DatasetRefused
from ansible_collections.codetr.provision.plugins.module_utils.fetch.aria2 import Transfer
from ansible_collections.codetr.provision.plugins.module_utils.fetch.lock import lock
from ansible_collections.codetr.provision.plugins.module_utils.fetch.place import Request
from ansible_collections.codetr.provision.plugins.module_utils.fetch.progress import Progress


@dataclass(frozen=True)
class Options:
    """The arguments of the job; see module codetr_dataset for the parts.

    Attributes:
        root: the data root.
        choice: the subset as the manifests record it, or None for all images.
        links: links to create, target by path below the root.
        decode: ``sample`` or ``all``.
        decoders: interpreters that may have PIL.
        progress: folder for progress files.
    """

    root: str
    parts: list[dict[str, Any]]
    choice: dict[str, Any] | None
    links: dict[str, str]
    keep_archives: bool
    decode: str
    decoders: list[str]
    transfer: Transfer
    progress: str

    def progress_of(self, name: str, step: str, unit: str = "bytes") -> Callable[[int, int], None]:
        """Return the progress callback of a part and a step; it takes the amount done and the total."""
        return Progress(os.path.join(self.progress, f"{name}.{step}.json"), unit).paced(step)


def run(options: Options) -> dict[str, Any]:
    """Do the remaining work: ``{"parts": {name: {"files", "bytes", "counts"}}, "fetched": {name: {"url", "size", "resumed"}}}``

    A second run on the same root waits for the first.

    Raises:
        WorkFailed: a download or an extraction failed; the text says how to fix it.
        DatasetRefused: the data is not valid.
        OSError: a file cannot be read or written.
    """
    os.makedirs(ours(options.root), exist_ok=True)
    with lock(ours(options.root, "lock"), wait=True):
        try:
            return _Run(options).run()
        except inventory.InventoryFailed as failure:
            raise DatasetRefused(str(failure)) from None


class _Run:
    def __init__(self, options: Options) -> None:
        self.options = options
        self.parts = {part["name"]: part for part in options.parts}

    def run(self) -> dict[str, Any]:
        options = self.options
        statuses = {name: self._status(part) for name, part in self.parts.items()}
        kinds = {name: part["kind"] for name, part in self.parts.items()}
        chosen = None if options.choice is None else manifest.read(ours(options.root, "choice", "choice.json")) == options.choice
        made, choosing = classify.to_extract(statuses, kinds, chosen)
        answers = self._make([self.parts[name] for name in made], choosing)
        placing = Placing(options.root, self.parts, statuses, set(made), options.choice, options.progress_of)
        done = placing.run(options.links, options.decode, options.decoders)
        self._clean()
        outcomes = {name: answer["fetch"] for name, answer in answers.items() if "fetch" in answer}
        fetched = {name: {key: outcome[key] for key in ("url", "size", "resumed")} for name, outcome in outcomes.items()}
        return {"parts": done, "fetched": fetched}

    def _status(self, part: dict[str, Any]) -> str:
        """Return the status from the plan, updated by what has happened since."""
        status = str(part["status"])
        if status in classify.TO_EXTRACT and _whole(self.options, part):
            return classify.CURRENT
        if status != classify.TOUCHED:
            return status
        if not touched.unchanged(self.options.root, part, self.options.progress_of(part["name"], "check")):
            return classify.DAMAGED
        # Since the plan was made, an interrupted job may have extracted the part without validating it.
        validated = (manifest.read(ours(self.options.root, f"{part['name']}.json")) or {}).get("validated")
        return classify.CURRENT if validated else classify.UNVALIDATED

    def _make(self, parts: list[dict[str, Any]], choosing: bool) -> dict[str, dict[str, Any]]:
        """Fetch and extract, and return the results. A subset is chosen from the annotations before the images are fetched."""
        for part in parts:
            # Removes our link to an existing copy, never the copy.
            path = os.path.join(self.options.root, part["path"])
            if part["kind"] == IMAGES and os.path.islink(path):
                os.unlink(path)
        if self.options.choice is None:
            return self._fetch(parts)
        answers = self._fetch([part for part in parts if part["kind"] == ANNOTATIONS])
        if choosing:
            choose(self.options.root, self.options.parts, self.options.choice)
        return {**answers, **self._fetch([part for part in parts if part["kind"] == IMAGES])}

    def _fetch(self, parts: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return pipeline.run(works(self.options, parts), (DatasetRefused,))

    def _clean(self) -> None:
        """Remove what only the job needed."""
        archives = [] if self.options.keep_archives else [ours(self.options.root, "archives")]
        for folder in (ours(self.options.root, "staging"), self.options.progress, *archives):
            shutil.rmtree(folder, ignore_errors=True)


def works(options: Options, parts: list[dict[str, Any]]) -> list[pipeline.Work]:
    """Return the work on these parts in the best order: annotations first, then the largest images."""
    # Annotations take long to validate, which goes on while images are fetched. The largest archive takes longest to extract.
    images = sorted((part for part in parts if part["kind"] == IMAGES), key=lambda part: part["size"] or 0, reverse=True)
    annotations = [part for part in parts if part["kind"] == ANNOTATIONS]
    return [_work(options, part) for part in (*annotations, *images)]


def _work(options: Options, part: dict[str, Any]) -> pipeline.Work:
    root, name, images = options.root, part["name"], part["kind"] == IMAGES
    archive = ours(root, "archives", f"{name}.zip")
    only = None
    if images and options.choice is not None:
        only = frozenset(chosen_names(root, os.path.basename(part["path"])))
    order = Order(
        src=archive,
        dest=os.path.join(root, part["path"]) if images else ours(root, "staging", name),
        sha256=part["sha256"],
        manifest=ours(root, f"{name}.json") if images else ours(root, "staging", f"{name}.json"),
        selection=Selection(part["below"], part["strip"], only),
        note={"part": name, "choice": options.choice, "validated": False, "adopted": False, "stand_in": part["stand_in"]},
        progress=os.path.join(options.progress, f"{name}.extract.json"),
    )
    request = Request(
        name=name,
        urls=part["urls"],
        dest=archive,
        sha256=part["sha256"],
        size=part["size"],
        transfer=options.transfer,
        progress=os.path.join(options.progress, f"{name}.fetch.json"),
    )
    return pipeline.Work(request, order, options.keep_archives, None if images else lambda: _survey(options, name))


def _survey(options: Options, name: str) -> dict[str, Any]:
    """Survey annotations while other archives are fetched; the surveys are kept for validation."""
    folder = ours(options.root, "staging", name)
    paths = [os.path.join(folder, file) for file in os.listdir(folder) if file.endswith(".json")]
    # One at a time: the extraction running beside it needs memory, too.
    surveys.make(options.root, paths, options.progress_of(name, "validate"), processes=1)
    return {}


def _whole(options: Options, part: dict[str, Any]) -> bool:
    """Whether another run has finished the part since the plan was made, as configured."""
    found = manifest.read(ours(options.root, f"{part['name']}.json")) or {}
    if not found.get("validated") or found.get("sha256") != part["sha256"] or found.get("choice") != options.choice:
        return False
    names = sorted(found["json"]) if found.get("json") else None
    with contextlib.suppress(OSError):
        return inventory.fingerprint(inventory.scan(os.path.join(options.root, part["path"]), names)) == found.get("fingerprint")
    return False
