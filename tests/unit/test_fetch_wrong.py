"""Wrong bytes, of a mirror or of an earlier run: they never get to the destination, and whose they are is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.fetch import aria2
from ansible_collections.codetr.provision.plugins.module_utils.fetch.place import fetch
from fetch_lab import BODY, OTHER, assert_arrives, fails, leftovers, record
from webserver import Faulty


@pytest.mark.parametrize("length", [len(BODY) // 4, len(BODY) * 2])
def test_a_part_of_a_file_that_has_another_length_now_is_started_anew(tmp_path: Path, web: Faulty, length: int) -> None:
    web.files["/old"] = (OTHER * 2)[:length] if length > len(BODY) else OTHER
    web.faults["/old"] = ("truncate", 0)
    fails(tmp_path, web.url("/old"), connections=1)
    wanted = BODY if length > len(BODY) else BODY[:length]
    web.files["/good"] = wanted
    got = fetch(record(tmp_path, web.url("/good"), body=wanted))
    assert (tmp_path / "file.zip").read_bytes() == wanted
    assert not got.resumed


def test_wrong_bytes_in_the_middle_name_the_mirror(tmp_path: Path, web: Faulty) -> None:
    web.scripts["/good"] = ["truncate", "flip"]
    said = fails(tmp_path, web.url("/good"), connections=1)
    assert f"{web.url('/good')}: it is not the expected file" in said
    assert leftovers(tmp_path) == set()


def test_wrong_bytes_after_going_on_are_fetched_anew(tmp_path: Path, web: Faulty) -> None:
    web.faults["/good"] = ("truncate", 0)
    fails(tmp_path, web.url("/good"), connections=1)
    web.faults.clear()
    web.scripts["/good"] = ["flip"]
    assert_arrives(tmp_path, web.url("/good"), connections=1)


def test_a_mirror_that_lies_and_breaks_off_does_not_spoil_what_the_other_one_gives(tmp_path: Path, web: Faulty) -> None:
    """The first sends wrong bytes and never the whole file: what the second adds is a mixture, and neither can be blamed for it."""
    web.files["/bad"] = OTHER
    web.faults["/bad"] = ("truncate", 0)
    assert_arrives(tmp_path, web.url("/bad"), web.url("/good"), connections=1)


def test_bytes_that_nobody_can_go_on_from_are_not_used(tmp_path: Path, web: Faulty) -> None:
    """Where the length is not known, aria2 leaves no control file, and would go on from whatever length the file has."""
    web.files["/bad"] = OTHER
    web.faults["/bad"] = ("chunked-cut", 0)
    assert_arrives(tmp_path, web.url("/bad"), web.url("/good"))
    assert web.requests.count("/bad") == aria2.TRIES


def test_a_server_that_lies_and_breaks_off_is_found_out(tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aria2, "TRIES", 1)
    web.files["/bad"] = OTHER
    # Going on takes two requests, one for the length and one for the rest.
    web.scripts["/bad"] = ["cut:1000000", "", "", "cut:1000000"]
    assert "not the expected file" in fails(tmp_path, web.url("/bad"), connections=1)
    assert len(web.requests) == 6
    assert leftovers(tmp_path) == set()


def test_of_two_mirrors_the_one_that_lies_is_named(tmp_path: Path, web: Faulty) -> None:
    web.files["/bad"] = OTHER
    web.files["/half"] = BODY
    web.scripts["/half"] = ["cut:3000000", "503", "503", "503"]
    web.faults["/half"] = ("403", 0)
    said = fails(tmp_path, web.url("/half"), web.url("/bad"), connections=1)
    assert f"{web.url('/half')}: the server answers 403" in said
    assert f"{web.url('/bad')}: it is not the expected file" in said
