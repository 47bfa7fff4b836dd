"""The folders on the host; and nothing where the role refused."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

PREFIX = "/opt/codetr"


@pytest.fixture(autouse=True)
def _bare_is_left_alone(host: Host, request: pytest.FixtureRequest) -> None:
    bare = host.backend.get_hostname() == "preflight-bare"
    if bare != (request.function.__name__ == "test_a_host_without_python_is_left_as_it_was"):
        pytest.skip("the test is about the other host")


@pytest.mark.parametrize("folder", ["", "/receipts", "/cache", "/log"])
def test_folders_belong_to_who_logs_in(host: Host, folder: str) -> None:
    found = host.file(PREFIX + folder)
    assert found.is_directory
    assert (found.user, found.group, found.mode) == ("lab", "lab", 0o755)


def test_the_prefix_holds_nothing_else_and_nothing_of_roots(host: Host) -> None:
    assert sorted(host.file(PREFIX).listdir()) == ["cache", "log", "receipts"]
    assert host.check_output(f"find {PREFIX} ! -user lab") == ""
    assert host.file("/opt").listdir() == ["codetr"]


def test_the_receipt_is_whole(host: Host) -> None:
    assert host.file(f"{PREFIX}/receipts").listdir() == ["preflight.json"]
    receipt = json.loads(host.file(f"{PREFIX}/receipts/preflight.json").content_string)
    assert (receipt["stage"], receipt["action"], receipt["stand_in"]) == ("preflight", "prepare", False)


def test_nothing_is_installed_for_stages_that_did_not_run(host: Host) -> None:
    assert host.package("ca-certificates").is_installed
    for name in ("aria2", "git", "g++", "libgl1"):
        assert not host.package(name).is_installed


def test_the_file_in_the_way_is_as_it_was(host: Host) -> None:
    assert host.file("/srv/file").content_string == "somebody's\n"
    assert not host.file("/dev/shm/refused").exists


def test_another_user_owns_what_was_made_for_that_user(host: Host) -> None:
    assert host.check_output("find /srv/training ! -user trainer") == ""
    assert host.file("/srv/training/receipts/preflight.json").exists


def test_a_small_disk_is_taken_when_asked_to(host: Host) -> None:
    assert host.file("/dev/shm/warned/receipts/preflight.json").user == "lab"


def test_a_host_without_python_is_left_as_it_was(host: Host) -> None:
    assert host.file("/opt").listdir() == []
    assert host.run("command -v python3").rc != 0
