"""The doctor says all problems at once, each with a way out."""

from __future__ import annotations

import os
import platform
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from lab import __main__, doctor, network, python310, tools, upstreams
from lab.settings import LabError

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def healthy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine that has everything."""
    monkeypatch.setenv("CODETR_LAB_DIR", str(tmp_path))
    monkeypatch.setattr(tools, "os_release", lambda: {"ID": "debian", "PRETTY_NAME": "Debian GNU/Linux 12"})
    monkeypatch.setattr(tools, "missing_tools", list)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 100 * 1024**3))
    monkeypatch.setattr(doctor, "container_storage", lambda: Path("/var/lib/containers"))
    monkeypatch.setattr(python310, "find", lambda: Path("/usr/bin/python3.10"))
    monkeypatch.setattr(network, "refuse_foreign", lambda: None)
    monkeypatch.setattr(upstreams, "declared", lambda name: [("miniconda", "https://upstream.test/installer.sh")])


def test_a_machine_with_everything_has_no_problem(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.problems() == []
    assert __main__.main(["doctor"]) == 0


def test_all_problems_are_said_at_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(tools, "os_release", lambda: {"ID": "fedora", "PRETTY_NAME": "Fedora Linux 40"})
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, 1024**3))
    monkeypatch.setattr(tools, "missing_tools", lambda: [tool for tool in tools.TOOLS if tool.command in ("podman", "mmdebstrap")])
    monkeypatch.setattr(python310, "find", lambda: None)
    monkeypatch.setattr(upstreams, "knock", lambda url: "answers 403")
    assert __main__.main(["doctor"]) == 1
    said = capsys.readouterr().err
    for words in ("Fedora Linux 40", "aarch64", "sudo", "1.0 GiB free", "CODETR_LAB_DIR", "pyenv install 3.10", "answers 403",
                  "apt-get install --yes --no-install-recommends podman mmdebstrap"):  # fmt: skip
        assert words in said


def test_tools_that_the_next_step_installs_are_no_problem(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(tools, "missing_tools", lambda: list(tools.TOOLS))
    assert __main__.main(["doctor"]) == 0
    assert "will be installed" in capsys.readouterr().out
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert __main__.main(["doctor"]) == 1
    assert "apt-get install" in capsys.readouterr().err


def test_a_real_miniconda_makes_up_for_a_missing_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CODETR_LAB_PYTHON310", raising=False)
    monkeypatch.setattr(python310, "find", lambda: None)
    monkeypatch.setattr(upstreams, "knock", lambda url: None)
    assert doctor.problems() == []


def test_a_named_python_that_does_not_run_is_a_problem_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODETR_LAB_PYTHON310", "/srv/python3.10")
    monkeypatch.setattr(python310, "find", lambda: None)
    (problem,) = doctor.problems()
    assert "/srv/python3.10" in problem


def test_another_checkouts_lab_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise LabError("The lab of /srv/other/.lab is up on this machine.")

    monkeypatch.setattr(network, "refuse_foreign", refuse)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert doctor.problems() == ["The lab of /srv/other/.lab is up on this machine."]
