"""Data that is there already: linked from elsewhere, looked at again after somebody touched it, found damaged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.archive import inventory
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import DatasetRefused
from datasets_lab import TRAIN, VAL, Lab

IMAGES = {"coco-train2017", "coco-val2017"}


@pytest.fixture
def shared(lab: Lab) -> Path:
    """Somebody's own copy, in the layout of the archives."""
    folder = lab.source.parent / "shared"
    for name in lab.records:
        with zipfile.ZipFile(lab.source / f"{name}.zip") as archive:
            archive.extractall(folder / ("lvis" if name.startswith("lvis") else "."))
    return folder


def flip(path: Path, at: int = 3) -> None:
    """Change one byte; the size stays."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def everything(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of every file."""
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_shared_copy_is_validated_and_linked_and_left_as_it_is(lab: Lab, shared: Path) -> None:
    before = everything(shared)
    stage = lab.plan(existing=[f"{shared}/"])
    assert (stage.action, set(lab.statuses(stage).values()), stage.needs, stage.disk) == ("adopt", {"link"}, [], [])
    assert lab.run(stage)["fetched"] == {}
    assert everything(shared) == before
    assert (lab.root / "coco" / "train2017").readlink() == shared / "train2017"
    assert (lab.root / "coco" / "annotations" / "captions_val2017.json").readlink() == shared / "annotations" / "captions_val2017.json"
    assert (lab.root / "lvis_v1" / "annotations" / "lvis_v1_val.json").readlink() == shared / "lvis" / "lvis_v1_val.json"
    assert (lab.root / "lvis_v1" / "train2017" / TRAIN[0]).is_file()
    assert lab.plan().action == "keep"
    # Once it is linked, the option that led there may go.
    assert lab.plan(existing=[]).action == "keep"
    told = lab.json(".codetr/summary.json")["folders"]
    assert {folder["path"] for folder in told} == {str(shared / "train2017"), str(shared / "val2017")}
    assert {folder["source"] for folder in told} == {"linked"}


def test_only_what_the_copy_has_is_linked(lab: Lab, shared: Path) -> None:
    shutil.rmtree(shared / "annotations")
    shutil.rmtree(shared / "lvis")
    stage = lab.plan(existing=[str(shared)])
    assert stage.action == "install"
    assert {name for name, word in lab.statuses(stage).items() if word == "link"} == IMAGES
    assert set(lab.run(stage)["fetched"]) == set(lab.records) - IMAGES
    assert lab.plan().action == "keep"


def test_a_copy_that_is_not_whole_is_refused_and_both_ways_out_are_told(lab: Lab, shared: Path) -> None:
    (shared / "val2017" / VAL[0]).unlink()
    problem = lab.plan(existing=[str(shared)]).problems[0]
    assert problem["message"] == f"{shared}/val2017 cannot be used: it has 9 files instead of 10."
    assert problem["fix"] == "Complete it, or remove the folder from codetr_datasets_existing to download the part."


def test_a_copy_whose_annotations_name_another_image_is_refused(lab: Lab, shared: Path) -> None:
    (shared / "val2017" / VAL[0]).rename(shared / "val2017" / "other.jpg")
    with pytest.raises(DatasetRefused, match=rf"lists 1 images that do not exist below .*, first val2017/{VAL[0]}"):
        lab.run(lab.plan(existing=[str(shared)]))
    # Nothing counts as done, and the copy can be mended and taken.
    assert lab.plan().action != "keep"
    (shared / "val2017" / "other.jpg").rename(shared / "val2017" / VAL[0])
    lab.run(lab.plan())
    assert lab.plan().action == "keep"
    assert manifest(lab, "coco-val2017")["linked"] == str(shared / "val2017")


def test_a_subset_is_made_and_never_cut_out_of_a_copy(lab: Lab, shared: Path) -> None:
    before = everything(shared)
    stage = lab.plan(existing=[str(shared)], subset=4)
    assert stage.warnings == ["codetr_datasets_existing is not used: a subset is always extracted from the archives."]
    lab.run(stage)
    assert lab.plan().warnings == []
    assert not (lab.root / "coco" / "train2017").is_symlink()
    assert everything(shared) == before


