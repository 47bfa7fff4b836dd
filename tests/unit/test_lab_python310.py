"""The search for a CPython 3.10: only one that runs is taken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from lab import python310


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with nothing on PATH and an empty pyenv."""
    monkeypatch.delenv(python310.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    return tmp_path


def test_nothing_is_found_on_a_bare_machine(bare: Path) -> None:
    assert python310.find() is None


def test_a_shim_that_fails_is_passed_over_for_pyenvs_version(bare: Path) -> None:
    program(bare / "bin/python3.10", "echo 'pyenv: python3.10: command not found' >&2; exit 127")
    own = program(bare / "pyenv/versions/3.10.13/bin/python3.10", f"echo {bare}/own")
    assert own.exists()
    assert python310.find() == bare / "own"


def test_uv_is_asked_last(bare: Path) -> None:
    by_uv = program(bare / "uv-python/bin/python3.10", f"echo {bare}/by-uv")
    program(bare / "bin/uv", f"echo {by_uv}")
    assert python310.find() == bare / "by-uv"


def test_the_one_that_is_named_is_the_only_one_asked(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare / "bin/python3.10", f"echo {bare}/on-path")
    assert python310.find() == bare / "on-path"
    monkeypatch.setenv(python310.VARIABLE, str(bare / "missing"))
    assert python310.find() is None


@pytest.mark.skipif(sys.version_info[:2] == (3, 10), reason="this interpreter is a 3.10")
def test_another_version_is_refused() -> None:
    assert python310.ask(Path(sys.executable)) is None
