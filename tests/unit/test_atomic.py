"""Replacing a file as a whole."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.atomic import replace_bytes, replace_text

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
# These rename what is not a file's text: a download that is whole, an extracted folder, a picture that another Python saves,
# a link.
OTHER_RENAMES = {"fetch/part.py", "archive/extract.py", "datasets/place.py", "datasets/decode_child.py", "snapshot/restore.py"}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_made_with_its_folder_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a" / "state.json"
    replace_text(str(path), ["one", "\n"])
    replace_text(str(path), ["two\n"], mode=0o600)
    assert (path.read_text(), path.stat().st_mode & 0o777, names(path.parent)) == ("two\n", 0o600, ["state.json"])


def test_names_that_are_no_text_go_through(tmp_path: Path) -> None:
    replace_text(str(tmp_path / "list"), [os.fsdecode(b"\xff\n")])
    assert (tmp_path / "list").read_bytes() == b"\xff\n"


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text("old")

    def pieces():
        yield b"half"
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        replace_bytes(str(path), pieces())
    assert (path.read_text(), names(tmp_path)) == ("old", ["state"])


def test_a_link_beside_it_is_not_followed(tmp_path: Path) -> None:
    path, victim = tmp_path / "state", tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "state.new").symlink_to(victim)
    replace_text(str(path), ["ours"])
    assert (victim.read_text(), path.read_text(), path.is_symlink()) == ("mine", "ours", False)


def test_what_a_killed_run_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "state.new").write_text("half")
    replace_text(str(tmp_path / "state"), ["whole"])
    assert names(tmp_path) == ["state"]


def test_there_is_no_other_atomic_write() -> None:
    renames = re.compile(r"os\.(?:replace|rename)\(")
    found = {str(path.relative_to(PLUGINS)) for path in PLUGINS.rglob("*.py") if renames.search(path.read_text())}
    assert {name.removeprefix("module_utils/") for name in found} - {"atomic.py"} <= OTHER_RENAMES