def test_from_a_link_to_a_subset_and_back(lab: Lab, shared: Path) -> None:
    before = everything(shared)
    lab.run(lab.plan(existing=[str(shared)]))
    lab.run(lab.plan(subset=4))
    assert len(list((lab.root / "coco" / "train2017").iterdir())) == 4
    assert {path.name for path in (lab.root / "coco").iterdir()} == {"train2017", "val2017", "annotations"}
    assert lab.plan().action == "keep"
    assert everything(shared) == before
    assert {(manifest(lab, name)["adopted"], manifest(lab, name)["linked"]) for name in lab.records} == {(False, "")}


def test_a_linked_copy_that_lost_a_file_is_a_problem_as_long_as_it_is_wished(lab: Lab, shared: Path) -> None:
    lab.run(lab.plan(existing=[str(shared)]))
    (shared / "val2017" / VAL[3]).unlink()
    assert "cannot be used: it has 9 files" in lab.plan().problems[0]["message"]
    stage = lab.plan(existing=[])
    assert lab.statuses(stage) == {"coco-val2017": "missing"}
    lab.run(stage)
    assert not (lab.root / "coco" / "val2017").is_symlink()
    assert lab.plan().action == "keep"


def test_a_copy_that_moved_is_linked_anew(lab: Lab, shared: Path) -> None:
    lab.run(lab.plan(existing=[str(shared)]))
    moved = shared.rename(shared.with_name("moved"))
    stage = lab.plan(existing=[str(moved)])
    assert set(lab.statuses(stage).values()) == {"link"}
    lab.run(stage)
    assert (lab.root / "coco" / "annotations" / "instances_val2017.json").readlink() == moved / "annotations" / "instances_val2017.json"
    assert (lab.root / "coco" / "val2017").readlink() == moved / "val2017"
    assert lab.plan().action == "keep"


def test_a_share_that_is_not_mounted_is_not_fine(lab: Lab, shared: Path) -> None:
    lab.run(lab.plan(existing=[str(shared)]))
    away = shared.rename(shared.with_name("away"))
    assert "does not exist" in lab.plan().problems[0]["message"]
    assert set(lab.statuses(lab.plan(existing=[])).values()) == {"missing"}
    shared.mkdir()
    assert "has no COCO or LVIS data" in lab.plan(existing=[str(shared)]).problems[0]["message"]
    shared.rmdir()
    away.rename(shared)
    assert lab.plan().action == "keep"


def test_somebodys_link_that_leads_nowhere_is_a_problem(lab: Lab) -> None:
    (lab.root / "coco").mkdir(parents=True)
    (lab.root / "coco" / "val2017").symlink_to("/nowhere/at/all")
    assert "val2017 is a dangling link." in lab.plan().problems[0]["message"]


