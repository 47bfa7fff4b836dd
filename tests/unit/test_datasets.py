"""The data sets from option to layout: probe, plan and the modules' work, on tiny archives of the real shape."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.archive import inventory, pipeline
from ansible_collections.codetr.provision.plugins.module_utils.child import WorkFailed
from ansible_collections.codetr.provision.plugins.module_utils.datasets import check
from ansible_collections.codetr.provision.plugins.module_utils.datasets import plan as datasets
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import DatasetRefused
from ansible_collections.codetr.provision.plugins.module_utils.datasets.run import run, works
from datasets_lab import TRAIN, VAL, Lab


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_bare_host_gets_everything_and_then_nothing(lab: Lab) -> None:
    stage = lab.plan()
    assert (stage.action, stage.stand_in, stage.version) == ("install", True, "COCO 2017 (20+10), LVIS v1")
    lab.run(stage)
    assert names(lab.root) == {"coco", "lvis_v1", ".codetr"}
    assert names(lab.root / "coco") == {"train2017", "val2017", "annotations"}
    assert names(lab.root / "coco" / "train2017") == set(TRAIN)
    assert names(lab.root / "coco" / "annotations") == {
        f"{kind}_{split}.json" for kind in ("instances", "captions") for split in ("train2017", "val2017")
    }
    assert str((lab.root / "lvis_v1" / "train2017").readlink()) == "../coco/train2017"
    assert (lab.root / "lvis_v1" / "val2017" / VAL[0]).is_file()
    lists = {f"{name}.{kind}" for name in lab.records for kind in ("json", "files")}
    assert names(lab.root / ".codetr") == {*lists, "surveys", "summary.json"}
    again = lab.plan()
    assert (again.action, again.reason) == ("keep", "30 images and their annotations are installed")
    assert again.stand_in


def test_lvis_alone_brings_the_images_and_coco_comes_later(lab: Lab) -> None:
    lab.run(lab.plan(names=["lvis"]))
    assert names(lab.root / "coco") == {"train2017", "val2017"}
    stage = lab.plan(names=["coco", "lvis"])
    assert stage.action == "change"
    assert lab.statuses(stage) == {"coco-annotations-trainval2017": "missing"}
    assert set(lab.run(stage)["fetched"]) == {"coco-annotations-trainval2017"}
    assert lab.plan().action == "keep"
    assert lab.plan(names=["coco"]).action == "keep"


@pytest.mark.parametrize(("lost", "named"), [
    ("coco/train2017/" + TRAIN[3], "coco-train2017"), ("coco/val2017", "coco-val2017"),
    ("coco/annotations/captions_val2017.json", "coco-annotations-trainval2017"), ("lvis_v1/annotations/lvis_v1_val.json", "lvis-v1-val"),
    ("lvis_v1/val2017", "lvis_v1/val2017"),
])
def test_what_is_lost_is_named_and_only_that_is_made_again(lab: Lab, lost: str, named: str) -> None:
    lab.run(lab.plan())
    path = lab.root / lost
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    stage = lab.plan()
    assert stage.action == "repair"
    assert named in stage.reason
    assert set(lab.statuses(stage)) == ({named} if named in lab.records else set())
    assert set(lab.run(stage)["fetched"]) == set(lab.statuses(stage))
    assert path.exists()
    assert lab.plan().action == "keep"


def test_a_changed_size_of_an_annotation_file_is_seen(lab: Lab) -> None:
    lab.run(lab.plan())
    with (lab.root / "coco/annotations/instances_val2017.json").open("a") as handle:
        handle.write(" ")
    assert lab.plan().action == "repair"


def test_cut_before_validation_nothing_counts_as_done(lab: Lab) -> None:
    lab.extracted(lab.plan())
    half = lab.plan()
    assert half.action == "repair"
    assert "coco-train2017 (not validated)" in half.reason
    missing = {name for name, word in lab.statuses(half).items() if word == "missing"}
    assert missing == {"coco-annotations-trainval2017", "lvis-v1-train", "lvis-v1-val"}
    # What is extracted already is not fetched again.
    assert lab.run(half)["fetched"] == {}
    assert lab.plan().action == "keep"


@pytest.mark.parametrize("number", [2, 4, 7])
def test_a_subset_is_consistent_and_lvis_val_has_both_folders(lab: Lab, number: int) -> None:
    stage = lab.plan(subset=number)
    assert stage.version == f"COCO 2017 ({number}+{number}, a subset), LVIS v1"
    lab.run(stage)
    for split in ("train2017", "val2017"):
        images = names(lab.root / "coco" / split)
        found = lab.json(f"coco/annotations/instances_{split}.json")
        assert len(images) == number
        assert {image["file_name"] for image in found["images"]} == images
        assert {entry["image_id"] for entry in found["annotations"]} <= {image["id"] for image in found["images"]}
        assert found["categories"] == [{"id": 1, "name": "person"}]
    val = [image["coco_url"].split("/")[-2:] for image in lab.json("lvis_v1/annotations/lvis_v1_val.json")["images"]]
    assert {folder for folder, _ in val} == {"train2017", "val2017"}
    assert all((lab.root / "lvis_v1" / folder / name).is_file() for folder, name in val)
    train = lab.json("lvis_v1/annotations/lvis_v1_train.json")
    assert train["images"]
    assert train["annotations"]
    assert lab.plan().action == "keep"


def test_the_choice_is_the_same_each_time(lab: Lab, tmp_path: Path) -> None:
    lab.run(lab.plan(subset=5))
    first = names(lab.root / "coco" / "train2017")
    (tmp_path / "two").mkdir()
    other = Lab(tmp_path / "two")
    other.run(other.plan(subset=5))
    assert names(other.root / "coco" / "train2017") == first


def test_another_subset_and_back_to_all(lab: Lab) -> None:
    lab.run(lab.plan(subset=3))
    grown = lab.plan(subset=6)
    assert grown.action == "change"
    lab.run(grown)
    assert len(names(lab.root / "coco" / "val2017")) == 6
    whole = lab.plan(subset=0)
    assert whole.action == "change"
    lab.run(whole)
    assert names(lab.root / "coco" / "train2017") == set(TRAIN)
    assert lab.plan().action == "keep"


def test_lost_images_of_a_subset_come_back_the_same(lab: Lab) -> None:
    lab.run(lab.plan(subset=4))
    before = names(lab.root / "coco" / "train2017")
    (lab.root / "coco" / "train2017" / min(before)).unlink()
    assert set(lab.run(lab.plan())["fetched"]) == {"coco-train2017"}
    assert names(lab.root / "coco" / "train2017") == before


def by_hand(lab: Lab) -> None:
    """The guide's own way: no manifest, a trailing slash in the link."""
    for name in lab.records:
        folder = "lvis_v1/annotations" if name.startswith("lvis") else "coco"
        with zipfile.ZipFile(lab.source / f"{name}.zip") as archive:
            archive.extractall(lab.root / folder)
    for split in ("train2017", "val2017"):
        (lab.root / "lvis_v1" / split).symlink_to(f"../coco/{split}/")


