"""Which host compiles for the others: role codetr_packages' own expression, in a play over hosts whose plans are given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = {"work": "/w"}


def plan(key: str, source: str = "build", install: bool = True, build: dict[str, str] | None = None) -> dict[str, Any]:
    """What the role registers of a host's plan, as far as the choice looks at it."""
    params = {"key": key, "source": source, "install_mmcv": install, "build": BUILD if build is None else build}
    return {"stage": {"params": params}}


def builders(folder: Path, hosts: dict[str, dict[str, Any] | None]) -> dict[str, str]:
    """For each host with a plan, who compiles for it."""
    inventory = {"all": {"hosts": {name: {"__codetr_packages_stage": made} if made else {} for name, made in hosts.items()}}}
    (folder / "hosts.json").write_text(json.dumps(inventory))
    answer = {"content": "{{ __codetr_packages_builder }}", "dest": f"{folder}/{{{{ inventory_hostname }}}}.txt"}
    play = {
        "hosts": "all",
        "gather_facts": False,
        "connection": "local",
        "vars_files": [str(ROOT / "roles" / "codetr_packages" / "vars" / "main.yml")],
        "tasks": [
            {
                "ansible.builtin.copy": answer,
                "when": "__codetr_packages_stage is defined",
            }
        ],
    }
    (folder / "play.json").write_text(json.dumps([play]))
    environment = {**os.environ, "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_PYTHON_INTERPRETER": sys.executable}
    command = [sys.executable, "-m", "ansible", "playbook", "-i", str(folder / "hosts.json"), str(folder / "play.json")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: (folder / f"{name}.txt").read_text() for name, made in hosts.items() if made}


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ({"a": plan("x"), "b": plan("x"), "c": plan("y")}, {"a": "a", "b": "a", "c": "c"}),
        ({"a": plan("x", install=False), "b": plan("x"), "c": plan("x")}, {"a": "b", "b": "b", "c": "b"}),
        ({"a": plan("x", source="prebuilt", build={}), "b": plan("x", source="prebuilt")}, {"a": "b", "b": "b"}),
        ({"a": None, "b": plan("x")}, {"b": "b"}),
        ({"a": plan("x", source="cached"), "b": plan("x", source="cached")}, {"a": "a", "b": "b"}),
    ],
    ids=["the first of those that need the same", "one that has it already", "one that cannot", "one without a plan", "nobody has to"],
)
def test_one_host_compiles_for_all(tmp_path: Path, hosts: dict[str, dict[str, Any] | None], expected: dict[str, str]) -> None:
    assert builders(tmp_path, hosts) == expected
