"""aria2's control file: what it says is on the disk is on the disk."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.fetch import aria2, control
from ansible_collections.codetr.provision.plugins.module_utils.fetch.control import Control
from ansible_collections.codetr.provision.plugins.module_utils.fetch.part import Part
from fetch_lab import BODY, MIB, control_file, leftovers
from webserver import Faulty

TOTAL = 9 * MIB + 5


def read(tmp_path: Path, raw: bytes) -> Control | None:
    (tmp_path / "control").write_bytes(raw)
    return control.read(str(tmp_path / "control"))


@pytest.mark.parametrize(
    ("pieces", "prefix", "done"),
    [
        ("0000000000", 0, 0),
        ("0111111111", 0, 9 * MIB),
        ("1000000000", MIB, MIB),
        ("1110100000", 3 * MIB, 4 * MIB),
        ("1111111110", 9 * MIB, 9 * MIB),
        ("1111111101", 8 * MIB, 9 * MIB),
        ("1111111111", TOTAL, TOTAL),
    ],
)
def test_the_prefix_ends_at_the_first_gap(tmp_path: Path, pieces: str, prefix: int, done: int) -> None:
    assert read(tmp_path, control_file(TOTAL, pieces)) == Control(TOTAL, prefix, done)


def test_pieces_on_their_way_are_done_in_part_and_never_in_the_prefix(tmp_path: Path) -> None:
    raw = control_file(TOTAL, "1100000000", on_their_way={2: 3, 5: 1})
    assert read(tmp_path, raw) == Control(TOTAL, 2 * MIB, 2 * MIB + 4 * control.BLOCK)


def test_what_makes_no_sense_says_nothing(tmp_path: Path) -> None:
    raw = control_file(TOTAL, "1111111111", on_their_way={2: 3})
    assert all(read(tmp_path, raw[:length]) is None for length in range(len(raw)))
    assert read(tmp_path, control_file(TOTAL, "1111111111", version=0)) is None
    assert read(tmp_path, control_file(TOTAL, "1111111111", version=2)) is None
    assert read(tmp_path, control_file(TOTAL, "1" * 100)) is None
    assert read(tmp_path, control_file(0, "")) is None
    assert read(tmp_path, b"garbage") is None
    assert control.read(str(tmp_path / "none")) is None


def test_a_bit_that_is_set_means_bytes_in_the_file_also_after_kill_and_going_on(tmp_path: Path, web: Faulty) -> None:
    """Compared with the file again and again while aria2 runs."""
    web.pace["/good"] = 0.5 * MIB
    part = Part(str(tmp_path / "file.zip"))
    seen: set[int] = set()

    def compare(there: Control | None) -> None:
        if there:
            seen.add(there.prefix)
            assert Path(part.path).read_bytes()[: there.prefix] == BODY[: there.prefix]

    for kill in (True, True, False):
        argv = [aria2.program(), *aria2.options(aria2.Transfer(2), len(BODY))]
        child = subprocess.Popen(argv, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        assert child.stdin
        with child.stdin:
            child.stdin.write(f"{web.url('/good')}\n dir={tmp_path}\n out=file.zip.part\n")
        before = max(seen, default=0)
        while child.poll() is None:
            compare(control.read(part.control))
            if kill and max(seen, default=0) > before:
                child.send_signal(signal.SIGKILL)
                child.wait()
                compare(control.read(part.control))
    assert child.returncode == 0
    assert len(seen) >= 3
    assert Path(part.path).read_bytes() == BODY


def test_the_kept_control_file_takes_the_place_of_a_broken_one_again_and_again(tmp_path: Path) -> None:
    part = Part(str(tmp_path / "file.zip"))
    Path(part.path).write_bytes(BODY)
    Path(part.control).write_bytes(control_file(TOTAL, "1100000000"))
    assert part.keep() == part.keep() == Control(TOTAL, 2 * MIB, 2 * MIB)
    for _ in range(2):
        (tmp_path / "empty").write_bytes(b"")
        (tmp_path / "empty").replace(part.control)
        assert part.keep() is None
        assert not part.resumable()
        part.restore()
        assert part.resumable()
        assert part.arrived() == 2 * MIB
    part.discard()
    assert leftovers(tmp_path) == set()
