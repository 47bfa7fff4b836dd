"""conda as it runs on the host, its owner, and which shells load it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from testinfra.host import Host

CONDA = "/opt/codetr/miniconda3"


def receipt(host: Host, prefix: str) -> dict[str, Any]:
    return dict(json.loads(host.file(f"{prefix}/receipts/miniconda.json").content_string))


@pytest.mark.parametrize(
    ("prefix", "version"), [(CONDA, "25.3.1"), ("/opt/half/miniconda3", "24.11.1"), ("/srv/training/miniconda3", "24.11.1")]
)
def test_conda_says_its_version(host: Host, prefix: str, version: str) -> None:
    assert host.check_output(f"{prefix}/bin/conda --version") == f"conda {version}"


def test_conda_looks_at_one_channel_only(host: Host, lab: dict[str, Any]) -> None:
    settings = yaml.safe_load(host.file(f"{CONDA}/.condarc").content_string)
    assert settings["channels"] == ["conda-forge"]
    assert settings.get("channel_alias") == lab.get("miniconda_channel_alias")
    assert settings["auto_activate_base"] is False


def test_an_upgrade_keeps_environments(host: Host) -> None:
    assert host.file(f"{CONDA}/envs/mine/conda-meta/history").content_string == "mine\n"


@pytest.mark.parametrize(("prefix", "owner"), [("/opt/codetr", "lab"), ("/opt/half", "lab"), ("/srv/training", "trainer")])
def test_everything_belongs_to_its_user(host: Host, prefix: str, owner: str) -> None:
    assert host.check_output(f"find {prefix} ! -user {owner} -print") == ""


@pytest.mark.parametrize("prefix", ["/opt/codetr", "/opt/half", "/srv/training"])
def test_a_finished_run_leaves_no_installer_and_no_mark(host: Host, prefix: str) -> None:
    assert host.file(f"{prefix}/receipts").listdir() == ["miniconda.json"]
    assert host.check_output(f"find {prefix}/cache -type f") == ""


def test_receipts_name_the_installer_and_that_it_stands_in(host: Host, lab: dict[str, Any]) -> None:
    records = lab["provision_artifacts"]
    for prefix, name in (
        ("/opt/codetr", "miniconda3-py310_25.3.1-1-linux-x86_64"),
        ("/opt/half", "miniconda3-py310_24.11.1-0-linux-x86_64"),
    ):
        found = receipt(host, prefix)
        assert found["remember"] == {"installer": name, "sha256": records[name]["sha256"]}
        assert found["stand_in"] is bool(records[name].get("stand_in"))


def test_wrong_bytes_are_nowhere(host: Host) -> None:
    assert not host.file("/opt/wrong/miniconda3").exists
    assert host.check_output("find /opt/wrong -name '*.sh*'") == ""
    assert host.file("/opt/wrong/receipts").listdir() == ["miniconda.inprogress"]


def test_only_the_shell_that_asked_knows_conda(host: Host) -> None:
    with host.sudo("trainer"):
        assert host.check_output("cd && bash -ic 'conda --version' 2>/dev/null") == "conda 24.11.1"
    assert host.run("bash -ic 'conda --version'").rc == 127
    assert host.check_output("find /home/lab -maxdepth 1 -name '.*rc' -o -maxdepth 1 -name '.*profile'") == ""


def test_somebodys_own_files_are_as_they_were(host: Host) -> None:
    assert host.file("/srv/a-file").content_string == host.file("/srv/notes").content_string == "mine\n"
    assert not host.file("/opt/with space").exists
