"""From a plan for the data sets to data in place: what the job on a host does, from the first byte to the last check."""

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
    """What the role asks for; see module codetr_dataset for the parts.

    Attributes:
        root: the data root.
        choice: the subset as the manifests record it, or None for everything.
        links: whether LVIS's links are made.
        decode: ``sample`` or ``all``.
        decoders: interpreters that may have PIL.
        progress: folder for progress files.
    """

    root: str
    parts: list[dict[str, Any]]
    choice: dict[str, Any] | None
    links: bool
    keep_archives: bool
    decode: str
    decoders: list[str]
    transfer: Transfer
    progress: str

    def progress_of(self, name: str, step: str, unit: str = "bytes") -> Callable[[int, int], None]:
        """A callback for how far a step on a part is, done and in all."""
        return Progress(os.path.join(self.progress, f"{name}.{step}.json"), unit).paced(step)


def run(options: Options) -> dict[str, Any]:
    """Do what is left to do: ``{"parts": {name: {"files", "bytes", "counts"}}, "fetched": {name: {"url", "size", "resumed"}}}``

    A second run on the same root waits for the first.

    Raises:
        WorkFailed: a download or an extraction did not work; the text says what to do.
        DatasetRefused: the data is not in order.
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
        words = {name: self._word(part) for name, part in self.parts.items()}
        kinds = {name: part["kind"] for name, part in self.parts.items()}
        chosen = None if options.choice is None else manifest.read(ours(options.root, "choice", "choice.json")) == options.choice
        made, choosing = classify.to_make(words, kinds, chosen)
        answers = self._make([self.parts[name] for name in made], choosing)
        placing = Placing(options.root, self.parts, words, set(made), options.choice, options.progress_of)
        done = placing.run(options.links, options.decode, options.decoders)
        self._clean()
        outcomes = {name: answer["fetch"] for name, answer in answers.items() if "fetch" in answer}
        fetched = {name: {key: outcome[key] for key in ("url", "size", "resumed")} for name, outcome in outcomes.items()}
        return {"parts": done, "fetched": fetched}

    def _word(self, part: dict[str, Any]) -> str:
        """The plan's word, or what it has become since."""
        word = str(part["word"])
        if word in classify.MADE and _whole(self.options, part):
            return classify.HERE
        if word != classify.TOUCHED:
            return word
        if not touched.unchanged(self.options.root, part, self.options.progress_of(part["name"], "check")):
            return classify.DAMAGED
        # Since the plan was made, the part may have been made anew by a job that was cut off before it looked at it.
        validated = (manifest.read(ours(self.options.root, f"{part['name']}.json")) or {}).get("validated")
        return classify.HERE if validated else classify.UNVALIDATED

    def _make(self, parts: list[dict[str, Any]], choosing: bool) -> dict[str, dict[str, Any]]:
        """Fetch and extract; what the pipeline answered. A subset is chosen from the annotations before the images come."""
        for part in parts:
            # A link of ours to somebody's folder makes room; what it leads to stays.
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
        """What only the work needed goes."""
        archives = [] if self.options.keep_archives else [ours(self.options.root, "archives")]
        for folder in (ours(self.options.root, "staging"), self.options.progress, *archives):
            shutil.rmtree(folder, ignore_errors=True)


def works(options: Options, parts: list[dict[str, Any]]) -> list[pipeline.Work]:
    """Fetching, extracting and surveying of these parts, in the order in which it is best begun."""
    # Validating annotations takes long, and goes on while images come; of those, the most to extract come first.
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
    """Read the annotations while the rest is still on its way; what is found is kept for later."""
    folder = ours(options.root, "staging", name)
    paths = [os.path.join(folder, file) for file in os.listdir(folder) if file.endswith(".json")]
    # One by one, beside an extraction that needs memory, too.
    surveys.make(options.root, paths, options.progress_of(name, "validate"), processes=1)
    return {}


def _whole(options: Options, part: dict[str, Any]) -> bool:
    """Whether another run has made the part meanwhile, as it is config."""
    found = manifest.read(ours(options.root, f"{part['name']}.json")) or {}
    if not found.get("validated") or found.get("sha256") != part["sha256"] or found.get("choice") != options.choice:
        return False
    names = sorted(found["json"]) if found.get("json") else None
    with contextlib.suppress(OSError):
        return inventory.fingerprint(inventory.scan(os.path.join(options.root, part["path"]), names)) == found.get("fingerprint")
    return False
