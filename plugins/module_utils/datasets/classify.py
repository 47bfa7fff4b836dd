"""What a part of a data set is, by its manifest and by what is there, and which parts are made from their archives. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import ANNOTATIONS, IMAGES, Part, expected_counts

# Fine, or not to be touched.
HERE, FOREIGN = "here", "foreign"
# Made from the archive.
MISSING, DAMAGED, CHANGED = "missing", "damaged", "changed"
# There, and only to be looked at: never looked at yet, or not since its files were touched.
UNVALIDATED, TOUCHED = "not validated", "touched"
# Somebody else's: taken as it is at its place, or linked to.
ADOPT, LINK = "adopt", "link"
MADE = (MISSING, DAMAGED, CHANGED)
MOVE_AWAY = "Move it away, or set codetr_datasets_root to another folder."
TAKE_OUT = "Mend it, or take the folder out of codetr_datasets_existing: then it is downloaded."


@dataclass
class Verdict:
    """One part's state.

    Attributes:
        word: ``here`` is the only one that asks for nothing; ``foreign`` must not be touched.
        path: for ``foreign``, what the sentence is about; empty for the part's own folder.
        detail: for ``foreign``, what follows the path in a sentence.
        fix: for ``foreign``, what to do.
        files: number of images there.
        source: for ``link``, ``{"path", "names"}`` of what is linked to.
    """

    word: str
    path: str = ""
    detail: str = ""
    fix: str = MOVE_AWAY
    files: int = 0
    source: dict[str, Any] = field(default_factory=dict)

    @property
    def todo(self) -> bool:
        """Whether work is needed and allowed."""
        return self.word not in (HERE, FOREIGN)


def classify(
    part: Part, found: dict[str, Any], record: dict[str, Any], choice: dict[str, Any] | None, candidates: list[dict[str, Any]]
) -> Verdict:
    """The verdict on one part; whatever of somebody else's stands in the way is named before anything is fetched.

    Args:
        found: the part as the probe saw it.
        record: its artifact record.
        choice: the subset's choice, or None for all.
        candidates: where somebody else's copy of the part may be, as the probe saw it.
    """
    verdict = _verdict(part, found, record, choice, candidates)
    if part.kind == IMAGES and verdict.word in MADE and (found["differs"] or {}).get("extra"):
        differs = found["differs"]
        what = f"is {verdict.word} and holds {differs['extra']} files that are not from the archive, the first is {differs['first_extra']}"
        return Verdict(FOREIGN, detail=what, fix="Move them away: the folder is then made anew.", files=found["files"])
    names = found["beside"] if verdict.word in MADE else [name for name in found["beside"] if name in verdict.source.get("names", [])]
    if part.kind == ANNOTATIONS and names:
        return Verdict(FOREIGN, detail=f"has a {names[0]} that was not made by this project, where one is to go")
    return verdict


def _verdict(
    part: Part, found: dict[str, Any], record: dict[str, Any], choice: dict[str, Any] | None, candidates: list[dict[str, Any]]
) -> Verdict:
    manifest, files = found["manifest"], found["files"]
    present = found["leads"] if part.kind == IMAGES else bool(found["sizes"])
    if manifest is None:
        if part.kind == IMAGES and found["there"] and not present:
            return Verdict(FOREIGN, detail="is a link that leads nowhere")
        return _unknown(part, found, record, choice) if present else _elsewhere(part, record, choice, candidates)
    if not present:
        return _elsewhere(part, record, choice, candidates) if manifest.get("adopted") else Verdict(DAMAGED)
    if manifest.get("linked") and not found["links"]:
        # Somebody put data of his own in the place of our link.
        return _unknown(part, found, record, choice)
    word = _word(part, found, record, choice, manifest)
    if manifest.get("linked") and word not in (HERE, TOUCHED):
        # Only the link is ours, and may be made to lead elsewhere.
        return _elsewhere(part, record, choice, candidates)
    if manifest.get("adopted") and word in MADE:
        return Verdict(FOREIGN, detail=f"was there before this project, is {word} by now, and is not replaced{_first(found)}", files=files)
    return Verdict(word, files=files)


def _word(part: Part, found: dict[str, Any], record: dict[str, Any], choice: dict[str, Any] | None, manifest: dict[str, Any]) -> str:
    if manifest.get("sha256") != record["sha256"] or manifest.get("choice") != choice:
        return CHANGED
    differs = found["differs"] or {"missing": 0, "resized": 0, "touched": 0}
    if differs["missing"] or differs["resized"]:
        return DAMAGED
    if manifest.get("validated") and manifest.get("fingerprint"):
        return TOUCHED if differs["touched"] else HERE
    # Of ours, annotations go to their place only when all is checked, and nobody touches images before that.
    half = not manifest.get("adopted") and (part.kind == ANNOTATIONS or differs["touched"])
    return DAMAGED if half else UNVALIDATED


def _first(found: dict[str, Any]) -> str:
    return f" (the first file that differs is {found['differs']['first']})" if found["differs"] else ""


def _unknown(part: Part, found: dict[str, Any], record: dict[str, Any], choice: dict[str, Any] | None) -> Verdict:
    """Somebody else's data at the part's place: taken as it is when it can be the whole of what is config."""
    if choice is not None:
        what = "was there before this project, and a subset is never cut out of other people's data"
        return Verdict(FOREIGN, detail=what, files=found["files"])
    lacks = _lacks(part, record, found["files"], list(found["sizes"]))
    if lacks:
        return Verdict(FOREIGN, detail=f"was there before this project {lacks}", files=found["files"])
    return Verdict(ADOPT, files=found["files"])


def _elsewhere(part: Part, record: dict[str, Any], choice: dict[str, Any] | None, candidates: list[dict[str, Any]]) -> Verdict:
    """A copy in a folder that the config name is linked to; a subset is always made."""
    if choice is not None or not candidates:
        return Verdict(MISSING)
    lacks = {}
    for candidate in candidates:
        lacks[candidate["path"]] = _lacks(part, record, candidate["files"], candidate["names"])
        if not lacks[candidate["path"]]:
            return Verdict(LINK, files=candidate["files"], source={"path": candidate["path"], "names": candidate["names"]})
    path, what = next(iter(lacks.items()))
    return Verdict(FOREIGN, path=path, detail=f"is to be used {what}", fix=TAKE_OUT)


def _lacks(part: Part, record: dict[str, Any], files: int, names: list[str]) -> str:
    """Why data of others cannot be the whole part; empty where it can."""
    if part.kind == IMAGES:
        wanted = (record.get("counts") or {}).get("images")
        return "" if files == wanted else f"with {files} files, where {wanted or 'an unknown number'} would be all of it"
    absent = [name for name in part.required if name not in names]
    if absent:
        return f"without {absent[0]}, and is not mixed with other files"
    if not all(expected_counts(record.get("counts"), name[: -len(".json")]) for name in part.required):
        return "and its record has no counts to judge it by"
    return ""


def to_make(words: Mapping[str, str], kinds: Mapping[str, str], chosen_already: bool | None) -> tuple[list[str], bool]:
    """Which parts are made from their archives, and whether the subset is chosen first.

    Args:
        words: each part's word, by name.
        kinds: ``images`` or ``annotations``, by name.
        chosen_already: whether the subset that is requested has been chosen; None where everything is config.
    """
    made = [name for name, word in words.items() if word in MADE]
    choosing = chosen_already is False and bool(made)
    if choosing:
        # The whole annotations are what a subset is chosen from, and only their cut ones are kept.
        made = [name for name in words if name in made or kinds[name] == ANNOTATIONS]
    return made, choosing