def test_data_made_by_hand_is_adopted_without_a_download(lab: Lab) -> None:
    by_hand(lab)
    stage = lab.plan()
    assert (stage.action, set(lab.statuses(stage).values()), stage.needs, stage.disk) == ("adopt", {"adopt"}, [], [])
    before = {path: path.stat().st_ino for path in lab.root.rglob("*.jp*g")}
    lab.run(stage)
    assert {path: path.stat().st_ino for path in lab.root.rglob("*.jp*g")} == before
    assert lab.plan().action == "keep"
    assert str((lab.root / "lvis_v1" / "train2017").readlink()) == "../coco/train2017"


def test_foreign_data_that_is_not_whole_is_refused_and_left(lab: Lab) -> None:
    by_hand(lab)
    (lab.root / "coco" / "train2017" / TRAIN[0]).unlink()
    stage = lab.plan()
    assert "existed before this project and has 19 files instead of 20" in stage.problems[0]["message"]
    assert lab.plan(subset=4).problems


def test_adopted_data_is_never_replaced(lab: Lab) -> None:
    by_hand(lab)
    lab.run(lab.plan())
    (lab.root / "coco" / "train2017" / TRAIN[0]).unlink()
    what = lab.plan().problems[0]["message"]
    assert what.endswith(f"is now damaged, and is not replaced (first file that differs: {TRAIN[0]}).")


def test_an_annotation_that_names_a_missing_image_is_refused(lab: Lab) -> None:
    images = {f"val2017/{name}": b"x" for name in VAL[1:]}
    lab.archive("coco-val2017", images, {"images": len(VAL) - 1})
    with pytest.raises(DatasetRefused, match=rf"lists 1 images that do not exist below .*, first val2017/{VAL[0]}"):
        lab.run(lab.plan())
    assert lab.plan().action == "repair"


def test_wrong_counts_are_refused(lab: Lab) -> None:
    lab.records["lvis-v1-val"]["counts"]["annotations"] += 1
    with pytest.raises(DatasetRefused, match=r"lvis_v1_val.json has 26 annotations, but its record lists 27"):
        lab.run(lab.plan())


