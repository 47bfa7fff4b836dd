"""The environments themselves: what runs in them, who owns them, and what is unchanged."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

CONDA = "/opt/codetr/miniconda3"
MADE = [f"{CONDA}/envs/codetr", f"{CONDA}/envs/half", "/srv/venv/envs/codetr"]


@pytest.mark.parametrize("prefix", MADE)
def test_the_interpreter_is_the_stacks_and_lives_in_its_prefix(host: Host, prefix: str) -> None:
    found = host.check_output(f"{prefix}/bin/python -c 'import sys; print(*sys.version_info[:2], sys.prefix)'")
    assert found == f"3 10 {prefix}"


@pytest.mark.parametrize("prefix", MADE)
def test_pip_is_the_environments_own(host: Host, prefix: str) -> None:
    assert f" from {prefix}/lib/python3.10/site-packages/pip " in host.check_output(f"{prefix}/bin/python -m pip --version")


@pytest.mark.parametrize("name", ["codetr", "half"])
def test_conda_recorded_the_environments_python(host: Host, name: str) -> None:
    (path,) = host.check_output(f"ls {CONDA}/envs/{name}/conda-meta/python-3.10.*.json").split()
    assert json.loads(host.file(path).content_string)["channel"].rstrip("/").endswith("conda-forge")


def test_a_venv_stands_on_what_it_was_given(host: Host) -> None:
    assert f"home = {CONDA}/bin" in host.file("/srv/venv/envs/codetr/pyvenv.cfg").content_string


@pytest.mark.parametrize("prefix", ["/opt/codetr", "/srv/venv"])
def test_everything_belongs_to_who_logs_in(host: Host, prefix: str) -> None:
    assert host.check_output(f"find {prefix} ! -user lab -print") == ""


def test_receipts_are_whole(host: Host) -> None:
    assert host.file("/opt/codetr/receipts").listdir() == ["env.json", "miniconda.json"]
    assert host.file("/srv/venv/receipts").listdir() == ["env.json"]
    receipt = json.loads(host.file("/opt/codetr/receipts/env.json").content_string)
    assert (receipt["stage"], receipt["action"]) == ("env", "repair")


def test_taking_an_environment_makes_nothing(host: Host) -> None:
    assert not host.file("/srv/existing").exists


def test_what_was_refused_is_as_it_was(host: Host) -> None:
    assert host.file(f"{CONDA}/envs/taken").listdir() == ["mine"]
    assert host.file(f"{CONDA}/envs/other").listdir() == ["bin"]
    assert not host.file("/opt/codetr/envs").exists
