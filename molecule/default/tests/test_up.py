"""The reports of `codetr-provision up`: what check mode predicted, and what the real runs that followed changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from testinfra.host import Host

REPORTS = Path(__file__).resolve().parents[3] / "reports" / "up"
ALL = {"preflight", "miniconda", "env", "packages", "repo", "datasets", "workspace"}
# half.yml removes something of each.
DAMAGED = {"miniconda", "packages", "datasets", "workspace"}


def changing(name: str) -> set[str]:
    """Return the stages that a run changed, or in check mode would change."""
    run = json.loads((REPORTS / name / "run.json").read_text())
    (host,) = run["hosts"]
    return {stage["stage"] for stage in host["stages"] if stage["todo"]}


@pytest.mark.parametrize(
    ("run", "expected"), [("bare-check", ALL), ("finished-check", set()), ("half-check", DAMAGED), ("half-real", DAMAGED)]
)
def test_check_mode_predicts_what_the_real_run_changes(run: str, expected: set[str]) -> None:
    assert changing(run) == expected


def test_the_first_real_run_changed_every_stage(host: Host) -> None:
    # A stage that changes nothing writes no receipt; what the second real run repaired has one of its own.
    receipts = {stage: json.loads(host.file(f"/opt/codetr/receipts/{stage}.json").content_string) for stage in ALL - DAMAGED}
    assert [stage for stage, receipt in receipts.items() if receipt["action"] == "keep"] == []


def test_reports_contain_no_environment() -> None:
    text = (REPORTS / "half-real" / "run.json").read_text() + (REPORTS / "half-real" / "index.html").read_text()
    assert "SSH_AUTH_SOCK" not in text
    assert "PATH=" not in text