def test_unknown_counts_are_no_obstacle(lab: Lab) -> None:
    for record in lab.records.values():
        record["counts"] = None
    stage = lab.plan()
    assert stage.version == "COCO 2017, LVIS v1"
    lab.run(stage)
    assert lab.plan().action == "keep"


def test_a_json_that_does_not_parse_is_refused(lab: Lab) -> None:
    lab.archive("lvis-v1-train", {"lvis_v1_train.json": b'{"images": ['}, {})
    with pytest.raises(WorkFailed, match=r"lvis_v1_train.json is not valid JSON"):
        lab.run(lab.plan())


def test_somebody_elses_annotations_in_the_folder_stay(lab: Lab) -> None:
    lab.run(lab.plan())
    mine = lab.root / "coco" / "annotations" / "mine.json"
    mine.write_text("{}")
    (lab.root / "coco" / "annotations" / "instances_val2017.json").unlink()
    lab.run(lab.plan())
    assert mine.read_text() == "{}"


def test_a_folder_where_a_link_belongs_is_a_problem(lab: Lab) -> None:
    (lab.root / "lvis_v1" / "train2017").mkdir(parents=True)
    assert "is not the link to ../coco/train2017" in lab.plan().problems[0]["message"]


@pytest.mark.parametrize(("option", "said"), [
    ({"existing": ["/nowhere/at/all"]}, "The folder /nowhere/at/all from codetr_datasets_existing does not exist"),
    ({"subset": -1}, "codetr_datasets_subset is -1"),
    ({"root": "/"}, "codetr_datasets_root is '/'"),
    ({"root": "data"}, "codetr_datasets_root is 'data'"),
])
def test_invalid_options_are_problems(lab: Lab, option: dict[str, Any], said: str) -> None:
    assert said in lab.plan(**option).problems[0]["message"]


def test_a_root_that_is_a_file_is_a_problem(lab: Lab) -> None:
    lab.root.write_text("")
    assert "is not a folder" in lab.plan().problems[0]["message"]


def test_needs_disk_and_apt_follow_what_is_fetched(lab: Lab) -> None:
    lab.system_packages["aria2"] = None
    for name, record in lab.records.items():
        record.update(urls=[f"https://data.example.org/{name}.zip", f"http://data.example.org/{name}.zip"], size=1000)
    stage = lab.plan()
    assert stage.system_packages == ["aria2"]
    assert [need["why"] for need in stage.needs[:2]] == ["the data set coco-annotations-trainval2017"] * 2
    # Three archives of annotations at 1000 + 3500, two of images at 1000 + 1030.
    assert stage.disk == [{"path": str(lab.root), "bytes": 3 * 4500 + 2 * 2030}]


def test_a_record_without_sha256_is_a_problem(lab: Lab) -> None:
    lab.records["coco-val2017"]["sha256"] = None
    assert "has no URL or no sha256" in lab.plan().problems[0]["message"]


def test_kept_archives_stay_and_others_go(lab: Lab) -> None:
    lab.run(lab.plan(keep_archives=True))
    assert names(lab.root / ".codetr" / "archives") == {f"{name}.zip" for name in lab.records}
    assert lab.plan().action == "keep"
    (lab.root / "coco" / "val2017" / VAL[0]).unlink()
    lab.run(lab.plan(keep_archives=False))
    assert not (lab.root / ".codetr" / "archives").exists()


def test_an_empty_image_is_refused(lab: Lab) -> None:
    lab.archive("coco-val2017", {f"val2017/{name}": b"" if name == VAL[2] else b"x" for name in VAL}, {"images": len(VAL)})
    with pytest.raises(DatasetRefused, match=rf"has 1 empty files, first {VAL[2]}"):
        lab.run(lab.plan())


def test_an_archive_without_what_it_is_for_is_refused(lab: Lab) -> None:
    lab.archive("lvis-v1-val", {"other.json": b'{"images": [], "annotations": []}'}, {})
    with pytest.raises(DatasetRefused, match=r"The archive of lvis-v1-val does not contain lvis_v1_val\.json"):
        lab.run(lab.plan())


def test_a_file_of_somebody_else_is_not_replaced(lab: Lab) -> None:
    options = lab.options(lab.plan())
    mine = lab.root / "coco" / "annotations" / "captions_val2017.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    assert "has a captions_val2017.json that this project did not create" in lab.plan().problems[0]["message"]
    # And where it came after the plan was made.
    with pytest.raises(DatasetRefused, match=r"captions_val2017\.json exists and was not created by this project"):
        run(options)
    assert mine.read_text() == "mine"


