"""summary.json says what is there, in the shape that the report's data page reads."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.datasets import summary
from ansible_collections.codetr.provision.plugins.module_utils.datasets.decode import Decoded
from ansible_collections.codetr.provision.plugins.module_utils.datasets.survey import Survey
from PIL import Image

from codetr_provision.data_result import DataResult
from codetr_provision.model import load

PYTHON = sys.executable


def sample(image: str, width: int = 640, height: int = 480) -> dict[str, Any]:
    return {"image": image, "width": width, "height": height, "boxes": [[1, 2, 30, 40, "person"], [5, 6, 7, 8.5, "dog"]]}


def surveyed(stem: str, *folders: str, **more: Any) -> Survey:
    found = Survey(stem=stem, bytes=1000, mtime_ns=1, images=20, annotations=50, categories=80, **more)
    found.samples = [sample(f"{folder}/{number}.jpg") for folder in folders for number in range(4)]
    return found


@pytest.fixture
def everything() -> list[Survey]:
    both = ("train2017", "val2017")
    return [
        surveyed("lvis_v1_val", *both, classes={"aerosol": 3, "person": 9}, invalid_boxes=4),
        surveyed("lvis_v1_train", "train2017", classes={"person": 20, "zebra": 12}, invalid_boxes=13),
        surveyed("instances_train2017", "train2017", classes={"dog": 7, "person": 5}),
        surveyed("instances_val2017", "val2017", classes={"person": 4, "cat": 7}),
        Survey(stem="captions_val2017", bytes=5, mtime_ns=1, images=20, annotations=100),
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root; each folder has four grey images of 600 x 300 pixels, one more is broken."""
    for folder in ("train2017", "val2017"):
        (tmp_path / "coco" / folder).mkdir(parents=True)
        for number in range(4):
            Image.new("L", (600, 300)).save(tmp_path / "coco" / folder / f"{number}.jpg", "JPEG")
    (tmp_path / "coco" / "val2017" / "1.jpg").write_bytes(b"")
    return tmp_path


def paths(root: Path) -> dict[str, str]:
    return {name: str(root / "coco" / name) for name in ("train2017", "val2017")}


FOLDERS = [{"name": "train2017", "images": 118287, "bytes": 19_000_000_000, "source": "archive", "path": "/d/coco/train2017"}]


def test_the_whole_summary(everything: list[Survey]) -> None:
    checks = [{"name": "images", "status": "ok", "detail": "all there"}]
    samples = [{"set": "coco", "file": "", **sample("val2017/0.jpg")}]
    found = summary.summary("/d", 7, True, FOLDERS, everything, checks, samples)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", found.pop("at"))
    assert found == {
        "schema": 1, "root": "/d", "stand_in": True, "subset": 7, "folders": FOLDERS,
        "files": [
            {"name": "captions_val2017.json", "images": 20, "annotations": 100, "categories": None, "bytes": 5, "invalid_boxes": 0},
            *({"name": f"{stem}.json", "images": 20, "annotations": 50, "categories": 80, "bytes": 1000, "invalid_boxes": invalid}
              for stem, invalid in (("instances_train2017", 0), ("instances_val2017", 0), ("lvis_v1_train", 13), ("lvis_v1_val", 4))),
        ],
        "classes": {
            "coco": [["person", 9], ["cat", 7], ["dog", 7]],
            "lvis": [["person", 29], ["zebra", 12], ["aerosol", 3]],
        },
        "checks": checks,
        "samples": samples,
    }


def test_a_data_set_that_is_not_there_has_no_classes(everything: list[Survey]) -> None:
    found = summary.summary("/d", 0, False, FOLDERS, everything[2:], [], [])
    assert found["classes"] == {"coco": [["person", 9], ["cat", 7], ["dog", 7]], "lvis": []}


def test_the_report_can_read_it(everything: list[Survey], root: Path) -> None:
    samples = summary.shown(paths(root), everything, str(root / "small"), PYTHON)
    checks = summary.checks_of(everything, {}, 24, None)
    read = load(DataResult, summary.summary("/d", 0, False, FOLDERS, everything, checks, samples))
    assert len(read.samples) == 12
    assert read.samples[0].boxes[0] == (1, 2, 30, 40, "person")
    assert read.classes.lvis[0] == ("person", 29)
    assert read.folders[0].source == "archive"


