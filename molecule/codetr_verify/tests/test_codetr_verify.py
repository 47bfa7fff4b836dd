"""What comes back from a host that lacks torch: the result, the check that failed, and what to do about it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

OUT = "/srv/codetr/workspace/verify-results"


@pytest.fixture(scope="module")
def reports() -> Path:
    """Where the role writes on the controller."""
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "reports"


@pytest.fixture(scope="module")
def result(reports: Path) -> dict[str, Any]:
    """The fetched verify.json."""
    return dict(json.loads((reports / "codetr-verify" / "verify.json").read_text()))


def test_the_result_is_the_one_of_the_host(host: Host, result: dict[str, Any]) -> None:
    assert json.loads(host.file(f"{OUT}/verify.json").content_string) == result
    assert (result["host"], result["stack"], result["level"], result["finished"]) == ("codetr-verify", "cpu", "versions", True)
    assert (result["passed"], result["level_passed"]) == (False, None)


def test_the_failed_check_says_what_is_wrong_and_what_to_do(result: dict[str, Any]) -> None:
    check = result["checks"][0]
    assert (check["name"], check["status"]) == ("versions", "FAIL")
    assert "torch cannot be imported: ModuleNotFoundError" in check["detail"]
    assert check["message"] and "site.yml" in check["fix"]


def test_the_role_fails_with_that_check(reports: Path, result: dict[str, Any]) -> None:
    failure = json.loads((reports / "failure.json").read_text())
    assert failure["task"] == "Fail on checks that failed"
    failed = [item["msg"] for item in failure["result"]["results"] if item.get("failed")]
    assert failed[0] == "\n".join([result["checks"][0]["detail"], result["checks"][0]["message"], f"Fix: {result['checks'][0]['fix']}"])


def test_verify_ran_as_the_user(host: Host) -> None:
    owner = host.file("/srv/codetr/workspace/verify").user
    assert owner != "root"
    for name in ("verify.json", "terminal.log", "libraries.log"):
        assert host.file(f"{OUT}/{name}").user == owner
