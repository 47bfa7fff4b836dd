"""codetr_command: the log, what a failure says, whose process it is, and that nothing leaks in from the terminal."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def run(*argv: str, **arguments: Any) -> dict[str, Any]:
    """Run the module as Ansible does and return its answer."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "plugins" / "modules" / "codetr_command.py")],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {"argv": list(argv), **arguments}}),
        env={"PYTHONPATH": str(ROOT / "playbooks" / "collections"), "PATH": "/usr/bin:/bin", "HOME": "/"},
        capture_output=True,
        text=True,
        check=False,
    )
    return dict(json.loads(done.stdout))


def test_output_of_both_kinds_is_in_the_log_below_the_command(tmp_path: Path) -> None:
    log = tmp_path / "new" / "folder" / "x.log"
    answer = run("sh", "-c", "echo one; echo two >&2", log=str(log))
    assert (answer["rc"], answer["changed"], answer["tail"][-2:]) == (0, True, ["one", "two"])
    assert log.read_text() == "$ sh -c 'echo one; echo two >&2'\none\ntwo\n"


def test_a_log_is_never_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "x.log").symlink_to(tmp_path / "precious")
    answer = run("echo", "hello", log=str(tmp_path / "x.log"))
    assert "x.log" in answer["msg"]
    assert (tmp_path / "precious").read_text() == "kept"


def test_a_command_that_something_else_stands_in_the_way_of_is_run_again(tmp_path: Path) -> None:
    mark = tmp_path / "tried"
    script = f"test -e {mark} && echo done && exit 0; touch {mark}; echo 'E: Could not get lock'; exit 100"
    assert run("sh", "-c", script, retry_on="No space left")["rc"] == 100
    mark.unlink()
    assert run("sh", "-c", script, retry_on="Could not get lock", retry_timeout=0)["rc"] == 100
    mark.unlink()
    assert run("sh", "-c", script, retry_on="Could not get lock")["tail"][-1] == "done"


def test_a_log_is_of_the_last_run_only(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    run("echo", "a long line of an earlier run", log=str(log))
    run("echo", "short", log=str(log))
    assert log.read_text() == "$ echo short\nshort\n"


def test_a_failure_says_what_is_known_of_it_and_where_to_look(tmp_path: Path) -> None:
    known = [
        {"pattern": "no such thing", "say": "Not this."},
        {"pattern": "No space left", "say": "The disk is full."},
        {"pattern": "", "say": "Neither."},
    ]
    answer = run("sh", "-c", "echo No space left on device; exit 3", log=str(tmp_path / "x.log"), explain=known)
    assert (answer["failed"], answer["rc"]) == (True, 3)
    assert answer["msg"].startswith("The disk is full. sh -c ")
    assert f"ended with exit status 3. The whole output is in {tmp_path / 'x.log'}. Its last lines:" in answer["msg"]
    assert answer["msg"].endswith("No space left on device")


def test_an_unknown_failure_shows_the_last_lines_only() -> None:
    answer = run("sh", "-c", "seq 1 500; exit 1")
    assert answer["tail"] == [str(number) for number in range(481, 501)]
    assert answer["msg"].startswith("sh -c ")


def test_a_program_that_is_not_there_is_a_sentence() -> None:
    answer = run("/no/such/program", "x")
    assert answer["failed"] is True
    assert answer["msg"].startswith("Could not run /no/such/program x: ")
    assert "Traceback" not in answer["msg"]


def test_environment_folder_and_a_closed_standard_input(tmp_path: Path) -> None:
    answer = run("sh", "-c", "pwd; echo $ONE$HOME; wc -c", chdir=str(tmp_path), environment={"ONE": 1})
    assert answer["tail"][1:] == [str(tmp_path), "1/", "0"]


def test_words_are_words_and_no_shell_reads_them() -> None:
    assert run("echo", "$HOME; exit 1")["tail"][1:] == ["$HOME; exit 1"]


def test_check_mode_runs_nothing(tmp_path: Path) -> None:
    answer = run("touch", str(tmp_path / "made"), _ansible_check_mode=True)
    assert (answer["changed"], list(tmp_path.iterdir())) == (True, [])


@needs_root
def test_the_command_and_its_log_are_the_users(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    folder = Path("/tmp") / f"codetr-command-{os.getpid()}"
    folder.mkdir()
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    try:
        answer = run("sh", "-c", "id -un; id -Gn; echo $HOME", user="nobody", log=str(folder / "x.log"))
        assert answer["tail"][1:] == ["nobody", "nogroup", nobody.pw_dir]
        assert (folder / "x.log").stat().st_uid == nobody.pw_uid
    finally:
        (folder / "x.log").unlink(missing_ok=True)
        folder.rmdir()


@needs_root
def test_what_root_writes_down_belongs_to_who_has_the_folder(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(tmp_path, nobody.pw_uid, nobody.pw_gid)
    run("id", "-un", log=str(tmp_path / "x.log"))
    found = (tmp_path / "x.log").stat()
    assert (found.st_uid, found.st_gid) == (nobody.pw_uid, nobody.pw_gid)


@needs_root
def test_a_user_who_is_not_there_is_named() -> None:
    answer = run("true", user="nobody-of-that-name")
    assert answer["failed"] is True
    assert "There is no user 'nobody-of-that-name' on this host. Create it first" in answer["msg"]
