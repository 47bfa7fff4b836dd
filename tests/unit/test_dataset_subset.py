"""A subset is the same on every host, and files cut to it are the whole ones without the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.datasets import stream, subset, survey
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import DatasetRefused

TRAIN = [f"train2017/{number:012}.jpg" for number in range(100, 120)]
VAL = [f"val2017/{number:012}.jpg" for number in range(500, 510)]


def number(image: str) -> int:
    return int(image[-16:-4])


def document(names: list[str]) -> dict[str, Any]:
    """Images whose number is divisible by three have no annotations."""
    images = [{"id": number(one), "file_name": one.partition("/")[2], "coco_url": f"http://images.example.org/{one}"} for one in names]
    return {"images": images, "annotations": [{"image_id": image["id"]} for image in images if image["id"] % 3 for _ in (0, 1)]}


def outlines(folder: Path, documents: dict[str, dict[str, Any]]) -> dict[str, dict[str, bool]]:
    found = {}
    for stem, whole in documents.items():
        path = folder / f"{stem}.json"
        path.write_text(json.dumps(whole))
        found[stem] = subset.outline_of(survey.survey(str(path), stem))
    return found


COCO = {"instances_train2017": document(TRAIN), "instances_val2017": document(VAL)}
LVIS = {"lvis_v1_train": document(TRAIN[:12]), "lvis_v1_val": document(TRAIN[12:] + VAL[:6])}


@pytest.mark.parametrize(("documents", "size", "train", "val"), [
    ({**COCO, **LVIS}, 2, [107, 115], [502, 503]),
    ({**COCO, **LVIS}, 5, [100, 103, 106, 107, 115], [500, 501, 502, 503, 505]),
    (COCO, 4, [103, 106, 107, 115], [502, 503, 506, 508]),
])
def test_hosts_that_have_a_subset_keep_it(
    tmp_path: Path, documents: dict[str, dict[str, Any]], size: int, train: list[int], val: list[int]
) -> None:
    """These images were chosen by the first version: another choice would make every such host fetch its images again."""
    chosen = subset.choose(outlines(tmp_path, documents), size, ["train2017", "val2017"])
    assert {folder: [int(name[:12]) for name in names] for folder, names in chosen.items()} == {"train2017": train, "val2017": val}


def test_an_outline_says_which_images_have_annotations(tmp_path: Path) -> None:
    assert outlines(tmp_path, COCO)["instances_val2017"] == {image: number(image) % 3 != 0 for image in VAL}


WHOLE = {
    "info": {"version": "1.0", "n": [1, 2.50]},
    "licenses": [{"id": 1}],
    "images": [{"id": one, "file_name": f"{one}.jpg", "note": "\u00e9 \ud83d"} for one in range(30)],
    "annotations": [{"id": 7 * one, "image_id": one % 31, "area": one / 3, "big": 10**30} for one in range(200)],
    "categories": [{"id": 1, "name": "person"}],
    "empty": [],
    "none": None,
}
KEPT = {"val2017/3.jpg", "val2017/17.jpg", "val2017/29.jpg", "train2017/4.jpg"}


def cut_by_hand(kept: set[str]) -> dict[str, Any]:
    images = [image for image in WHOLE["images"] if f"val2017/{image['file_name']}" in kept]
    ids = {image["id"] for image in images}
    return {**WHOLE, "images": images, "annotations": [entry for entry in WHOLE["annotations"] if entry["image_id"] in ids]}


@pytest.mark.parametrize("kept", [KEPT, set(), {f"val2017/{one}.jpg" for one in range(30)}])
@pytest.mark.parametrize("order", [list(WHOLE), list(reversed(WHOLE))])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_cut_file_is_the_whole_one_without_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: set[str], order: list[str], indent: int | None
) -> None:
    monkeypatch.setattr(stream, "BLOCK", 100)
    path = str(tmp_path / "instances_val2017.json")
    Path(path).write_text(json.dumps({key: WHOLE[key] for key in order}, indent=indent))
    subset.cut_file(path, path, survey.survey(path, "instances_val2017"), frozenset(kept))
    assert json.loads(Path(path).read_text()) == cut_by_hand(kept)
    assert [found.name for found in tmp_path.iterdir()] == ["instances_val2017.json"]


def test_each_entry_that_is_kept_has_its_text_as_it_was(tmp_path: Path) -> None:
    kept, boxes = '{"id":3,  "file_name":"3.jpg", "note": "\u00e9\\u00e9"}', '[{"image_id":3,"area":1.50}]'
    text = '{"images": [' + kept + ', {"id":4,"file_name":"4.jpg"}], "annotations":' + boxes + "}"
    path, target = tmp_path / "whole.json", tmp_path / "cut.json"
    path.write_text(text, encoding="utf-8")
    subset.cut_file(str(path), str(target), survey.survey(str(path), "instances_val2017"), frozenset({"val2017/3.jpg"}))
    assert target.read_text(encoding="utf-8") == '{"images":[' + kept + '],"annotations":' + boxes + "}"
    assert path.read_text(encoding="utf-8") == text


def test_a_file_that_breaks_while_it_is_cut_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    path, target = tmp_path / "whole.json", tmp_path / "cut.json"
    path.write_text(json.dumps(WHOLE))
    found = survey.survey(str(path), "instances_val2017")
    path.write_text(json.dumps(WHOLE)[:-40])
    target.write_text("before")
    with pytest.raises(DatasetRefused):
        subset.cut_file(str(path), str(target), found, frozenset(KEPT))
    assert target.read_text() == "before"
