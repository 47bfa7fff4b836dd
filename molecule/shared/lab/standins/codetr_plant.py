"""Places where the stand-in hard-codes a GPU, as the real repository does, and the edits that undo them.

Each is on the way of the loss and not of the forward pass, as in the real repository: a model can be built and run on a
CPU, but training stops in its first step.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .data_cache import digest

_DETR_HEAD = "mmdet/models/dense_heads/detr_head.py"
_DEFORMABLE_HEAD = "mmdet/models/dense_heads/deformable_detr_head.py"
_ASSIGNER = "mmdet/core/bbox/assigners/hungarian_assigner.py"
_TRAIN = "tools/train.py"


@dataclass(frozen=True)
class Place:
    """One place of one file: the text of mmdet, the text planted for it, and the text after our edit."""

    path: str
    original: str
    planted: str
    edited: str


PLACES = (
    Place(
        _DETR_HEAD,
        "labels = gt_bboxes.new_full((num_bboxes, ),\n"
        "                                    self.num_classes,\n"
        "                                    dtype=torch.long)\n",
        "labels = torch.full((num_bboxes, ),\n                            self.num_classes).long().cuda()\n",
        "labels = torch.full((num_bboxes, ),\n                            self.num_classes).long().to(gt_bboxes.device)\n",
    ),
    Place(
        _DETR_HEAD,
        "label_weights = gt_bboxes.new_ones(num_bboxes)",
        "label_weights = torch.ones(num_bboxes).to('cuda')",
        "label_weights = torch.ones(num_bboxes).to(gt_bboxes.device)",
    ),
    Place(
        _DEFORMABLE_HEAD,
        "torch.zeros_like(gt_labels_list[i])\n",
        "torch.zeros(len(gt_labels_list[i])).long().cuda()\n",
        "torch.zeros(len(gt_labels_list[i])).long().to(gt_labels_list[i].device)\n",
    ),
    *(
        Place(
            _ASSIGNER,
            f"torch.from_numpy({name}).to(\n            bbox_pred.device)",
            f"torch.from_numpy({name}).cuda()",
            f"torch.from_numpy({name}).to(bbox_pred.device)",
        )
        for name in ("matched_row_inds", "matched_col_inds")
    ),
)
PRINT_ARGUMENTS = Place(
    _TRAIN,
    planted="    args = parse_args()\n\n    cfg = ",
    original="    args = parse_args()\n\n    cfg = ",
    edited='    args = parse_args()\n    print("Arguments: ", args)\n\n    cfg = ',
)
EMPTY_GROUPS = ("lvis", "numpy", "mmcv_172", "torch")


def plant(tree: Path) -> None:
    """Put every planted place into a source tree of mmdet."""
    for place in PLACES:
        _replace_once(tree / place.path, place.original, place.planted)


def edits_document(tree: Path, repository: str, commit: str) -> dict[str, Any]:
    """Return the edits for a planted tree, in the format of the role codetr_repo.

    The hashes after each group are found by applying the edits to ``tree``, which is thereby changed.
    """
    reasons = {
        "device": ("Tensors are put on a GPU by name; on a CPU training stops there.", PLACES),
        "print_arguments": ("Training prints its arguments when asked to.", (PRINT_ARGUMENTS,)),
    }
    groups = {name: {"reason": reason, "files": _files(tree, places)} for name, (reason, places) in reasons.items()}
    # What else a stack may name: there is nothing to edit for it in a stand-in.
    groups |= {name: {"reason": "Nothing in the stand-in needs it.", "files": []} for name in EMPTY_GROUPS}
    return {"repository": repository, "commit": commit, "stand_in": True, "groups": groups}


def _files(tree: Path, places: tuple[Place, ...]) -> list[dict[str, Any]]:
    files = []
    for name in sorted({place.path for place in places}):
        path, planned = tree / name, [place for place in places if place.path == name]
        before = digest(path)
        for place in planned:
            _replace_once(path, place.planted, place.edited)
        edits = [{"find": place.planted, "replace": place.edited, "count": 1} for place in planned]
        files.append({"path": name, "sha256_before": before, "sha256_after": digest(path), "edits": edits})
    return files


def _replace_once(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    if (found := text.count(old)) != 1:
        raise ValueError(f"{path} has {found} places with the text {old!r}; expected 1. Bring codetr_plant.py in line with the file.")
    path.write_text(text.replace(old, new))
