"""Each host has the whole site, owned by who should own it, whatever way it was reached."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

PLACES = {
    "matrix-podman": ("/opt/codetr", "root"), "matrix-user": ("/srv/training", "trainer"),
    "matrix-home": ("/opt/codetr", "lab"), "matrix-proxy": ("/opt/codetr", "lab"),
}
STAGES = ("preflight", "miniconda", "env", "packages", "repo", "datasets", "workspace")


@pytest.fixture
def name(host: Host) -> str:
    return str(host.check_output("hostname"))


def test_everything_belongs_to_one_user(host: Host, name: str) -> None:
    prefix, owner = PLACES[name]
    assert host.check_output(f"find {prefix} ! -user {owner} | head -5") == ""


def test_each_stage_left_a_receipt(host: Host, name: str) -> None:
    prefix, _ = PLACES[name]
    with host.sudo():
        receipts = {stage: json.loads(host.file(f"{prefix}/receipts/{stage}.json").content_string) for stage in STAGES}
        assert [file for file in host.file(f"{prefix}/receipts").listdir() if file.endswith(".inprogress")] == []
    assert all(receipt["stage"] == stage for stage, receipt in receipts.items())


def test_the_owner_can_train(host: Host, name: str) -> None:
    prefix, owner = PLACES[name]
    with host.sudo(owner):
        command = host.check_output(f"{prefix}/workspace/bin/train --print-command")
    assert "tools/train.py" in command
    assert "--launcher none" in command


def test_a_home_that_cannot_be_written_was_not_written(host: Host, name: str) -> None:
    if name == "matrix-home":
        assert host.file("/home/lab").user == "root"
        assert ".conda" not in host.file("/home/lab").listdir()


def test_no_acl_package_was_needed(host: Host) -> None:
    assert not host.package("acl").is_installed


def test_the_proxy_served_what_was_fetched(host: Host, name: str) -> None:
    if name == "matrix-podman":
        log = host.check_output("journalctl --unit tinyproxy --no-pager --output cat")
        for part in ("Miniconda3", "/conda/conda-forge", "Co-DETR.git", "train2017.zip", "resnet50", "CONNECT "):
            assert part in log, part
