"""One pass over an annotation file finds its numbers, images, classes and samples; what is not in order is refused by name."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.datasets import check, samples, survey, surveys
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import DatasetRefused
from ansible_collections.codetr.provision.plugins.module_utils.datasets.survey import Survey
from archive_lab import children
from killed import child_ends

TRAIN, VAL = "lvis_v1_train", "instances_val2017"


def images(*numbers: int, folder: str = "val2017") -> list[dict[str, Any]]:
    url = "http://images.example.org"
    return [
        {"id": number, "file_name": f"{number:012}.jpg", "coco_url": f"{url}/{folder}/{number:012}.jpg", "width": 640, "height": 480}
        for number in numbers
    ]


def box(image: int, category: int = 1, at: tuple[float, ...] = (10.0, 20.0, 30.5, 40.25)) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": list(at), "segmentation": [[1.5, 2.5, 3.5]]}


CATEGORIES = [{"id": 1, "name": "person"}, {"id": 7, "name": "hot air balloon"}]


def write(folder: Path, stem: str, document: dict[str, Any]) -> str:
    path = folder / f"{stem}.json"
    path.write_text(json.dumps(document))
    return str(path)


def surveyed(folder: Path, stem: str, **document: Any) -> Survey:
    return survey.survey(write(folder, stem, document), stem)


def orders(**document: Any) -> list[dict[str, Any]]:
    """The same document with its lists as COCO has them, and as LVIS has them."""
    keys = ("images", "annotations", "categories"), ("annotations", "categories", "images")
    return [{key: document[key] for key in order} for order in keys]


def facts(found: Survey) -> dict[str, Any]:
    return {key: value for key, value in vars(found).items() if key not in ("bytes", "mtime_ns")}


def test_all_numbers_of_a_file_whatever_the_order_of_its_lists(tmp_path: Path) -> None:
    annotations = [box(5, 7), box(5, 1), box(6, 7), box(99, 1)]
    first, second = orders(images=images(5, 6, 8), annotations=annotations, categories=CATEGORIES)
    found = surveyed(tmp_path, VAL, **first)
    there = (tmp_path / f"{VAL}.json").stat()
    assert (found.bytes, found.mtime_ns) == (there.st_size, there.st_mtime_ns)
    assert facts(found) == {
        "stem": VAL, "images": 3, "annotations": 4, "categories": 2, "strays": 1, "invalid_boxes": 0,
        "image_table": {f"val2017/{number:012}.jpg": [number, 640, 480] for number in (5, 6, 8)},
        "bare": ["val2017/000000000008.jpg"],
        "classes": {"hot air balloon": 2, "person": 2},
        "samples": [
            {"image": "val2017/000000000005.jpg", "width": 640, "height": 480,
             "boxes": [[10.0, 20.0, 30.5, 40.25, "hot air balloon"], [10.0, 20.0, 30.5, 40.25, "person"]]},
            {"image": "val2017/000000000006.jpg", "width": 640, "height": 480,
             "boxes": [[10.0, 20.0, 30.5, 40.25, "hot air balloon"]]},
        ],
    }
    assert facts(surveyed(tmp_path, VAL, **second)) == facts(found)


def test_classes_come_with_the_most_first(tmp_path: Path) -> None:
    found = surveyed(tmp_path, VAL, images=images(5), annotations=[box(5, 7), box(5, 1), box(5, 1), box(5, 4)], categories=CATEGORIES)
    assert list(found.classes.items()) == [("person", 2), ("category 4", 1), ("hot air balloon", 1)]


def test_two_categories_of_one_name_are_one_class(tmp_path: Path) -> None:
    twice = [{"id": 1, "name": "person"}, {"id": 7, "name": "person"}]
    found = surveyed(tmp_path, VAL, images=images(5), annotations=[box(5, 7), box(5, 1), box(5, 1)], categories=twice)
    assert (found.categories, found.classes) == (2, {"person": 3})


def test_lvis_says_the_folder_in_the_url(tmp_path: Path) -> None:
    both = [*images(5, folder="train2017"), *images(6)]
    found = surveyed(tmp_path, "lvis_v1_val", images=both, annotations=[box(5)], categories=CATEGORIES)
    assert list(found.image_table) == ["train2017/000000000005.jpg", "val2017/000000000006.jpg"]


def test_captions_have_no_boxes_and_no_categories(tmp_path: Path) -> None:
    found = surveyed(tmp_path, "captions_val2017", images=images(5, 6), annotations=[{"image_id": 5, "id": 1, "caption": "A thing."}])
    assert (found.images, found.annotations, found.categories, found.classes, found.samples) == (2, 1, None, {}, [])
    assert found.bare == ["val2017/000000000006.jpg"]


@pytest.mark.parametrize(("at", "invalid"), [
    ((0.0, 0.0, 640.0, 480.0), 0), ((0, 0, 1, 1), 0), ((600.5, 10, 40.0, 1), 0), ((-0.9, -0.9, 9, 9), 0),
    ((5, 5, 0, 9), 1), ((5, 5, 9, 0), 1), ((5, 5, -2, 9), 1), ((float("nan"), 5, 9, 9), 1),
    ((600.5, 10, 42.0, 1), 1), ((10, 470, 5, 12), 1), ((-1.5, 5, 9, 9), 1), ((5, -1.5, 9, 9), 1),
])
def test_invalid_boxes_are_counted_and_refuse_nothing(tmp_path: Path, at: tuple[float, ...], invalid: int) -> None:
    for document in orders(images=images(5), annotations=[box(5), box(5, at=at), box(99, at=(0, 0, 9e9, 1))], categories=CATEGORIES):
        assert surveyed(tmp_path, VAL, **document).invalid_boxes == invalid


def test_an_image_of_unknown_size_has_no_outside(tmp_path: Path) -> None:
    for document in orders(images=[{"id": 5, "file_name": "5.jpg"}], annotations=[box(5, at=(0, 0, 9e9, 9e9))], categories=CATEGORIES):
        found = surveyed(tmp_path, VAL, **document)
        assert found.invalid_boxes == 0
        assert found.image_table == {"val2017/5.jpg": [5, 0, 0]}


@pytest.mark.parametrize(("document", "said"), [
    ({"images": images(5, 5), "annotations": []}, "has two images with the id 5."),
    ({"images": [*images(5), {"id": 6, "file_name": "000000000005.jpg"}], "annotations": []}, "names val2017/000000000005.jpg twice."),
    ({"images": images(5)}, "has no lists named images and annotations."),
    ({"annotations": [box(5)]}, "has no lists named images and annotations."),
    ({"images": {"5": 1}, "annotations": []}, "is not valid JSON (no list, at character 11)."),
    ({"images": [{"file_name": "a.jpg"}], "annotations": []}, "has images that are not in COCO format (KeyError('id'))."),
    ({"images": images(5), "annotations": [7]}, "has annotations that are not in COCO format"),
    ({"images": images(5), "annotations": [{"image_id": 5, "bbox": [1, 2, 3]}]}, "has annotations that are not in COCO format"),
    ({"images": images(5), "annotations": [{"image_id": 5, "bbox": ["a"] * 4}]}, "has annotations that are not in COCO format"),
    ({"images": images(5), "annotations": [], "categories": [{"id": 1}]}, "has categories that are not in COCO format"),
])
def test_what_is_no_annotation_file_is_refused(tmp_path: Path, document: dict[str, Any], said: str) -> None:
    with pytest.raises(DatasetRefused) as refusal:
        surveyed(tmp_path, VAL, **document)
    assert f"{tmp_path}/{VAL}.json {said}" in str(refusal.value)
    assert f"Move {tmp_path}/{VAL}.json away and run again" in str(refusal.value)


def many(folder: str, first: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """200 images with 1, 2, 12 or 13 boxes each, all boxes different."""
    found = images(*range(first, first + 200), folder=folder)
    boxes = [
        box(image["id"], at=(number, 1, 2, 3)) for number in range(13) for image in found if number < (1, 2, 12, 13)[image["id"] % 4]
    ]
    return found, boxes


def test_samples_are_few_whole_and_fit_to_be_shown(tmp_path: Path) -> None:
    (train, train_boxes), (val, val_boxes) = many("train2017", 1000), many("val2017", 5000)
    document = {"images": train + val, "annotations": train_boxes + val_boxes, "categories": CATEGORIES}
    found = surveyed(tmp_path, "lvis_v1_val", **document).samples
    assert [sample["image"].partition("/")[0] for sample in found] == ["train2017"] * samples.SAMPLES + ["val2017"] * samples.SAMPLES
    for sample in found:
        number = int(sample["image"][-16:-4])
        assert number % 4 in (1, 2)
        assert sample["boxes"] == [[place, 1, 2, 3, "person"] for place in range(2 if number % 4 == 1 else 12)]
    backwards = {"annotations": [*reversed(val_boxes), *train_boxes], "images": val + train, "categories": CATEGORIES}
    again = surveyed(tmp_path, "lvis_v1_val", **backwards).samples
    assert [sample["image"] for sample in again] == [sample["image"] for sample in found]


def test_where_no_image_fits_others_are_shown(tmp_path: Path) -> None:
    found = surveyed(tmp_path, VAL, images=images(5, 6), annotations=[box(5)] + [box(6)] * 13, categories=CATEGORIES).samples
    assert sorted(len(sample["boxes"]) for sample in found) == [1, 13]


def test_only_some_images_boxes_are_held() -> None:
    candidates = samples.Candidates()
    for number in (1, 2):
        for image in range(2000):
            candidates.add(image, [number, 0, 1, 1], 1)
            assert len(candidates.boxes) <= samples.CANDIDATES
    assert {len(boxes) for boxes in candidates.boxes.values()} == {2}
    lowest = sorted(range(2000), key=lambda image: zlib.crc32(str(image).encode()))
    assert set(candidates.boxes) == set(lowest[: samples.CANDIDATES])


def test_a_saved_survey_comes_back_until_the_file_changes(tmp_path: Path) -> None:
    path = write(tmp_path, VAL, {"images": images(5, 6), "annotations": [box(5)], "categories": CATEGORIES})
    where = str(tmp_path / "surveys" / "val.json")
    assert survey.load(where, path) is None
    found = survey.survey(path, VAL)
    survey.save(found, where)
    assert survey.load(where, path) == found
    os.utime(path, ns=(found.mtime_ns, found.mtime_ns + 1))
    assert survey.load(where, path) is None
    Path(path).write_text(Path(path).read_text() + " ")
    os.utime(path, ns=(found.mtime_ns, found.mtime_ns))
    assert survey.load(where, path) is None
    Path(path).unlink()
    assert survey.load(where, path) is None


@pytest.mark.parametrize("text", ["", '{"stem": ', "[]", '{"of": "another version"}'])
def test_what_is_no_survey_is_made_anew(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, VAL, {"images": [], "annotations": []})
    (tmp_path / "saved").write_text(text)
    assert survey.load(str(tmp_path / "saved"), path) is None


def test_several_files_at_once_and_what_is_there_is_kept(tmp_path: Path) -> None:
    stems = ("instances_train2017", "instances_val2017", "captions_val2017")
    where = {}
    for number, stem in enumerate(stems, 1):
        path = write(tmp_path, stem, {"images": images(*range(number * 50)), "annotations": [], "categories": []})
        where[path] = str(tmp_path / "surveys" / f"{stem}.json")
    told: list[tuple[int, int]] = []
    survey.survey_all(where, lambda done, total: told.append((done, total)))
    assert [survey.load(saved, path).images for path, saved in where.items()] == [50, 100, 150]
    total = sum(Path(path).stat().st_size for path in where)
    assert told[-1] == (total, total)
    first, *others = where
    os.utime(first, ns=(1, 1))
    before = {path: Path(where[path]).stat().st_ino for path in where}
    survey.survey_all(where, lambda done, total: told.append((done, total)))
    assert told[-1] == (Path(first).stat().st_size,) * 2
    assert {path: Path(where[path]).stat().st_ino for path in others} == {path: before[path] for path in others}
    assert Path(where[first]).stat().st_ino != before[first]


def test_one_bad_file_ends_them_all(tmp_path: Path) -> None:
    good = write(tmp_path, VAL, {"images": images(*range(100)), "annotations": []})
    bad = write(tmp_path, TRAIN, {"images": images(5, 5), "annotations": []})
    with pytest.raises(DatasetRefused, match=r"lvis_v1_train\.json has two images with the id 5"):
        survey.survey_all({good: str(tmp_path / "a"), bad: str(tmp_path / "b")}, lambda done, total: None)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("processes", [1, 2])
def test_as_many_processes_as_are_allowed(tmp_path: Path, processes: int) -> None:
    where = {str(tmp_path / name): str(tmp_path / f"{name}-saved") for name in ("one.json", "two.json", "three.json")}
    for path in where:
        # Nobody ever writes to it: reading it lasts for ever.
        os.mkfifo(path)

    def look(done: int, total: int) -> None:
        raise LookupError(len(children(os.getpid())))

    with pytest.raises(LookupError) as seen:
        survey.survey_all(where, look, processes)
    assert seen.value.args == (processes,)
    assert children(os.getpid()) == []


def test_a_survey_ends_when_the_process_that_asked_is_killed(tmp_path: Path) -> None:
    # Nobody ever writes to it: reading it lasts for ever.
    os.mkfifo(tmp_path / "pipe.json")
    assert child_ends(
        "import os\n"
        "from ansible_collections.codetr.provision.plugins.module_utils.datasets import survey\n"
        "told = lambda done, total: print(*open(f'/proc/self/task/{os.getpid()}/children'), flush=True)\n"
        f"survey.survey_all({{{str(tmp_path / 'pipe.json')!r}: {str(tmp_path / 'saved')!r}}}, told)"
    )


def test_a_file_that_is_missing_among_several_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetRefused, match=r"none\.json does not exist"):
        survey.survey_all({str(tmp_path / "none.json"): str(tmp_path / "a")}, lambda done, total: None)


def small_survey(stem: str = VAL, **more: Any) -> Survey:
    images = {"val2017/a.jpg": [1, 640, 480], "train2017/b.jpg": [2, 640, 480]}
    return Survey(stem=stem, bytes=9, mtime_ns=1, images=2, annotations=3, image_table=images, **more)


def test_numbers_are_compared_with_the_record(tmp_path: Path) -> None:
    counts = {"val2017_images": 2, "val2017_annotations": 3, "train2017_images": 77}
    assert check.check_numbers(small_survey(), "/d/x.json", counts) == {"images": 2, "annotations": 3}
    assert check.check_numbers(small_survey(), "/d/x.json", None) == {"images": 2, "annotations": 3}
    with pytest.raises(DatasetRefused, match=r"/d/x\.json has 3 annotations, but its record lists 4\. Move /d/x\.json away"):
        check.check_numbers(small_survey(), "/d/x.json", {**counts, "val2017_annotations": 4})
    with pytest.raises(DatasetRefused, match="has 2 images, but its record lists 1"):
        check.check_numbers(small_survey("lvis_v1_val"), "/d/x.json", {"images": 1})


def test_every_listed_image_must_exist() -> None:
    there = {"val2017": {"a.jpg", "more.jpg"}, "train2017": {"b.jpg"}}
    check.check_images(small_survey(), "/d/x.json", there, "/d")
    with pytest.raises(DatasetRefused, match=r"/d/x\.json lists 1 images that do not exist below /d, first train2017/b\.jpg\."):
        check.check_images(small_survey(), "/d/x.json", {"val2017": {"a.jpg", "b.jpg"}, "train2017": set()}, "/d")
    with pytest.raises(DatasetRefused, match=r"lists 2 images .* first train2017/b\.jpg\."):
        check.check_images(small_survey(), "/d/x.json", {}, "/d")
    with pytest.raises(DatasetRefused, match=r"/d/x\.json has 2 annotations of images that it does not list\."):
        check.check_images(small_survey(strays=2), "/d/x.json", there, "/d")


def test_lvis_val_needs_both_links(tmp_path: Path) -> None:
    for folder in ("train2017", "val2017"):
        (tmp_path / "coco" / folder).mkdir(parents=True)
    (tmp_path / "lvis_v1").mkdir()
    (tmp_path / "lvis_v1" / "val2017").symlink_to("../coco/val2017")
    (tmp_path / "lvis_v1" / "train2017").symlink_to("../coco/gone")
    root, links = str(tmp_path), ["lvis_v1/train2017", "lvis_v1/val2017"]
    assert check.linked_folders(root, links) == {"val2017"}
    said = rf"/d/x\.json lists images in train2017, but {root}/lvis_v1/train2017 does not lead to a folder\. Move that path away"
    with pytest.raises(DatasetRefused, match=said):
        check.check_links(small_survey("lvis_v1_val"), "/d/x.json", check.linked_folders(root, links), f"{root}/lvis_v1")
    (tmp_path / "lvis_v1" / "train2017").unlink()
    (tmp_path / "lvis_v1" / "train2017").symlink_to("../coco/train2017")
    check.check_links(small_survey("lvis_v1_val"), "/d/x.json", check.linked_folders(root, links), f"{root}/lvis_v1")


def test_a_file_that_changed_since_it_was_surveyed_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "captions_val2017.json"
    path.write_text('{"images": [], "annotations": []}')
    surveys.make(str(tmp_path), [str(path)], lambda done, total: None)
    assert surveys.load(str(tmp_path), str(path)).images == 0
    path.write_text('{"images": [],  "annotations": []}')
    with pytest.raises(DatasetRefused, match="changed while it was validated"):
        surveys.load(str(tmp_path), str(path))
