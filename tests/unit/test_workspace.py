"""The plan of the workspace, on hosts that a table describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.codetr.provision.plugins.module_utils import jsonc
from workspace_bench import DEFAULTS, HOME, RECORDS, REPO, ROLE, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_bare_host_gets_everything_and_then_keeps_it(bench: Bench) -> None:
    first = bench.apply()
    assert first.action == "install"
    assert first.system_packages == ["aria2"]
    assert first.needs[0]["url"].endswith("/resnet50-0676ba61.pth")
    again = bench.plan()
    assert (again.action, again.after, again.system_packages, again.problems, again.warnings) == ("keep", {}, [], [], [])
    assert again.params["python"] == "/opt/codetr/env/bin/python"


def test_the_environment_file_has_the_guides_eleven_variables(bench: Bench) -> None:
    bench.config["codetr_workspace_master_port"] = 29501
    bench.apply()
    lines = dict(line.split("=", 1) for line in bench.at(HOME + "/codetr.env").read_text().splitlines() if not line.startswith("#"))
    assert {key: lines[key] for key in list(lines)[:11]} == {
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
        "MASTER_PORT": "29501",
    }
    assert lines["TORCH_HOME"] == "/opt/codetr/torch-home"
    assert lines["CUDA_VISIBLE_DEVICES"] == ""


@pytest.mark.parametrize(("compute", "launcher"), [("cpu", "none"), ("cuda", "pytorch")])
def test_the_debugger_gets_the_launcher_that_the_stack_can_run(bench: Bench, compute: str, launcher: str) -> None:
    bench.compute = compute
    bench.apply()
    entry = jsonc.load(bench.at(REPO + "/.vscode/launch.json").read_text())["configurations"][0]
    assert entry["args"][1:3] == ["--launcher", launcher]
    assert (entry["type"], entry["program"], entry["console"], entry["justMyCode"]) == (
        "debugpy",
        "tools/train.py",
        "integratedTerminal",
        False,
    )
    assert entry["env"]["MASTER_PORT"] == "29500"


def test_a_changed_file_and_one_too_many_are_put_right(bench: Bench) -> None:
    bench.apply()
    bench.at(HOME + "/bin/train").write_text("#!/bin/sh\n")
    bench.at(HOME + "/verify/old.py").write_text("")
    (bench.at(HOME + "/verify") / "__pycache__").mkdir()
    (bench.at(HOME + "/verify") / "__pycache__" / "x.pyc").write_text("")
    bench.at(HOME + "/bin/verify").chmod(0o700)
    stage = bench.plan()
    assert stage.action == "update"
    assert set(stage.after) == {"bin/train", "bin/verify", "verify/old.py"}
    bench.apply()
    assert bench.plan().action == "keep"


def test_weights_with_another_hash_are_fetched_again_and_a_stand_in_is_marked(bench: Bench) -> None:
    bench.apply()
    bench.at("/opt/codetr/torch-home/hub/checkpoints/resnet50-0676ba61.pth").write_bytes(b"weightz")
    assert bench.plan().params["weights"][0]["dest"].endswith("/resnet50-0676ba61.pth")
    bench.records = {name: {**record, "stand_in": True} for name, record in RECORDS.items()}
    stage = bench.plan()
    assert stage.stand_in
    assert stage.params["stand_ins"] == ["resnet50-0676ba61"]
    bench.config["codetr_workspace_weights"] = []
    assert bench.plan().params["weights"] == []


def test_a_backbone_is_linked_where_the_config_looks(bench: Bench) -> None:
    config = bench.at(f"{REPO}/{DEFAULTS['codetr_workspace_config']}")
    config.write_text("pretrained = 'models/swin_tiny_patch4_window7_224.pth'\n")
    assert "loads models/swin_tiny_patch4_window7_224.pth, which does not exist" in bench.plan().warnings[0]
    bench.config["codetr_workspace_backbones"] = {"swin_tiny_patch4_window7_224.pth": "/mnt/swin.pth"}
    assert "/mnt/swin.pth is not on the host" in bench.plan().problems[0]["message"]
    bench.at("/mnt").mkdir()
    bench.at("/mnt/swin.pth").write_text("")
    stage = bench.apply()
    assert stage.warnings == []
    assert bench.at(REPO + "/models/swin_tiny_patch4_window7_224.pth").readlink() == Path("/mnt/swin.pth")
    assert bench.plan().params["links"] == []


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({"codetr_workspace_config": "configs/none.py"}, "There is no config configs/none.py"),
        ({"codetr_workspace_master_port": 0}, "codetr_workspace_master_port is 0"),
        ({"codetr_workspace_weights": ["vgg"]}, "there is no record 'vgg'"),
        ({"codetr_workspace_work_dir": "it's"}, "The value of CODETR_WORK_DIR"),
        ({"codetr_workspace_backbones": {"../x.pth": "/a"}}, "'../x.pth': '/a' is not a file name"),
        ({"codetr_workspace_backbones": {"x.pth": "a"}}, "'x.pth': 'a' is not a file name with an absolute path"),
    ],
)
def test_a_wish_that_cannot_be_met_is_a_problem_with_a_fix(bench: Bench, config: dict[str, Any], what: str) -> None:
    bench.config.update(config)
    problems = bench.plan().problems
    assert [what in item["message"] for item in problems] == [True]
    assert problems[0]["fix"].endswith(".")


def test_a_config_is_not_missed_before_the_checkout_is_made(bench: Bench) -> None:
    bench.config["codetr_workspace_config"], bench.repo_todo = "configs/later.py", True
    assert bench.plan().problems == []


def test_a_record_without_a_hash_is_refused(bench: Bench) -> None:
    bench.records = {name: {**record, "sha256": None} for name, record in RECORDS.items()}
    assert "has no sha256" in bench.plan().problems[0]["message"]


def test_defaults_and_specification_agree() -> None:
    options = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert {name: option["default"] for name, option in options.items()} == DEFAULTS
