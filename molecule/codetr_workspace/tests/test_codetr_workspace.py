"""What a user finds after the role has run; the user's own things are as they were."""

from __future__ import annotations

import json
from typing import Any

import pytest

PREFIX = "/srv/codetr"
REPO = f"{PREFIX}/Co-DETR"
GUIDE = {
    "LOCAL_RANK": "0",
    "RANK": "0",
    "GROUP_RANK": "0",
    "ROLE_RANK": "0",
    "ROLE_NAME": "default",
    "LOCAL_WORLD_SIZE": "1",
    "WORLD_SIZE": "1",
    "GROUP_WORLD_SIZE": "1",
    "ROLE_WORLD_SIZE": "1",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}


def test_a_shell_that_sources_the_file_has_the_eleven_variables(host: Any) -> None:
    shown = host.check_output(f"bash -c 'set -a; . {PREFIX}/workspace/codetr.env; env'")
    found = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    assert {name: found.get(name) for name in GUIDE} == GUIDE
    assert found["TORCH_HOME"] == f"{PREFIX}/torch-home"


def test_the_wrapper_shows_the_guides_command_and_says_that_there_is_no_gpu(host: Any) -> None:
    done = host.run(f"{PREFIX}/workspace/bin/train --print-command --work-dir my_exp1")
    assert done.rc == 0
    assert "--launcher none" in done.stderr and "no GPU" in done.stderr
    config = "projects/configs/co_deformable_detr/co_deformable_detr_r50_1x_coco.py"
    assert done.stdout.rstrip().endswith(f"tools/train.py {config} --launcher none --work-dir my_exp1")
    assert f"cd {REPO} && env LOCAL_RANK=0 RANK=0 " in done.stdout


def test_our_entry_stands_after_the_users_and_every_other_byte_is_kept(host: Any) -> None:
    text = host.file(f"{REPO}/.vscode/launch.json").content_string
    theirs = '{\n    // mine, with a comma too many\n    "configurations": [\n        {"name": "train",},\n'
    assert text.startswith(theirs + '        {\n            "name": "codetr: train",\n')
    assert text.rstrip().endswith("\n        },\n    ],\n}")
    assert text.count('"codetr: train"') == 1


def test_vs_code_is_told_the_interpreter(host: Any) -> None:
    settings = json.loads(host.file(f"{REPO}/.vscode/settings.json").content_string)
    assert settings["python.defaultInterpreterPath"].startswith(PREFIX)


def test_the_notebook_is_one_and_has_not_run(host: Any) -> None:
    book = json.loads(host.file(f"{REPO}/codetr_sandbox.ipynb").content_string)
    assert book["nbformat"] == 4
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert len(code) >= 5
    for cell in code:
        assert cell["outputs"] == [] and cell["execution_count"] is None
        compile("".join(cell["source"]), "cell", "exec")


def test_the_weights_are_those_of_the_record(host: Any, lab: dict[str, Any]) -> None:
    record = lab.get("provision_artifacts", {}).get("resnet50-0676ba61", {})
    wanted = record.get("sha256", "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a")
    assert host.file(f"{PREFIX}/torch-home/hub/checkpoints/resnet50-0676ba61.pth").sha256sum == wanted


@pytest.mark.parametrize(("link", "target"), [("data", f"{PREFIX}/data"), ("models/swin_tiny_patch4_window7_224.pth", "/srv/swin.pth")])
def test_a_link_leads_where_it_should(host: Any, link: str, target: str) -> None:
    assert host.check_output(f"readlink {REPO}/{link}") == target


def test_git_sees_none_of_our_files(host: Any) -> None:
    shown = host.check_output(f"git -c safe.directory='*' -C {REPO} status --porcelain --untracked-files=all")
    assert shown.split() == ["??", "projects/configs/co_deformable_detr/co_deformable_detr_r50_1x_coco.py"]


def test_everything_belongs_to_the_user(host: Any) -> None:
    assert host.check_output(f"find {PREFIX} ! -user lab -print") == ""


def test_the_receipt_says_what_the_next_run_needs(host: Any) -> None:
    receipt = json.loads(host.file(f"{PREFIX}/receipts/workspace.json").content_string)
    assert receipt["remember"]["vscode"] is True
    assert receipt["remember"]["data"] == f"{PREFIX}/data"
