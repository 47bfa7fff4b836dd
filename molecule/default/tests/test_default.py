"""The whole site as its user finds it: everything below one prefix, a receipt of each stage, and proof that it trains."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

PREFIX = "/opt/codetr"
REPORT = Path(__file__).parents[3] / "reports" / "default"
STAGES = ("preflight", "miniconda", "env", "packages", "repo", "datasets", "workspace")


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    """What verify.yml brought to the controller."""
    return dict(json.loads((REPORT / "verify.json").read_text()))


def test_each_stage_has_a_receipt_and_none_is_half_done(host: Host) -> None:
    assert host.file(f"{PREFIX}/receipts").listdir() == sorted([*(f"{stage}.json" for stage in STAGES), "sbom.cdx.json"])
    for stage in STAGES:
        assert json.loads(host.file(f"{PREFIX}/receipts/{stage}.json").content_string)["stage"] == stage


def test_the_result_here_is_the_one_of_the_host(host: Host) -> None:
    assert (
        hashlib.sha256((REPORT / "verify.json").read_bytes()).hexdigest()
        == host.file(f"{PREFIX}/workspace/verify-results/verify.json").sha256sum
    )


def test_verify_passed_and_trained(result: dict[str, Any]) -> None:
    assert (result["finished"], result["passed"], result["host"], result["stack"]) == (True, True, "default", "cpu")
    assert (result["level_passed"], result["levels"]["train"], result["levels"]["speed"]) == ("train", "passed", "not requested")
    # mmcv-full 1.6.0 has this one for GPUs only.
    assert [check["name"] for check in result["checks"] if check["status"] != "ok"] == ["op sigmoid_focal_loss"]
    assert len(result["losses"]) > 0


def test_images_are_fetched(result: dict[str, Any]) -> None:
    assert result["images"]
    for image in result["images"]:
        assert (REPORT / image["file"]).read_bytes()[:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0")


def test_stand_ins_are_named_where_the_lab_used_any(lab: dict[str, Any], result: dict[str, Any]) -> None:
    # An older Miniconda is for another scenario; drivers, toolkits and stack cu113 are for hosts with a GPU, which this one has not.
    others = ("nvidia-driver-", "cuda-", "torch", "mmcv-full-", "pytorch")
    used = {
        name
        for name, record in lab["provision_artifacts"].items()
        if record.get("stand_in") and "25.3.1" not in name and not name.startswith(others)
    }
    assert used
    assert not [name for name in result["stand_ins"] if name.startswith(others)]
    assert used <= set(result["stand_ins"])
    assert result["stand_in"] is bool(result["stand_ins"])


def test_the_training_command_is_the_guides(host: Host) -> None:
    done = host.run(f"{PREFIX}/workspace/bin/train --print-command --work-dir my_exp1")
    assert done.rc == 0
    assert f"cd {PREFIX}/Co-DETR && env " in done.stdout
    assert f"{PREFIX}/miniconda3/envs/codetr/bin/python" in done.stdout
    assert done.stdout.rstrip().endswith("--work-dir my_exp1")


def test_everything_is_below_one_prefix_and_belongs_to_who_logs_in(host: Host) -> None:
    assert host.check_output(f"find {PREFIX} ! -user lab -print") == ""
    assert host.file("/opt").listdir() == ["codetr"]
    assert host.file("/srv").listdir() == []
    assert set(host.file("/usr/local/bin").listdir()) == set()


def test_the_users_shell_and_home_are_as_they_were(host: Host) -> None:
    assert host.check_output("find /home/lab -maxdepth 1 -name '.*rc' -o -maxdepth 1 -name '.*profile'") == ""
    assert host.run("bash -ic 'conda --version'").rc == 127
