"""The data sets on the hosts: files, owners, links, counts, and nothing that should not be there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testinfra.host import Host

ROOTS = {"datasets-all": "/opt/codetr/data", "datasets-subset": "/srv/data disk", "datasets-shared": "/opt/codetr/data"}
SHARED = "/mnt/shared"
SUBSET = 6
PARTS = ("coco-train2017", "coco-val2017", "coco-annotations-trainval2017", "lvis-v1-train", "lvis-v1-val")


@pytest.fixture
def whole(host: Host) -> bool:
    return host.backend.get_hostname() != "datasets-subset"


@pytest.fixture
def linked(host: Host) -> bool:
    return host.backend.get_hostname() == "datasets-shared"


@pytest.fixture
def root(host: Host) -> str:
    return ROOTS[host.backend.get_hostname()]


@pytest.fixture
def records(lab: dict[str, Any]) -> dict[str, Any]:
    return dict(lab["provision_artifacts"])


def load(host: Host, path: str) -> dict[str, Any]:
    return dict(json.loads(host.file(path).content_string))


def test_images_are_as_many_as_asked_for(host: Host, root: str, whole: bool, records: dict[str, Any]) -> None:
    for name in ("train2017", "val2017"):
        images = host.file(f"{root}/coco/{name}").listdir()
        assert len(images) == (records[f"coco-{name}"]["counts"]["images"] if whole else SUBSET)
        assert all(image.endswith(".jpg") for image in images)
        assert host.file(f"{root}/coco/{name}/{images[0]}").content[:2] == b"\xff\xd8"


def test_annotations_name_the_images_that_are_there(host: Host, root: str, whole: bool, records: dict[str, Any]) -> None:
    for name in ("train2017", "val2017"):
        found = load(host, f"{root}/coco/annotations/instances_{name}.json")
        assert {image["file_name"] for image in found["images"]} == set(host.file(f"{root}/coco/{name}").listdir())
        if whole:
            assert len(found["annotations"]) == records["coco-annotations-trainval2017"]["counts"][f"{name}_annotations"]


def test_lvis_val_reaches_both_folders_through_its_links(host: Host, root: str) -> None:
    for name in ("train2017", "val2017"):
        link = host.file(f"{root}/lvis_v1/{name}")
        assert link.is_symlink
        assert host.check_output("readlink %s", f"{root}/lvis_v1/{name}") == f"../coco/{name}"
    images = [image["coco_url"].split("/")[-2:] for image in load(host, f"{root}/lvis_v1/annotations/lvis_v1_val.json")["images"]]
    assert {folder for folder, _ in images} == {"train2017", "val2017"}
    assert all(host.file(f"{root}/lvis_v1/{folder}/{name}").exists for folder, name in images[:20])


def test_all_belongs_to_one_user(host: Host, root: str) -> None:
    owner = host.file(root).user
    assert host.check_output(f"find '{root}' ! -user {owner} | wc -l") == "0"


def test_archives_stay_only_where_asked(host: Host, root: str, whole: bool) -> None:
    archives = host.check_output(f"find '{root}' -name '*.zip' | wc -l")
    assert archives == ("0" if whole else "5")
    assert host.check_output(f"find '{root}' -name '*.part*' -o -name '*.aria2' -o -name '*.lock' -o -name staging | wc -l") == "0"


def test_a_copy_of_somebody_elses_is_linked_to_and_left(host: Host, root: str, linked: bool) -> None:
    for name in ("coco/train2017", "coco/val2017", "coco/annotations/instances_val2017.json", "lvis_v1/annotations/lvis_v1_val.json"):
        found = host.file(f"{root}/{name}")
        assert found.is_symlink == linked
        if linked:
            assert found.linked_to == f"{SHARED}/{name if not name.startswith('lvis') else 'lvis_v1/lvis_v1_val.json'}"
    if linked:
        assert host.check_output(f"find {SHARED} -cnewer {SHARED}.as-it-was | wc -l") == "0"


def test_the_summary_has_samples_of_both_data_sets(host: Host, root: str) -> None:
    summary = load(host, f"{root}/.codetr/summary.json")
    assert {check["name"]: check["status"] for check in summary["checks"]}["decoding"] == "ok"
    assert {sample["set"] for sample in summary["samples"]} == {"coco", "lvis"}
    for sample in summary["samples"]:
        assert host.file(f"{root}/.codetr/samples/{sample['file']}").content[:2] == b"\xff\xd8"


def test_a_job_that_was_killed_ended_right(host: Host, whole: bool, linked: bool, records: dict[str, Any]) -> None:
    if whole and not linked:
        assert len(host.file("/srv/killed/coco/train2017").listdir()) == records["coco-train2017"]["counts"]["images"]
        assert host.check_output("find /srv/killed -name '*.part*' -o -name '*.zip' -o -name '*.lock' | wc -l") == "0"


def test_manifests_say_what_was_made_from_what(host: Host, root: str, whole: bool, records: dict[str, Any]) -> None:
    for part in PARTS:
        manifest = load(host, f"{root}/.codetr/{part}.json")
        assert manifest["validated"] is True
        assert manifest["stand_in"] is True
        assert manifest["sha256"] == records[part]["sha256"]
        assert (manifest["choice"] is None) == whole


def test_refused_bytes_are_nowhere(host: Host, whole: bool, linked: bool) -> None:
    if whole and not linked:
        assert host.file("/srv/wrong").is_directory
        assert host.check_output("find /srv/wrong -name 'coco-val2017*' ! -path '*/progress/*' | wc -l") == "0"
        assert not host.file("/srv/wrong/coco/val2017").exists
