"""Classify the parts of a data set by manifest and files, and select those to extract from archives. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import ANNOTATIONS, IMAGES, Part, expected_counts

# Nothing to do, or not ours to change.
CURRENT, FOREIGN = "current", "foreign"
# Extracted from the archive.
MISSING, DAMAGED, CHANGED = "missing", "damaged", "changed"
# Present but never validated, or touched since.
UNVALIDATED, TOUCHED = "not validated", "touched"
# The user's own copy: used in place, or linked to.
ADOPT, LINK = "adopt", "link"
TO_EXTRACT = (MISSING, DAMAGED, CHANGED)
MOVE_AWAY = "Move it away, or set codetr_datasets_root to another folder."
TAKE_OUT = "Complete it, or remove the folder from codetr_datasets_existing to download the part."


@dataclass
class Verdict:
    """The state of one part.

    Attributes:
        status: ``current`` needs no work; ``foreign`` must not be changed.
        path: for ``foreign``, the subject of the message; empty for the part's own folder.
        detail: for ``foreign``, what follows the path in the message.
        fix: for ``foreign``, how to fix it.
        files: number of images present.
        source: for ``link``, ``{"path", "names"}`` of the link's target.
    """

    status: str
    path: str = ""
    detail: str = ""
    fix: str = MOVE_AWAY
    files: int = 0
    source: dict[str, Any] = field(default_factory=dict)

    @property
    def todo(self) -> bool:
        """Whether there is work to do that is allowed."""
        return self.status not in (CURRENT, FOREIGN)


def classify(
    part: Part, found: dict[str, Any], record: dict[str, Any], choice: dict[str, Any] | None, candidates: list[dict[str, Any]]
) -> Verdict:
    """Classify one part, and report foreign files in its place before anything is fetched.

    Args:
        found: the part as probed.
        record: its artifact record.
        choice: the subset's choice, or None for all.
        candidates: possible copies of the part elsewhere on the host, as probed.
    """
    verdict = _verdict(part, found, record, choice, candidates)
    if part.kind == IMAGES and verdict.status in TO_EXTRACT and (found["differs"] or {}).get("extra"):
        differs = found["differs"]
        what = f"is {verdict.status} and holds {differs['extra']} files that are not from the archive, first {differs['first_extra']}"
        return Verdict(FOREIGN, detail=what, fix="Move them away; the folder is then extracted again.", files=found["files"])
    names = found["beside"]
    if verdict.status not in TO_EXTRACT:
        names = [name for name in names if name in verdict.source.get("names", [])]
    if part.kind == ANNOTATIONS and names:
        return Verdict(FOREIGN, detail=f"has a {names[0]} that this project did not create, where its own must go")
    return verdict


def _verdict(
    part: Part, found: dict[str, Any], record: dict[str, Any], choice: dict[str, Any] | None, candidates: list[dict[str, Any]]
) -> Verdict:
    manifest, files = found["manifest"], found["files"]
    present = found["leads"] if part.kind == IMAGES else bool(found["sizes"])
    if manifest is None:
        if part.kind == IMAGES and found["present"] and not present:
            return Verdict(FOREIGN, detail="is a dangling link")
        return _unknown(part, found, record, choice) if present else _elsewhere(part, record, choice, candidates)
    if not present:
        return _elsewhere(part, record, choice, candidates) if manifest.get("adopted") else Verdict(DAMAGED)
    if manifest.get("linked") and not found["links"]:
        # The user replaced our link with real data.
        return _unknown(part, found, record, choice)
    status = _status(part, found, record, choice, manifest)
    if manifest.get("linked") and status not in (CURRENT, TOUCHED):
        # Only the link is ours; it may be redirected.
        return _elsewhere(part, record, choice, candidates)
    if manifest.get("adopted") and status in TO_EXTRACT:
        return Verdict(FOREIGN, detail=f"existed before this project, is now {status}, and is not replaced{_first(found)}", files=files)
    return Verdict(status, files=files)


def _status(part: Part, found: dict[str, Any], record: dict[str, Any], choice: dict[str, Any] | None, manifest: dict[str, Any]) -> str:
    if manifest.get("sha256") != record["sha256"] or manifest.get("choice") != choice:
        return CHANGED
    differs = found["differs"] or {"missing": 0, "resized": 0, "touched": 0}
    if differs["missing"] or differs["resized"]:
        return DAMAGED
    if manifest.get("validated") and manifest.get("fingerprint"):
        return TOUCHED if differs["touched"] else CURRENT
    # Our own annotations are only put in place once everything is validated, and our images are not modified before that.
    incomplete = not manifest.get("adopted") and (part.kind == ANNOTATIONS or differs["touched"])
    return DAMAGED if incomplete else UNVALIDATED


def _first(found: dict[str, Any]) -> str:
    return f" (first file that differs: {found['differs']['first']})" if found["differs"] else ""


def _unknown(part: Part, found: dict[str, Any], record: dict[str, Any], choice: dict[str, Any] | None) -> Verdict:
    """Classify data that this project did not create: adopt it where it can be the complete part."""
    if choice is not None:
        what = "existed before this project, and a subset is never cut from data it did not create"
        return Verdict(FOREIGN, detail=what, files=found["files"])
    gap = _gap(part, record, found["files"], list(found["sizes"]))
    if gap:
        return Verdict(FOREIGN, detail=f"existed before this project and {gap}", files=found["files"])
    return Verdict(ADOPT, files=found["files"])


def _elsewhere(part: Part, record: dict[str, Any], choice: dict[str, Any] | None, candidates: list[dict[str, Any]]) -> Verdict:
    """Link to a copy in one of the configured folders; a subset is always extracted."""
    if choice is not None or not candidates:
        return Verdict(MISSING)
    gaps = {}
    for candidate in candidates:
        gaps[candidate["path"]] = _gap(part, record, candidate["files"], candidate["names"])
        if not gaps[candidate["path"]]:
            return Verdict(LINK, files=candidate["files"], source={"path": candidate["path"], "names": candidate["names"]})
    path, gap = next(iter(gaps.items()))
    return Verdict(FOREIGN, path=path, detail=f"cannot be used: it {gap}", fix=TAKE_OUT)


def _gap(part: Part, record: dict[str, Any], files: int, names: list[str]) -> str:
    """Say why data that this project did not create cannot be the complete part; empty where it can."""
    if part.kind == IMAGES:
        expected = (record.get("counts") or {}).get("images")
        if expected is None:
            return f"has {files} files, and its record has no count to compare with"
        return "" if files == expected else f"has {files} files instead of {expected}"
    absent = [name for name in part.required if name not in names]
    if absent:
        return f"lacks {absent[0]}, and is not mixed with other files"
    if not all(expected_counts(record.get("counts"), name[: -len(".json")]) for name in part.required):
        return "cannot be validated, because its record has no counts"
    return ""


def to_extract(statuses: Mapping[str, str], kinds: Mapping[str, str], chosen_already: bool | None) -> tuple[list[str], bool]:
    """Select the parts to extract from their archives, and whether a subset must be chosen first.

    Args:
        statuses: status of each part, by name.
        kinds: ``images`` or ``annotations``, by name.
        chosen_already: whether the requested subset has been chosen; None where all images are requested.
    """
    made = [name for name, status in statuses.items() if status in TO_EXTRACT]
    choosing = chosen_already is False and bool(made)
    if choosing:
        # A subset is chosen from the complete annotations, of which only the cut ones are kept.
        made = [name for name in statuses if name in made or kinds[name] == ANNOTATIONS]
    return made, choosing
