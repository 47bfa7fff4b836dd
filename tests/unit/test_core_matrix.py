"""The matrix of ansible-core and Python: what it runs, what it finds, and that the collection's metadata says the same."""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from ansible.module_utils import basic

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import core_matrix  # noqa: E402
from core_matrix import PAIRS, MissingPython, Outcome, Pair  # noqa: E402

NEWEST = PAIRS[-1]


def version(text: str) -> tuple[int, ...]:
    """Numbers of a version."""
    return tuple(map(int, text.split(".")))


def after(text: str) -> str:
    """The version after one, as the upper bound of a range."""
    major, minor = version(text)
    return f"{major}.{minor + 1}"


def interpreter(folder: Path, name: str, script: str) -> Path:
    """A program that stands in for an interpreter."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_metadata_says_which_cores_run() -> None:
    """requires_ansible and the package's dependency are the range of the matrix, no more and no less."""
    oldest, newest = PAIRS[0].core, after(NEWEST.core)
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    assert runtime["requires_ansible"] == f">={oldest}.0,<{newest}.0"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"ansible-core>={oldest},<{newest}" in project["dependencies"]
    assert project["requires-python"] == f">={PAIRS[0].python}"
    pythons = {line.rpartition(" ")[2] for line in project["classifiers"] if re.search(r"Python :: 3\.\d+$", line)}
    assert pythons == {pair.python for pair in PAIRS}


def test_ci_runs_every_pair() -> None:
    """A pair that is added here is added there."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert [Pair(**one) for one in jobs["core"]["strategy"]["matrix"]["include"]] == list(PAIRS)


def test_each_core_and_python_is_run_once() -> None:
    """No version of the range is left out."""
    for versions in ([pair.core for pair in PAIRS], [pair.python for pair in PAIRS]):
        minors = [version(one)[1] for one in versions]
        assert minors == list(range(minors[0], minors[0] + len(PAIRS)))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_a_lock_has_its_core_and_the_common_rest(pair: Pair) -> None:
    """Each lock pins its core by hash, agrees with its source, and differs from the others in Ansible alone."""
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", pair.lock.read_text(), re.MULTILINE))
    source = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements" / f"core-{pair.core}.in").read_text(), re.MULTILINE))
    assert pins["ansible-core"].startswith(f"{pair.core}.")
    assert {name: pins[name] for name in source} == source
    first = dict(re.findall(r"^([\w.-]+)==(\S+)", PAIRS[0].lock.read_text(), re.MULTILINE))
    assert {name for name in {*pins, *first} if pins.get(name) != first.get(name)} <= {"ansible", "ansible-core"}
    assert pair.lock.read_text().count("==") <= pair.lock.read_text().count("--hash=sha256:")


def test_plugins_find_the_oldest_python_of_a_host_in_this_core() -> None:
    """The message about a host's Python takes the version from ansible-core, which must go on having it."""
    assert (3, 8) <= basic._PY_MIN < sys.version_info[:2]


