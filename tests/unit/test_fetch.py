"""codetr_fetch against a web server with faults: right bytes at the destination, or a sentence and nothing there."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.fetch import aria2, lock
from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import FetchFailure
from ansible_collections.codetr.provision.plugins.module_utils.fetch.place import fetch
from fetch_lab import BODY, MIB, OTHER, leftovers, quicken, record
from webserver import Faulty


def test_good_bytes_arrive_and_nothing_else_is_left(tmp_path: Path, web: Faulty) -> None:
    got = fetch(record(tmp_path, web.url("/good")))
    assert (got.changed, got.url, got.resumed) == (True, web.url("/good"), False)
    assert (tmp_path / "file.zip").read_bytes() == BODY
    assert leftovers(tmp_path) == {"file.zip"}
    assert (tmp_path / "file.zip").stat().st_mode & 0o777 == 0o644


def test_a_second_run_hashes_and_asks_nobody(tmp_path: Path, web: Faulty) -> None:
    request = record(tmp_path, web.url("/good"))
    fetch(request)
    asked = len(web.requests)
    assert not fetch(request).changed
    assert len(web.requests) == asked


def test_check_mode_tells_and_touches_nothing(tmp_path: Path, web: Faulty) -> None:
    request = record(tmp_path / "new", web.url("/good"))
    assert fetch(request, check=True).changed
    assert not (tmp_path / "new").exists()
    fetch(request)
    assert not fetch(request, check=True).changed


def test_a_file_of_the_right_size_with_one_byte_flipped_is_fetched_anew(tmp_path: Path, web: Faulty) -> None:
    dest = tmp_path / "file.zip"
    dest.write_bytes(BODY[:-1] + bytes([BODY[-1] ^ 1]))
    assert fetch(record(tmp_path, web.url("/good"))).changed
    assert dest.read_bytes() == BODY


def test_wrong_bytes_are_removed_and_both_hashes_are_named(tmp_path: Path, web: Faulty) -> None:
    web.files["/bad"] = OTHER
    with pytest.raises(FetchFailure) as failure:
        fetch(record(tmp_path, web.url("/bad")))
    said = str(failure.value)
    assert hashlib.sha256(BODY).hexdigest() in said
    assert hashlib.sha256(OTHER).hexdigest() in said
    assert web.url("/bad") in said
    assert "provision_artifacts" in said
    assert leftovers(tmp_path) == set()


def test_a_dead_and_a_lying_mirror_do_not_keep_the_file_away(tmp_path: Path, web: Faulty) -> None:
    web.files["/bad"] = OTHER
    got = fetch(record(tmp_path, web.url("/nothing"), web.url("/bad"), web.url("/good")))
    assert got.url == web.url("/good")
    assert (tmp_path / "file.zip").read_bytes() == BODY


def test_each_url_that_failed_is_named_with_its_reason(tmp_path: Path, web: Faulty) -> None:
    web.faults["/good"] = ("403", 0)
    with pytest.raises(FetchFailure, match=r"/nothing: the server answers 404.*/good: the server answers 403"):
        fetch(record(tmp_path, web.url("/nothing"), web.url("/good")))


def test_no_route_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch)
    with pytest.raises(FetchFailure, match="cannot connect to the server"):
        fetch(record(tmp_path, "http://127.0.0.1:9/x"))


def test_a_proxy_in_between_is_named_without_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch)
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:9")
    with pytest.raises(FetchFailure, match=r"through the proxy http://127\.0\.0\.1:9\)") as failure:
        fetch(record(tmp_path, "http://data.example.org/x"))
    assert "secret" not in str(failure.value)


def test_a_full_disk_is_said_before_the_first_byte(tmp_path: Path, web: Faulty) -> None:
    with pytest.raises(FetchFailure, match=r"needs 9000000000000000 more bytes .* are free"):
        fetch(record(tmp_path, web.url("/good"), size=9_000_000_000_000_000))
    assert web.requests == []


def test_without_sha256_it_is_refused_unless_allowed(tmp_path: Path, web: Faulty) -> None:
    with pytest.raises(FetchFailure, match="has no sha256"):
        fetch(record(tmp_path, web.url("/good"), sha256=None))
    got = fetch(record(tmp_path, web.url("/good"), sha256=None, insecure_ok=True))
    assert got.sha256 == hashlib.sha256(BODY).hexdigest()


def test_a_file_on_the_host_is_copied_and_checked(tmp_path: Path) -> None:
    source = tmp_path / "a wheel.zip"
    source.write_bytes(BODY)
    assert fetch(record(tmp_path / "out", source.as_uri())).changed
    source.write_bytes(OTHER)
    with pytest.raises(FetchFailure, match="not the expected file"):
        fetch(record(tmp_path / "out2", source.as_uri()))
    with pytest.raises(FetchFailure, match="the file does not exist on this host"):
        fetch(record(tmp_path / "out3", (tmp_path / "none").as_uri()))


def test_missing_aria2c_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, web: Faulty) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchFailure, match="Install the package aria2"):
        fetch(record(tmp_path, web.url("/good")))


def test_a_second_run_is_kept_away(tmp_path: Path, web: Faulty) -> None:
    with lock.lock(str(tmp_path / "file.zip.lock")), pytest.raises(FetchFailure, match="Another run is fetching"):
        fetch(record(tmp_path, web.url("/good")))
    assert fetch(record(tmp_path, web.url("/good"))).changed


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK])
def test_a_file_system_without_locks_is_not_taken_for_a_second_run(
    tmp_path: Path, web: Faulty, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with pytest.raises(FetchFailure, match=rf"{os.strerror(number)}: this file system does not support locks"):
        fetch(record(tmp_path, web.url("/good")))
    assert not (tmp_path / "file.zip").exists()


@pytest.mark.parametrize("url", ["gopher://x/y", "http://x/a b", "/plain/path"])
def test_what_is_no_url_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(FetchFailure, match="is not a URL"):
        fetch(record(tmp_path, url))


def test_a_leftover_without_control_file_is_not_believed(tmp_path: Path, web: Faulty) -> None:
    (tmp_path / "file.zip.part").write_bytes(OTHER)
    fetch(record(tmp_path, web.url("/good")))
    assert (tmp_path / "file.zip").read_bytes() == BODY


def test_a_finished_leftover_is_used(tmp_path: Path, web: Faulty) -> None:
    (tmp_path / "file.zip.part").write_bytes(BODY)
    assert fetch(record(tmp_path, web.url("/good"))).resumed
    assert web.requests == []


def test_bytes_of_an_older_record_do_not_poison_the_new_one(tmp_path: Path, web: Faulty) -> None:
    """aria2 goes on from its control file whatever the record says now: the whole-file hash must notice, and start anew."""
    part, control = tmp_path / "file.zip.part", tmp_path / "file.zip.part.aria2"
    web.files["/old"] = OTHER
    web.faults["/old"] = ("truncate", 0)
    with pytest.raises(FetchFailure):
        fetch(record(tmp_path, web.url("/old")))
    assert part.exists()
    assert control.exists()
    got = fetch(record(tmp_path, web.url("/good")))
    assert (tmp_path / "file.zip").read_bytes() == BODY
    assert not got.resumed


@pytest.mark.parametrize("control", [b"", b"garbage"])
def test_a_broken_control_file_starts_anew(tmp_path: Path, web: Faulty, control: bytes) -> None:
    """A full disk leaves an empty one."""
    (tmp_path / "file.zip.part").write_bytes(OTHER)
    (tmp_path / "file.zip.part.aria2").write_bytes(control)
    fetch(record(tmp_path, web.url("/good")))
    assert (tmp_path / "file.zip").read_bytes() == BODY


def test_a_dead_server_does_not_cost_the_bytes_that_are_there(tmp_path: Path, web: Faulty) -> None:
    web.faults["/good"] = ("truncate", 0)
    with pytest.raises(FetchFailure):
        fetch(record(tmp_path, web.url("/good")))
    with pytest.raises(FetchFailure, match="cannot connect to the server"):
        fetch(record(tmp_path, "http://127.0.0.1:9/x", (tmp_path / "none").as_uri()))
    assert (tmp_path / "file.zip.part.aria2").exists()
    web.faults.clear()
    assert fetch(record(tmp_path, web.url("/good"))).resumed


def test_progress_is_one_line_of_json(tmp_path: Path, web: Faulty) -> None:
    path = tmp_path / "progress" / "thing.json"
    fetch(record(tmp_path, web.url("/good"), progress=str(path)))
    assert json.loads(path.read_text()) == {"phase": "done", "done": len(BODY), "total": len(BODY), "rate": None, "unit": "bytes"}


def test_aria2_summary_lines_are_read() -> None:
    line = "[#3f1b2c 1258291B/41943040B(3%) CN:16 DL:15728640B ETA:2s]"
    assert aria2._SUMMARY.search(line).groups() == ("1258291", "41943040")  # type: ignore[union-attr]
    assert aria2._RATE.search(line).group(1) == "15728640"  # type: ignore[union-attr]


def test_options_carry_rate_limit_and_ca_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/ssl/mine.pem")
    listed = aria2.options(aria2.Transfer(4, "20M"), None)
    assert "--max-overall-download-limit=20M" in listed
    assert "--ca-certificate=/etc/ssl/mine.pem" in listed
    assert "--split=4" in listed


@pytest.mark.parametrize(
    ("size", "connections", "mebibytes"),
    [(None, 16, 1), (6 * MIB, 16, 1), (64 * MIB, 16, 4), (64 * MIB, 4, 8), (816 * MIB, 16, 8), (8192 * MIB, 16, 16), (19000 * MIB, 16, 32)],
)
def test_what_one_connection_fetches_in_one_go(size: int | None, connections: int, mebibytes: int) -> None:
    assert aria2.split(size, connections) == mebibytes * MIB
    assert f"--min-split-size={mebibytes * MIB}" in aria2.options(aria2.Transfer(connections), size)
