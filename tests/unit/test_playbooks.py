"""Wrong variables end a run before any host is contacted, whatever way they come in; and what a bare host would get can be shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.plugin_utils import catalog, options

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "playbooks" / "site.yml"
VERIFY = ROOT / "playbooks" / "verify.yml"
BOOLEANS = sorted(name for name, option in options.specs().items() if option["type"] == "bool")


class Bench:
    """An inventory whose hosts cannot be reached; whoever tries leaves a mark."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = folder / "contacted"
        ssh = folder / "ssh"
        ssh.write_text(f"#!/bin/sh\necho \"$@\" >> '{self.mark}'\nexit 255\n")
        ssh.chmod(0o755)
        self.inventory = folder / "inventory"
        self.write("hosts.yml", {"all": {"hosts": {"one": {}, "two": {}}}})
        self.write("group_vars/all.yml", {
            "ansible_connection": "ssh", "ansible_ssh_executable": str(ssh), "ansible_ssh_retries": 0, "ansible_host": "192.0.2.1",
            "ansible_python_interpreter": "/usr/bin/python3",
        })  # fmt: skip

    def write(self, path: str, data: Any) -> Path:
        """Write JSON, which is YAML, below the inventory."""
        target = self.inventory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(data))
        return target

    def run(self, playbook: Path, *words: str, inventory: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run ansible-playbook and return what it said."""
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks" / "collections"),
            "ANSIBLE_HOME": str(self.folder / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",
        }
        argv = [sys.executable, "-m", "ansible", "playbook", "-i", inventory or str(self.inventory), str(playbook), *words]
        return subprocess.run(argv, capture_output=True, text=True, env=environment, check=False, timeout=120, stdin=subprocess.DEVNULL)

    def refused(self, playbook: Path, *words: str) -> str:
        """Run, see that it failed and that no host was contacted, and return the output on one line."""
        done = self.run(playbook, *words)
        assert done.returncode != 0, done.stdout
        assert not self.mark.exists(), done.stdout + self.mark.read_text()
        return " ".join((done.stdout + done.stderr).split())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("playbook", [SITE, VERIFY], ids=lambda path: path.stem)
def test_good_variables_reach_for_the_hosts(bench: Bench, playbook: Path) -> None:
    done = bench.run(playbook, "-e", "provision_prefix=/opt/codetr")
    assert done.stdout.count("UNREACHABLE!") == 2
    assert "192.0.2.1" in bench.mark.read_text()


@pytest.mark.parametrize("playbook", [SITE, VERIFY], ids=lambda path: path.stem)
def test_a_misspelt_variable_of_the_command_line(bench: Bench, playbook: Path) -> None:
    said = bench.refused(playbook, "-e", "provision_prefx=/data")
    assert "There is no variable provision_prefx. Did you mean provision_prefix?" in said


def test_a_misspelt_variable_of_the_inventory(bench: Bench) -> None:
    bench.write("group_vars/all/ours.yml", {"codetr_dataset_subset": 10})
    (bench.inventory / "group_vars" / "all.yml").rename(bench.inventory / "group_vars" / "all" / "lab.yml")
    assert "There is no variable codetr_dataset_subset. Did you mean codetr_datasets_subset?" in bench.refused(SITE)


def test_a_wrong_variable_of_one_host_stops_all(bench: Bench) -> None:
    bench.write("host_vars/two.yml", {"codetr_env_manager": "poetry"})
    assert "codetr_env_manager must be one of conda, venv, existing; it is poetry." in bench.refused(SITE)


def _play_vars(play: dict[str, Any]) -> None:
    play["vars"] = {"miniconda_versoin": "py310_24.11.1-0"}
    play["roles"] = ["codetr.provision.miniconda"]


def _role_vars(play: dict[str, Any]) -> None:
    play["roles"] = [{"role": "codetr.provision.miniconda", "vars": {"miniconda_versoin": "py310_24.11.1-0"}}]


def _include_vars(play: dict[str, Any]) -> None:
    task = {"ansible.builtin.include_role": {"name": "codetr.provision.miniconda"}, "vars": {"miniconda_versoin": "py310_24.11.1-0"}}
    play["tasks"] = [task]


def _facts(play: dict[str, Any]) -> None:
    play["tasks"] = [
        {"ansible.builtin.set_fact": {"miniconda_versoin": "x"}},
        {"ansible.builtin.include_role": {"name": "codetr.provision.miniconda"}},
    ]


@pytest.mark.parametrize("place", [_play_vars, _role_vars, _include_vars, _facts], ids=lambda place: place.__name__.strip("_"))
def test_a_misspelt_variable_in_somebodys_own_playbook(bench: Bench, place: Callable[[dict[str, Any]], None]) -> None:
    play: dict[str, Any] = {"hosts": "all", "gather_facts": False}
    place(play)
    said = bench.refused(bench.write("../own.yml", [play]))
    assert "There is no variable miniconda_versoin. Did you mean miniconda_version?" in said


def test_an_unknown_stack(bench: Bench) -> None:
    assert "codetr_stack must be one of auto, cpu" in bench.refused(SITE, "-e", "codetr_stack=cu999")


def test_everything_that_is_wrong_is_said_at_once(bench: Bench) -> None:
    said = bench.refused(SITE, "-e", "codetr_stack=cu999 provision_prefx=/data codetr_packages_jobs=many preflight_only_warn=perhaps")
    assert "There is no variable provision_prefx." in said
    assert "codetr_packages_jobs must be of type int; it is 'many'." in said
    assert "preflight_only_warn must be of type bool; it is 'perhaps'." in said


@pytest.fixture
def anywhere(tmp_path: Path) -> list[str]:
    """Words that let the site be planned on this machine, whatever it reaches: nothing is asked of any network."""
    there = tmp_path / "there"
    there.write_text("x")
    records = {name: {"urls": [there.as_uri()], "size": 1} for name in catalog.artifacts({}, "")}
    given = {
        "provision_prefix": str(tmp_path / "prefix"), "provision_artifacts": records, "codetr_repo_url": str(there), "codetr_stack": "cpu",
        "codetr_packages_index_url": there.as_uri(), "codetr_datasets_subset": 4,
    }  # fmt: skip
    return ["--check", "-c", "local", "-e", json.dumps(given), "-e", f"ansible_python_interpreter={sys.executable}"]


def test_every_boolean_may_be_the_string_false(bench: Bench, anywhere: list[str]) -> None:
    done = bench.run(SITE, *anywhere, "-e", " ".join(f"{name}=false" for name in BOOLEANS), inventory="localhost,")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("changed: [localhost]") == 7
    assert not (bench.folder / "prefix").exists()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ('miniconda_accept_anaconda_terms=false miniconda_channels=["defaults"]', "subject to Anaconda's terms of service"),
        ("preflight_only_warn=false provision_user=nobody-of-that-name", "There is no user nobody-of-that-name on the host."),
    ],
)
def test_the_string_false_is_no(bench: Bench, anywhere: list[str], words: str, part: str) -> None:
    given = {key: json.loads(value) if value.startswith("[") else value for key, value in (word.split("=") for word in words.split())}
    done = bench.run(SITE, *anywhere, "-e", json.dumps(given), inventory="localhost,")
    assert done.returncode != 0
    assert part in " ".join(done.stdout.split())
    assert not (bench.folder / "prefix").exists()


STATE_FILES = [("nvidia_driver", "receipts/nvidia_driver.json"), ("cuda_toolkit", "receipts/cuda_toolkit.before")]


@pytest.mark.parametrize(("role", "file"), STATE_FILES)
def test_what_is_there_and_cannot_be_read_is_not_taken_for_nothing(role: str, file: str, bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "ours" / file).mkdir(parents=True)
    take_back = {"name": f"codetr.provision.{role}", "tasks_from": "remove.yml"}
    task = {"ansible.builtin.include_role": take_back, "vars": {f"__{role}_ours": str(tmp_path / "ours")}}
    here = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": {"ansible_python_interpreter": sys.executable}}
    playbook = tmp_path / "play.yml"
    playbook.write_text(json.dumps([here | {"tasks": [task]}]))
    done = bench.run(playbook, inventory="localhost,")
    assert done.returncode == 2 and f"{file} cannot be read: it is no plain file" in done.stdout + done.stderr
    assert done.stdout.count(f"TASK [codetr.provision.{role} : ") == 1