def test_six_images_of_each_set_with_their_small_copies(everything: list[Survey], root: Path) -> None:
    found = summary.shown(paths(root), everything, str(root / "new" / "small"), PYTHON)
    assert [(one["set"], one["image"]) for one in found] == [
        *(("coco", f"train2017/{number}.jpg") for number in range(4)),
        *(("coco", f"val2017/{number}.jpg") for number in range(2)),
        *(("lvis", f"train2017/{number}.jpg") for number in (0, 1, 0, 1)),
        *(("lvis", f"val2017/{number}.jpg") for number in range(2)),
    ]
    files = [one["file"] for one in found]
    assert files == [
        *(f"data-coco-{number:02}.jpg" for number in range(1, 6)), "",
        *(f"data-lvis-{number:02}.jpg" for number in range(1, 6)), "",
    ]
    assert {path.name for path in (root / "new" / "small").iterdir()} == set(files) - {""}
    with Image.open(root / "new" / "small" / "data-lvis-03.jpg") as image:
        assert image.size == (480, 240)
    # As the images are, where they can be read, and as the annotations say where not.
    assert [(one["width"], one["height"]) for one in found] == [*[(600, 300)] * 5, (640, 480)] * 2
    assert found[0]["boxes"] == sample("x")["boxes"]


def test_without_a_decoder_there_are_samples_without_files(everything: list[Survey], root: Path) -> None:
    everything[2].samples[1].update(width=0)
    found = summary.shown(paths(root), everything, str(root / "small"), None)
    assert len(found) == 11
    assert {one["file"] for one in found} == {""}
    assert not (root / "small").exists()
    assert len(summary.shown(paths(root), everything, str(root / "small"), PYTHON)) == 12


def test_a_subset_may_have_fewer(everything: list[Survey], root: Path) -> None:
    everything[2].samples = everything[2].samples[:1]
    found = summary.shown(paths(root), everything[2:4], str(root / "small"), PYTHON)
    assert [one["image"] for one in found] == ["train2017/0.jpg", "val2017/0.jpg", "val2017/1.jpg"]


def statuses(everything: list[Survey], counts: dict[str, Any], decoded: Decoded | None) -> dict[str, tuple[str, str]]:
    return {one["name"]: (one["status"], one["detail"]) for one in summary.checks_of(everything, counts, 24, decoded)}


def test_checks_say_what_was_looked_at(everything: list[Survey]) -> None:
    counts = {"lvis_v1_val": {"images": 20}, "captions_val2017": {"val2017_images": 20}, "instances_val2017": None}
    found = statuses(everything, counts, Decoded(checked=24))
    assert found == {
        "annotation files": ("ok", "5 files read, 300 annotations, each of an image listed in its file"),
        "images": ("ok", "every listed image exists, 24 in all"),
        "counts": ("ok", "as in the records: lvis_v1_val"),
        "boxes": ("ok", "17 of 300 annotations have a box without area or partly outside its image"),
        "decoding": ("ok", "24 of 24 images decoded completely, with the annotated sizes"),
    }


def test_checks_that_could_not_be_made_are_skipped_and_say_why(everything: list[Survey]) -> None:
    found = statuses(everything, {}, None)
    assert found["counts"] == ("skipped", "not compared: this is a subset, or the records have no counts")
    assert found["decoding"][0] == "skipped"
    assert "Install python3-pil and run again" in found["decoding"][1]


def test_damaged_images_fail_their_check(everything: list[Survey]) -> None:
    found = statuses(everything, {}, Decoded(checked=9, faults={"val2017/b.jpg": "is empty", "train2017/c.jpg": "is no image"}))
    assert found["decoding"] == ("failed", "2 of 9 images: train2017/c.jpg is no image")


def test_a_small_survey_has_all_that_a_summary_needs(everything: list[Survey]) -> None:
    everything[0].image_table, everything[0].bare = {"val2017/0.jpg": [1, 2, 3]}, ["val2017/0.jpg"]
    small = [summary.small(found) for found in everything]
    assert (small[0].image_table, small[0].bare) == ({}, [])
    assert summary.checks_of(small, {}, 24, None) == summary.checks_of(everything, {}, 24, None)
    whole, less = (summary.summary("/d", 0, False, FOLDERS, found, [], []) for found in (everything, small))
    assert {**whole, "at": ""} == {**less, "at": ""}