def test_archives_that_are_not_to_be_kept_any_more_go(lab: Lab) -> None:
    lab.run(lab.plan(keep_archives=True))
    stage = lab.plan(keep_archives=False)
    size = sum(record["size"] for record in lab.records.values())
    assert (stage.action, stage.reason) == ("change", f"{size} bytes of archives are not to be kept")
    assert lab.run(stage)["parts"] == {}
    assert not (lab.root / ".codetr" / "archives").exists()
    assert lab.plan().action == "keep"


def test_files_that_would_be_lost_with_a_folder_are_named_before_anything_is_fetched(lab: Lab) -> None:
    lab.run(lab.plan())
    folder = lab.root / "coco" / "train2017"
    (folder / "mine.txt").write_text("mine")
    (folder / TRAIN[0]).unlink()
    (problem,) = lab.plan().problems
    assert "train2017 is damaged and holds 1 files that are not from the archive, first mine.txt" in problem["message"]
    (folder / "mine.txt").unlink()
    lab.run(lab.plan())
    assert lab.plan().action == "keep"


def test_a_repair_that_was_cut_off_before_it_was_validated_goes_on(lab: Lab) -> None:
    """A restart of the host: the job starts again with the plan that was made before."""
    lab.run(lab.plan())
    image = lab.root / "coco" / "val2017" / VAL[0]
    image.write_bytes(bytes(len(image.read_bytes())))
    stage = lab.plan()
    assert lab.statuses(stage) == {"coco-val2017": "touched"}
    cut = lab.options(stage)
    pipeline.run(works(cut, [part for part in cut.parts if part["name"] == "coco-val2017"]))
    assert set(lab.run(stage)["parts"]) == {"coco-val2017"}
    assert lab.plan().action == "keep"


@pytest.mark.parametrize(("folder", "owner", "may"), [
    ({"uid": 0, "gid": 50, "mode": 0o2775}, {"uid": 7, "gid": 7, "gids": [7, 50]}, True),
    ({"uid": 0, "gid": 50, "mode": 0o2775}, {"uid": 7, "gid": 7, "gids": [7]}, False),
    ({"uid": 0, "gid": 7, "mode": 0o2775}, {"uid": 7, "gid": 7}, True),
    ({"uid": 7, "gid": 50, "mode": 0o575}, {"uid": 7, "gid": 7, "gids": [7, 50]}, False),
])
def test_all_groups_of_the_user_count(lab: Lab, folder: dict[str, int], owner: dict[str, Any], may: bool) -> None:
    state = lab.state()
    state["datasets"]["root"], state["user"]["owner"] = {"type": "dir", **folder}, {"name": "me", **owner}
    assert (datasets.plan(state, lab.config, lab.context()).problems == []) == may


def test_links_that_lead_nowhere_are_refused(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "linked_folders", lambda root, links: {"val2017"})
    with pytest.raises(DatasetRefused, match=r"lists images in train2017, but .*lvis_v1/train2017 does not lead to a folder"):
        lab.run(lab.plan())
    assert lab.plan().action != "keep"


def test_annotations_come_first_and_then_the_most_to_extract(lab: Lab) -> None:
    options = lab.options(lab.plan())
    for parts in (options.parts, options.parts[::-1]):
        order = [work.request.name for work in works(options, parts)]
        assert set(order[:3]) == {"coco-annotations-trainval2017", "lvis-v1-train", "lvis-v1-val"}
        assert order[3:] == ["coco-train2017", "coco-val2017"]


def test_images_are_read_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their CRCs come from the extraction."""
    read = []
    take = inventory.take
    monkeypatch.setattr(inventory, "take", lambda folder, *rest: read.append(Path(folder).name) or take(folder, *rest))
    lab.run(lab.plan())
    assert set(read) == {"annotations"}


def test_a_lost_choice_is_made_again_and_is_the_same(lab: Lab) -> None:
    lab.run(lab.plan(subset=4))
    before = names(lab.root / "coco" / "train2017")
    shutil.rmtree(lab.root / ".codetr" / "choice")
    assert lab.plan().action == "keep"
    (lab.root / "coco" / "train2017" / min(before)).unlink()
    stage = lab.plan()
    assert "lvis-v1-val (changed)" in stage.reason
    lab.run(stage)
    assert names(lab.root / "coco" / "train2017") == before
    assert lab.plan().action == "keep"


def test_no_data_set_is_skipped(lab: Lab) -> None:
    assert lab.plan(names=[]).action == "skip"
