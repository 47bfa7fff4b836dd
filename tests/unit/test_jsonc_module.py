"""How codetr_jsonc reads and writes files; what it writes is test_jsonc.py's."""

from __future__ import annotations

import os
import pwd
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.jsonc import JsoncError
from ansible_collections.codetr.provision.plugins.modules import codetr_jsonc


def test_line_ends_and_byte_order_mark_are_read_as_they_stand(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf{\r\n}\r\n")
    text = codetr_jsonc.read(str(tmp_path / "a"))
    assert text == "\ufeff{\r\n}\r\n"
    codetr_jsonc.write(str(tmp_path / "b"), text)
    assert (tmp_path / "b").read_bytes() == b"\xef\xbb\xbf{\r\n}\r\n"


def test_a_text_that_is_not_utf_8_is_no_jsonc(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(JsoncError, match="not UTF-8 at byte 7"):
        codetr_jsonc.read(str(tmp_path / "a"))


def test_the_mode_is_kept_and_a_new_file_gets_its_folder(tmp_path: Path) -> None:
    path = tmp_path / ".vscode" / "launch.json"
    codetr_jsonc.write(str(path), "{}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    path.chmod(0o640)
    codetr_jsonc.write(str(path), "{ }")
    assert (stat.S_IMODE(path.stat().st_mode), path.read_text(), len(list(path.parent.iterdir()))) == (0o640, "{ }", 1)


def test_a_write_that_fails_leaves_the_file_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "launch.json"
    path.write_text("theirs")

    def broken(*_: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(codetr_jsonc.os, "replace", broken)
    with pytest.raises(OSError, match="the disk is full"):
        codetr_jsonc.write(str(path), "ours")
    assert (path.read_text(), len(list(tmp_path.iterdir()))) == ("theirs", 1)


def test_a_user_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match="There is no user 'nosuch' on this host"), codetr_jsonc.acting_as("nosuch"):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_file_is_written_as_its_user_and_root_is_back_afterwards(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    home = Path(tempfile.mkdtemp(dir="/tmp"))
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    with codetr_jsonc.acting_as("nobody"):
        codetr_jsonc.write(str(home / "new"), "{}")
        with pytest.raises(PermissionError):
            codetr_jsonc.write("/etc/codetr-must-not-be", "{}")
    assert ((home / "new").stat().st_uid, os.geteuid(), os.getegid()) == (nobody.pw_uid, 0, 0)
    (home / "theirs").write_text("{}")
    with codetr_jsonc.acting_as("nobody"), pytest.raises(PermissionError, match="it belongs to user id 0"):
        codetr_jsonc.write(str(home / "theirs"), "{ }")
    (home / "new").unlink()
    (home / "theirs").unlink()
    home.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_file_in_a_group_that_its_owner_is_not_in_can_be_written() -> None:
    nobody = pwd.getpwnam("nobody")
    home = Path(tempfile.mkdtemp(dir="/tmp"))
    mine = home / "mine"
    mine.write_text("{}")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    os.chown(mine, nobody.pw_uid, 0)
    with codetr_jsonc.acting_as("nobody"):
        codetr_jsonc.write(str(mine), "{ }")
    assert (mine.read_text(), mine.stat().st_uid) == ("{ }", nobody.pw_uid)
    mine.unlink()
    home.rmdir()
