"""What the workspace puts into the checkout, beside what is somebody's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils import jsonc
from workspace_bench import REPO, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_users_own_data_folder_is_not_touched(bench: Bench) -> None:
    bench.at(REPO + "/data/coco").mkdir(parents=True)
    stage = bench.plan()
    assert stage.params["links"] == []
    assert stage.problems[0]["message"].startswith("/opt/codetr/Co-DETR/data is somebody's own")
    bench.config["codetr_datasets_root"] = REPO + "/data"
    assert bench.plan().problems == []


def test_a_users_own_data_link_is_not_touched_and_ours_follows_the_wish(bench: Bench) -> None:
    bench.at(REPO + "/data").symlink_to("/mnt/mine")
    assert "link of somebody's own to /mnt/mine" in bench.plan().problems[0]["message"]
    bench.at(REPO + "/data").unlink()
    bench.apply()
    bench.config["codetr_datasets_root"] = "/mnt/disk"
    assert bench.plan().after["data"] == "/mnt/disk"
    bench.apply()
    assert bench.plan().action == "keep"
    bench.config["codetr_datasets_root"] = "/mnt/other"
    assert bench.plan().after["data"] == "/mnt/other"


def test_an_entry_of_the_user_stays_and_ours_goes_when_it_is_no_longer_wished(bench: Bench) -> None:
    launch, settings = bench.at(REPO + "/.vscode/launch.json"), bench.at(REPO + "/.vscode/settings.json")
    launch.parent.mkdir()
    theirs = '{\n    "configurations": [\n        {"name": "train"}, // mine\n    ],\n}\n'
    launch.write_text(theirs)
    bench.apply()
    assert "// mine" in launch.read_text()
    bench.config["codetr_workspace_vscode"] = False
    assert bench.plan().action == "update"
    bench.apply()
    assert launch.read_text() == theirs
    assert jsonc.load(settings.read_text()) == {}
    assert bench.plan().action == "keep"


def test_without_a_receipt_nothing_is_taken_away(bench: Bench) -> None:
    bench.apply()
    bench.receipts = {}
    bench.config["codetr_workspace_vscode"] = False
    assert bench.plan().params["vscode"] == []


@pytest.mark.parametrize(("text", "why"), [("{ broken", "line 1"), ("[]", "not an object"), ('{"configurations": 1}', "not a list")])
def test_an_unparsable_file_is_left_alone_and_said(bench: Bench, text: str, why: str) -> None:
    bench.at(REPO + "/.vscode").mkdir()
    bench.at(REPO + "/.vscode/launch.json").write_text(text)
    bench.apply()
    assert bench.at(REPO + "/.vscode/launch.json").read_text() == text
    again = bench.plan()
    assert again.action == "keep"
    assert "launch.json is not JSON with comments and is left alone" in again.warnings[0] and why in again.warnings[0]


def test_an_interpreter_that_the_user_chose_stays(bench: Bench) -> None:
    bench.at(REPO + "/.vscode").mkdir()
    bench.at(REPO + "/.vscode/settings.json").write_text('{"python.defaultInterpreterPath": "/usr/bin/python3"}')
    bench.apply()
    assert bench.at(REPO + "/.vscode/settings.json").read_text() == '{"python.defaultInterpreterPath": "/usr/bin/python3"}'
    assert "names another interpreter (/usr/bin/python3)" in bench.plan().warnings[0]


def test_the_notebook_is_ours_until_a_cell_changes(bench: Bench) -> None:
    bench.apply()
    path = bench.at(REPO + "/codetr_sandbox.ipynb")
    book = json.loads(path.read_text())
    assert book["nbformat"] == 4 and all(cell["outputs"] == [] for cell in book["cells"] if cell["cell_type"] == "code")
    assert "@" not in "".join(book["cells"][1]["source"])
    book["cells"][1]["outputs"], book["cells"][1]["execution_count"] = [{"output_type": "stream", "name": "stdout", "text": "ran"}], 3
    path.write_text(json.dumps(book))
    assert bench.plan().action == "keep"
    bench.config["codetr_workspace_config"] = "/etc/other.py"
    bench.at("/etc").mkdir()
    bench.at("/etc/other.py").write_text("")
    assert bench.plan().before["codetr_sandbox.ipynb"] == "an older one of ours"
    book["cells"][1]["source"] = ["mine = 1"]
    path.write_text(json.dumps(book))
    stage = bench.apply()
    assert "codetr_sandbox.ipynb has cells of somebody's own" in stage.warnings[0]
    assert json.loads(path.read_text()) == book


def test_the_switch_of_the_notebook(bench: Bench) -> None:
    bench.config["codetr_workspace_notebook"] = False
    bench.apply()
    assert not bench.at(REPO + "/codetr_sandbox.ipynb").exists()
    assert "/codetr_sandbox.ipynb" not in bench.at(REPO + "/.git/info/exclude").read_text()
