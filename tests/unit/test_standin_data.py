"""The small archives that stand in for COCO and LVIS have the real names, layout and schema."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "molecule" / "shared"))

from lab.standins import data, data_categories, data_draw

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


def test_sizes_in_the_annotations_are_those_of_the_jpegs(built):
    folder, _ = built
    sizes = set()
    for part in ("train2017", "val2017"):
        found = document(folder, "annotations_trainval2017.zip", f"annotations/instances_{part}.json")
        with zipfile.ZipFile(folder / f"{part}.zip") as archive:
            for image in found["images"]:
                with Image.open(io.BytesIO(archive.read(f"{part}/{image['file_name']}"))) as picture:
                    assert picture.format == "JPEG"
                    assert picture.size == (image["width"], image["height"])
                    sizes.add(picture.size)
    assert len(sizes) > 3


def test_categories_have_the_ids_of_coco_with_their_gaps():
    found = {category["id"]: category["name"] for category in data_categories.coco_categories()}
    assert len(found) == 80
    assert {number: found[number] for number in (1, 11, 13, 25, 27, 44, 46, 65, 67, 70, 72, 82, 84, 90)} == {
        **{1: "person", 11: "fire hydrant", 13: "stop sign", 25: "giraffe", 27: "backpack", 44: "bottle", 46: "wine glass"},
        **{65: "bed", 67: "dining table", 70: "toilet", 72: "tv", 82: "refrigerator", 84: "book", 90: "toothbrush"},
    }


def test_every_part_has_crowds_whose_run_lengths_fill_the_picture(built):
    folder, _ = built
    for part in ("train2017", "val2017"):
        found = document(folder, "annotations_trainval2017.zip", f"annotations/instances_{part}.json")
        crowds = [annotation for annotation in found["annotations"] if annotation["iscrowd"]]
        assert crowds
        images = {image["id"]: image for image in found["images"]}
        for crowd in crowds:
            mask, image = crowd["segmentation"], images[crowd["image_id"]]
            assert mask["size"] == [image["height"], image["width"]]
            assert sum(mask["counts"]) == image["height"] * image["width"]
            assert sum(mask["counts"][1::2]) == crowd["area"] > 0


def test_outlines_lie_in_their_boxes_and_on_their_colour(built):
    folder, _ = built
    found = document(folder, "annotations_trainval2017.zip", "annotations/instances_train2017.json")
    images = {image["id"]: image for image in found["images"]}
    with zipfile.ZipFile(folder / "train2017.zip") as archive:
        for annotation in found["annotations"]:
            image = images[annotation["image_id"]]
            x, y, width, height = annotation["bbox"]
            assert 0 <= x < x + width <= image["width"]
            assert 0 <= y < y + height <= image["height"]
            if annotation["iscrowd"]:
                continue
            (outline,) = annotation["segmentation"]
            assert all(x - 0.01 <= across <= x + width + 0.01 for across in outline[0::2])
            assert all(y - 0.01 <= down <= y + height + 0.01 for down in outline[1::2])
            assert 0 < annotation["area"] <= width * height + 1
            with Image.open(io.BytesIO(archive.read(f"train2017/{image['file_name']}"))) as picture:
                middle = picture.getpixel((round(x + width / 2), round(y + height / 2)))
            wanted = data_draw.colour(annotation["category_id"])
            assert all(abs(have - want) < 40 for have, want in zip(middle, wanted, strict=True))


def test_run_lengths_go_down_the_columns_and_begin_with_background():
    mask = Image.new("L", (2, 3))
    mask.putpixel((0, 0), 255)
    mask.putpixel((0, 1), 255)
    assert data_draw.run_lengths(mask) == (0, 2, 4)


def test_lvis_names_images_of_both_folders_and_only_existing_ones(built):
    folder, _ = built
    stored = {f"{SITE}{name}" for part in ("train2017", "val2017") for name in members(folder, f"{part}.zip")}
    parts = {part: document(folder, f"lvis_v1_{part}.json.zip", f"lvis_v1_{part}.json") for part in ("train", "val")}
    urls = {part: {image["coco_url"] for image in found["images"]} for part, found in parts.items()}
    assert urls["train"] | urls["val"] <= stored
    assert not urls["train"] & urls["val"]
    assert {url.removeprefix(SITE).split("/")[0] for url in urls["train"]} == {"train2017"}
    assert {url.removeprefix(SITE).split("/")[0] for url in urls["val"]} == {"train2017", "val2017"}


def test_lvis_has_its_schema(built):
    folder, _ = built
    found = document(folder, "lvis_v1_val.json.zip", "lvis_v1_val.json")
    assert [category["id"] for category in found["categories"]] == list(range(1, 1204))
    assert {category["frequency"] for category in found["categories"]} == {"r", "c", "f"}
    known = {"name", "synset", "synonyms", "def", "image_count", "instance_count", "frequency", "id"}
    assert all(set(category) == known for category in found["categories"])
    assert all("file_name" not in image for image in found["images"])
    assert any(image["not_exhaustive_category_ids"] for image in found["images"])
    present = {image["id"]: set() for image in found["images"]}
    for annotation in found["annotations"]:
        assert set(annotation) == {"segmentation", "area", "image_id", "bbox", "id", "category_id"}
        present[annotation["image_id"]].add(annotation["category_id"])
    assert all(not present[image["id"]] & set(image["neg_category_ids"]) for image in found["images"])


def test_the_same_bytes_come_out_twice_and_the_second_call_builds_nothing(built, tmp_path, monkeypatch):
    _, result = built
    again = data.build(tmp_path / "www", "http://lab")
    assert again == result
    monkeypatch.setattr(data, "write_archives", lambda folder: pytest.fail("built again"))
    assert data.build(tmp_path / "www", "http://lab") == result


def test_a_lost_archive_is_written_again(tmp_path):
    result = data.build(tmp_path / "www", "http://lab")
    (tmp_path / "www" / "data" / "val2017.zip").write_bytes(b"cut short")
    assert data.build(tmp_path / "www", "http://lab") == result
    assert (tmp_path / "www" / "data" / "val2017.zip").stat().st_size == result["artifacts"]["coco-val2017"]["size"]