def test_path_comes_before_pyenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shim that refuses, and one of another version, are passed over."""
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'shims'}:{tmp_path / 'other'}")
    interpreter(tmp_path / "shims", "python3.12", "echo 'pyenv: python3.12: command not found' >&2; exit 127")
    interpreter(tmp_path / "other", "python3.12", "echo 3.11")
    assert core_matrix.find_python("3.12") is None
    own = interpreter(tmp_path / "pyenv" / "versions" / "3.12.1" / "bin", "python3", "echo 3.12")
    assert core_matrix.find_python("3.12") == own
    good = interpreter(tmp_path / "other", "python3.12", "echo 3.12")
    assert core_matrix.find_python("3.12") == good


def test_what_is_not_a_pair_is_refused() -> None:
    """The message says what was expected."""
    assert core_matrix.parse("2.21:3.12") == Pair("2.21", "3.12")
    for text, expected in (("2.21", "CORE:PYTHON"), ("2.21:2.7", "CORE:PYTHON"), ("2.5:3.12", "no lock for ansible-core 2.5")):
        with pytest.raises(argparse.ArgumentTypeError, match=expected):
            core_matrix.parse(text)


def test_all_steps_run_whatever_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """A failed step does not hide the others; a failed installation ends its pair only."""
    done = []

    def do(pair: Pair, step: str) -> str:
        done.append((pair.core, step))
        return "broken" if step == "lint" or (step == "venv" and pair == PAIRS[1]) else ""

    outcomes = core_matrix.run(PAIRS, ["syntax", "lint", "run"], False, do)
    assert done == [
        *((PAIRS[0].core, step) for step in ("venv", "syntax", "lint", "run")),
        (PAIRS[1].core, "venv"),
        *((PAIRS[2].core, step) for step in ("venv", "syntax", "lint", "run")),
    ]
    assert [item.pair.core for item in outcomes if item.problem] == [pair.core for pair in PAIRS]
    assert "FAILED: broken" in core_matrix.table(outcomes)
    assert "FAILED: broken" in capsys.readouterr().out


@pytest.mark.parametrize("allowed", [False, True])
def test_a_missing_python_is_named(allowed: bool) -> None:
    """It fails the run unless that was allowed, and then the table does not say that it passed."""

    def do(pair: Pair, step: str) -> str:
        if pair == PAIRS[1]:
            raise MissingPython(pair.python)
        return ""

    outcomes = core_matrix.run(PAIRS, ["syntax"], allowed, do)
    missing = [item for item in outcomes if item.pair == PAIRS[1]]
    assert len(missing) == 1
    assert missing[0].result == ("SKIPPED" if allowed else f"FAILED: {missing[0].problem}")
    assert allowed or f"Python {PAIRS[1].python} is neither on PATH nor in pyenv" in missing[0].problem
    assert [item.result for item in outcomes if item.pair != PAIRS[1]] == ["passed"] * 4


def test_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """0 only when nothing failed."""
    for problem, status in (("", 0), ("exit status 2", 1)):
        monkeypatch.setattr(core_matrix, "run", lambda *_, problem=problem: [Outcome(NEWEST, "syntax", 1.0, problem)])
        assert core_matrix.main([]) == status
    with pytest.raises(SystemExit):
        core_matrix.main(["--steps", "nothing"])


def test_a_deprecation_warning_fails_its_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever Ansible says is deprecated is met here, before the release that removes it."""
    monkeypatch.setattr(core_matrix, "LOGS", tmp_path)
    warns = ["sh", "-c", "echo ok; echo '[DEPRECATION WARNING]: this goes in 2.24.'"]
    monkeypatch.setattr(core_matrix, "commands", lambda pair, step: [warns] if step == "run" else [["sh", "-c", "exit 3"]])
    assert core_matrix.take(NEWEST, "run") == "1 deprecation warning(s), the first: [DEPRECATION WARNING]: this goes in 2.24."
    assert core_matrix.take(NEWEST, "lint") == "exit status 3"
    assert "ok\n" in (tmp_path / NEWEST.name / "run.log").read_text()


def test_environment_is_made_once_for_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made anew when the lock changed, and is not taken for whole when pip failed."""
    lock, calls, fails = tmp_path / "lock.txt", [], [""]
    lock.write_text("one")
    monkeypatch.setattr(core_matrix, "VENVS", tmp_path)
    monkeypatch.setattr(core_matrix, "lock_of", lambda core: lock)
    monkeypatch.setattr(core_matrix, "find_python", lambda version: Path("/usr/bin/python"))

    def call(argv: list[object], pair: Pair, log: Path) -> str:
        calls.append(argv)
        pair.bin.mkdir(parents=True, exist_ok=True)
        return fails[0] if "pip" in argv else ""

    monkeypatch.setattr(core_matrix, "call", call)
    fails[0] = "exit status 1"
    assert core_matrix.install(NEWEST, tmp_path / "log") == "exit status 1"
    fails[0] = ""
    assert core_matrix.install(NEWEST, tmp_path / "log") == ""
    assert len(calls) == 4 and "--require-hashes" in calls[-1] and lock in calls[-1]
    assert core_matrix.install(NEWEST, tmp_path / "log") == "" and len(calls) == 4
    lock.write_text("two")
    assert core_matrix.install(NEWEST, tmp_path / "log") == "" and len(calls) == 6
    monkeypatch.setattr(core_matrix, "find_python", lambda version: None)
    lock.write_text("three")
    with pytest.raises(MissingPython):
        core_matrix.install(NEWEST, tmp_path / "log")


def test_steps_use_the_pairs_own_programs() -> None:
    """No step takes Ansible from another environment, and the playbooks are all there are."""
    for step in core_matrix.STEPS[1:]:
        for argv in core_matrix.commands(NEWEST, step):
            assert Path(argv[0]).parent == NEWEST.bin
    syntax = core_matrix.commands(NEWEST, "syntax")[0]
    assert {path.name for path in (ROOT / "playbooks").glob("*.yml")} <= {Path(word).name for word in syntax}
    assert core_matrix.environment(NEWEST)["PATH"].startswith(f"{NEWEST.bin}:")


def test_tests_that_depend_on_ansible_are_known() -> None:
    """Those that start it or load a plugin; those of pure Python are left out."""
    names = {path.name for path in core_matrix.tests_of_plugins()}
    assert {"test_playbooks.py", "test_core_matrix.py", "test_wait.py"} <= names
    assert not {"test_scenarios.py", "test_lab_doctor.py"} & names
