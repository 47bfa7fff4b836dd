"""What a part of a data set is, by its manifest and by what is there. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.dataset.layout import IMAGES, Part, expected_counts

HERE, MISSING, DAMAGED, CHANGED, UNVALIDATED, ADOPT, FOREIGN = "here", "missing", "damaged", "changed", "not validated", "adopt", "foreign"


@dataclass
class Verdict:
    """One part's state.

    Attributes:
        word: ``here`` is the only one that asks for nothing; ``foreign`` must not be touched.
        detail: for ``foreign``, what follows the path in a sentence.
        files: number of pictures there.
        adopted: whether it is somebody else's, validated by us.
    """

    word: str
    detail: str = ""
    files: int = 0
    adopted: bool = False

    @property
    def todo(self) -> bool:
        """Whether work is needed and allowed."""
        return self.word not in (HERE, FOREIGN)

    def make_anew(self) -> None:
        """Have it made from its archive, although it would be fine."""
        if self.word in (HERE, UNVALIDATED):
            self.word = CHANGED


def judge(part: Part, found: dict[str, Any], record: dict[str, Any], choice: dict[str, Any] | None) -> Verdict:
    """The verdict on one part.

    Args:
        found: the part as the probe saw it.
        record: its artifact record.
        choice: the subset's choice, or None for all.
    """
    manifest, files = found["manifest"], found["files"]
    present = found["there"] if part.kind == IMAGES else bool(found["sizes"])
    if manifest is None:
        return _unknown(part, found, record, choice) if present else Verdict(MISSING)
    adopted = bool(manifest.get("adopted"))
    if not present:
        return Verdict(DAMAGED if not adopted else MISSING)
    verdict = Verdict(HERE, files=files, adopted=adopted)
    if manifest.get("sha256") != record["sha256"] or manifest.get("choice") != choice:
        verdict.word = CHANGED
    elif not _whole(part, found, manifest):
        verdict.word = DAMAGED
    elif not manifest.get("validated"):
        verdict.word = UNVALIDATED if part.kind == IMAGES else DAMAGED
    if adopted and verdict.word in (CHANGED, DAMAGED):
        return Verdict(FOREIGN, "was there before this project and is no longer what is wished, and it is not replaced", files)
    return verdict


def _whole(part: Part, found: dict[str, Any], manifest: dict[str, Any]) -> bool:
    """Files may have been added; none may be missing."""
    if part.kind == IMAGES:
        return found["files"] >= manifest.get("files", 0)
    return all(found["sizes"].get(name) == size for name, size in (manifest.get("json") or {}).items())


def _unknown(part: Part, found: dict[str, Any], record: dict[str, Any], choice: dict[str, Any] | None) -> Verdict:
    """Somebody else's data: taken as it is when it can be the whole of what is wished."""
    files = found["files"]
    if choice is not None:
        return Verdict(FOREIGN, "was there before this project, and a subset is never cut out of other people's data", files)
    if part.kind == IMAGES:
        wanted = (record.get("counts") or {}).get("images")
        if wanted is None or files != wanted:
            whole = wanted or "an unknown number"
            return Verdict(FOREIGN, f"was there before this project with {files} files, where {whole} would be all of it", files)
    else:
        absent = [name for name in part.required if name not in found["sizes"]]
        if absent:
            return Verdict(FOREIGN, f"was there before this project without {absent[0]}, and is not mixed with other files")
        if not all(expected_counts(record.get("counts"), name[: -len(".json")]) for name in part.required):
            return Verdict(FOREIGN, "was there before this project, and its record has no counts to judge it by")
    return Verdict(ADOPT, files=files, adopted=True)