def test_a_folder_that_cannot_be_listed_is_not_fine(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(folder: str, names: Any = None) -> Any:
        raise OSError(5, "Input/output error")

    lab.run(lab.plan())
    monkeypatch.setattr(inventory, "scan", broken)
    assert set(lab.statuses(lab.plan()).values()) == {"damaged"}


def test_a_linked_copy_with_other_bytes_is_refused(lab: Lab, shared: Path) -> None:
    lab.run(lab.plan(existing=[str(shared)]))
    flip(shared / "val2017" / VAL[3])
    stage = lab.plan()
    assert lab.statuses(stage) == {"coco-val2017": "touched"}
    with pytest.raises(DatasetRefused, match=rf"1 files in .* have changed since they were validated, first {VAL[3]}"):
        lab.run(stage)


@pytest.mark.parametrize("path", [
    "coco/train2017/" + TRAIN[5], "coco/annotations/instances_val2017.json", "lvis_v1/annotations/lvis_v1_train.json",
])
def test_one_flipped_byte_is_found_by_the_next_run_and_made_good(lab: Lab, path: str) -> None:
    lab.run(lab.plan())
    good = (lab.root / path).read_bytes()
    flip(lab.root / path)
    stage = lab.plan()
    assert list(lab.statuses(stage).values()) == ["touched"]
    assert set(lab.run(stage)["fetched"]) == set(lab.statuses(stage))
    assert (lab.root / path).read_bytes() == good
    assert lab.plan().action == "keep"


def test_a_flipped_byte_is_found_although_its_time_was_put_back(lab: Lab) -> None:
    lab.run(lab.plan())
    path = lab.root / "coco" / "train2017" / TRAIN[5]
    times = path.stat()
    flip(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert lab.statuses(lab.plan()) == {"coco-train2017": "touched"}


def test_a_flipped_byte_in_a_subsets_annotations_makes_all_of_them_anew(lab: Lab) -> None:
    lab.run(lab.plan(subset=4))
    path = lab.root / "coco/annotations/instances_val2017.json"
    good = path.read_bytes()
    flip(path)
    lab.run(lab.plan())
    assert path.read_bytes() == good
    assert lab.plan().action == "keep"


def test_touched_files_are_read_and_not_fetched(lab: Lab) -> None:
    lab.run(lab.plan())
    for path in lab.root.rglob("*"):
        if path.is_file() and ".codetr" not in path.parts:
            os.utime(path)
    stage = lab.plan()
    assert (stage.action, set(lab.statuses(stage).values())) == ("repair", {"touched"})
    assert lab.run(stage)["fetched"] == {}
    assert lab.plan().action == "keep"
    for name, folder in (("coco-val2017", "coco/val2017"), ("lvis-v1-val", "lvis_v1/annotations")):
        known = manifest(lab, name)
        now = inventory.scan(str(lab.root / folder), known.get("json"))
        assert known["fingerprint"] == inventory.fingerprint(now)
        listed = inventory.read(str(lab.root / ".codetr" / f"{name}.files")) or []
        assert [row._replace(crc=None) for row in listed] == sorted(now)
        assert all(row.crc is not None for row in listed)


def test_what_is_lost_after_the_plan_was_made_is_not_called_touched(lab: Lab) -> None:
    lab.run(lab.plan())
    os.utime(lab.root / "coco" / "val2017" / VAL[0])
    stage = lab.plan()
    (lab.root / "coco" / "val2017" / VAL[1]).unlink()
    assert set(lab.run(stage)["fetched"]) == {"coco-val2017"}
    assert (lab.root / "coco" / "val2017" / VAL[1]).is_file()


def test_adopted_annotations_whose_validation_was_cut_off_are_validated_again(lab: Lab, shared: Path) -> None:
    shared.rename(lab.root)
    for folder in ("train2017", "val2017", "annotations"):
        (lab.root / "coco").mkdir(exist_ok=True)
        (lab.root / folder).rename(lab.root / "coco" / folder)
    (lab.root / "lvis").rename(lab.root / "lvis_v1")
    (lab.root / "lvis_v1" / "annotations").mkdir()
    for split in ("train", "val"):
        name = f"lvis_v1_{split}.json"
        (lab.root / "lvis_v1" / name).rename(lab.root / "lvis_v1" / "annotations" / name)
    lab.run(lab.plan())
    mark = lab.root / ".codetr" / "lvis-v1-val.json"
    mark.write_text(json.dumps({**manifest(lab, "lvis-v1-val"), "validated": False}))
    stage = lab.plan()
    assert lab.statuses(stage) == {"lvis-v1-val": "not validated"}
    assert lab.run(stage)["fetched"] == {}
    assert lab.plan().action == "keep"


def test_a_file_more_is_nobodys_business(lab: Lab) -> None:
    lab.run(lab.plan())
    (lab.root / "coco" / "train2017" / "mine.txt").write_text("mine")
    assert lab.plan().action == "keep"


def test_the_list_is_needed_only_where_something_differs(lab: Lab) -> None:
    """Without it nobody can say what the bytes were: the part is made anew."""
    lab.run(lab.plan())
    (lab.root / ".codetr" / "coco-val2017.files").unlink()
    assert lab.plan().action == "keep"
    os.utime(lab.root / "coco" / "val2017" / VAL[0])
    stage = lab.plan()
    assert stage.action == "repair"
    assert set(lab.run(stage)["fetched"]) == {"coco-val2017"}
    assert lab.plan().action == "keep"


def test_an_empty_folder_is_not_fine_without_the_list_either(lab: Lab) -> None:
    lab.run(lab.plan())
    (lab.root / ".codetr" / "coco-val2017.files").unlink()
    for image in (lab.root / "coco" / "val2017").iterdir():
        image.unlink()
    assert lab.statuses(lab.plan()) == {"coco-val2017": "damaged"}


@pytest.mark.parametrize("config", [{"existing": []}, {"existing": [], "subset": 4}])
def test_what_somebody_put_where_our_link_was_is_his(lab: Lab, shared: Path, config: dict[str, Any]) -> None:
    lab.run(lab.plan(existing=[str(shared)]))
    folder, file = lab.root / "coco" / "val2017", lab.root / "coco" / "annotations" / "captions_val2017.json"
    for path, own in ((folder, shared / "val2017"), (file, shared / "annotations" / file.name)):
        path.unlink()
        (shutil.copytree if own.is_dir() else shutil.copy)(own, path)
    (folder / VAL[0]).write_bytes(b"edited by hand")
    before = everything(folder), file.read_bytes()
    stage = lab.plan(**config)
    assert not {"missing", "changed", "damaged"} & set(lab.statuses(stage).values()) or stage.problems != []
    if not stage.problems:
        lab.run(stage)
        assert (manifest(lab, "coco-val2017")["adopted"], manifest(lab, "coco-val2017")["linked"]) == (True, "")
        assert lab.plan().action == "keep"
    assert (everything(folder), file.read_bytes()) == before


def test_another_copy_with_the_same_times_is_validated_anew(lab: Lab, shared: Path) -> None:
    lab.run(lab.plan(existing=[str(shared)]))
    other = shared.with_name("other")
    shutil.copytree(shared, other)
    file = other / "annotations" / "instances_val2017.json"
    times = file.stat()
    flip(file, 0)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    shutil.rmtree(shared)
    with pytest.raises(DatasetRefused, match=r"instances_val2017\.json is not valid JSON"):
        lab.run(lab.plan(existing=[str(other)]))
    assert lab.plan().action != "keep"


def test_a_file_that_cannot_be_read_is_a_sentence(lab: Lab, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "_crc", lambda path, size, buffer: None)
    with pytest.raises(DatasetRefused, match=r"10 files in .* cannot be read, or are being written to, first"):
        lab.run(lab.plan(existing=[str(shared)]))


@pytest.fixture
def read_only(shared: Path) -> Iterator[Path]:
    """The copy, on a file system that is mounted read-only."""
    mounted = subprocess.run(["mount", "--bind", "-o", "ro", str(shared), str(shared)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting is not permitted here")
    yield shared
    subprocess.run(["umount", str(shared)], check=True)


def test_a_read_only_copy_is_linked(lab: Lab, read_only: Path) -> None:
    with pytest.raises(OSError, match="Read-only file system"):
        (read_only / "x").write_text("")
    lab.run(lab.plan(existing=[str(read_only)]))
    assert lab.plan().action == "keep"


def manifest(lab: Lab, name: str) -> dict[str, Any]:
    return dict(json.loads((lab.root / ".codetr" / f"{name}.json").read_text()))


def test_without_the_list_touched_data_of_others_is_refused(lab: Lab, shared: Path) -> None:
    lab.run(lab.plan(existing=[str(shared)]))
    (lab.root / ".codetr" / "coco-val2017.files").unlink()
    os.utime(shared / "val2017" / VAL[0])
    with pytest.raises(DatasetRefused, match=r"the inventory of the validated files is missing\. Remove .*coco-val2017\.json"):
        lab.run(lab.plan())


def test_a_second_look_at_adopted_data_keeps_it_adopted(lab: Lab, shared: Path) -> None:
    lab.run(lab.plan(existing=[str(shared)]))
    os.utime(shared / "val2017" / VAL[0])
    lab.run(lab.plan())
    assert manifest(lab, "coco-val2017")["linked"] == str(shared / "val2017")
    assert manifest(lab, "coco-val2017")["adopted"] is True
