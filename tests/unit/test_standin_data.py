"""The small archives that stand in for COCO and LVIS have the real names, layout and schema."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from lab.standins import data

SITE = "http://images.cocodataset.org/"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    www = tmp_path_factory.mktemp("mirror") / "www"
    return www / "data", data.build(www, "http://lab")


def members(folder: Path, archive: str) -> list[str]:
    with zipfile.ZipFile(folder / archive) as opened:
        return opened.namelist()


def document(folder: Path, archive: str, member: str) -> dict:
    with zipfile.ZipFile(folder / archive) as opened:
        return json.loads(opened.read(member))


def test_names_and_layout_are_those_of_the_real_archives(built):
    folder, result = built
    assert [Path(record["urls"][0]).name for record in result["artifacts"].values()] == [
        "train2017.zip",
        "val2017.zip",
        "annotations_trainval2017.zip",
        "lvis_v1_train.json.zip",
        "lvis_v1_val.json.zip",
    ]
    for part in ("train2017", "val2017"):
        first, *rest = members(folder, f"{part}.zip")
        assert first == f"{part}/"
        assert all(name.startswith(f"{part}/") and len(Path(name).name) == len("000000000000.jpg") for name in rest)
    kinds = ("instances", "captions", "person_keypoints")
    assert set(members(folder, "annotations_trainval2017.zip")) == {
        f"annotations/{kind}_{part}.json" for kind in kinds for part in ("train2017", "val2017")
    }
    assert members(folder, "lvis_v1_train.json.zip") == ["lvis_v1_train.json"]
    assert members(folder, "lvis_v1_val.json.zip") == ["lvis_v1_val.json"]


def test_records_say_stand_in_and_count_what_the_archives_hold(built):
    folder, result = built
    assert result["stand_ins"] == list(result["artifacts"])
    assert all(record["stand_in"] is True for record in result["artifacts"].values())
    counts = {name: record["counts"] for name, record in result["artifacts"].items()}
    assert counts["coco-train2017"]["images"] == len(members(folder, "train2017.zip")) - 1 == 24
    assert counts["coco-val2017"]["images"] == len(members(folder, "val2017.zip")) - 1 == 12
    total = 0
    for part in ("train2017", "val2017"):
        found = document(folder, "annotations_trainval2017.zip", f"annotations/instances_{part}.json")
        assert counts[f"coco-{part}"]["annotations"] == len(found["annotations"])
        assert counts["coco-annotations-trainval2017"][f"{part}_annotations"] == len(found["annotations"])
        total += len(found["annotations"])
    assert counts["coco-annotations-trainval2017"]["annotations"] == total
    for part in ("train", "val"):
        found = document(folder, f"lvis_v1_{part}.json.zip", f"lvis_v1_{part}.json")
        assert counts[f"lvis-v1-{part}"] == {"images": len(found["images"]), "annotations": len(found["annotations"])}


def test_lvis_names_images_of_both_folders_and_only_existing_ones(built):
    folder, _ = built
    stored = {f"{SITE}{name}" for part in ("train2017", "val2017") for name in members(folder, f"{part}.zip")}
    parts = {part: document(folder, f"lvis_v1_{part}.json.zip", f"lvis_v1_{part}.json") for part in ("train", "val")}
    urls = {part: {image["coco_url"] for image in found["images"]} for part, found in parts.items()}
    assert urls["train"] | urls["val"] <= stored
    assert not urls["train"] & urls["val"]
    assert {url.removeprefix(SITE).split("/")[0] for url in urls["train"]} == {"train2017"}
    assert {url.removeprefix(SITE).split("/")[0] for url in urls["val"]} == {"train2017", "val2017"}


def test_the_same_bytes_come_out_twice_and_the_second_call_builds_nothing(built, tmp_path, monkeypatch):
    _, result = built
    again = data.build(tmp_path / "www", "http://lab")
    assert again == result
    monkeypatch.setattr(data, "write_archives", lambda folder: pytest.fail("built again"))
    assert data.build(tmp_path / "www", "http://lab") == result
