"""The reports of the runs in check mode and of the real ones that followed, stage by stage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

REPORTS = Path(__file__).resolve().parents[3] / "reports" / "up"
ALL = {"preflight", "miniconda", "env", "packages", "repo", "datasets", "workspace"}
# What was taken away in converge.yml.
DAMAGED = {"miniconda", "packages", "datasets", "workspace"}


def changing(name: str) -> set[str]:
    """The stages that a run changed, or in check mode would change."""
    run = json.loads((REPORTS / name / "run.json").read_text())
    (host,) = run["hosts"]
    return {stage["stage"] for stage in host["stages"] if stage["todo"]}


@pytest.mark.parametrize(("state", "expected"), [("bare", ALL), ("finished", set()), ("half", DAMAGED)])
def test_check_mode_foretells_what_the_real_run_changes(state: str, expected: set[str]) -> None:
    assert changing(f"{state}-check") == expected
    assert changing(f"{state}-real") == expected


def test_reports_hold_no_environment() -> None:
    text = (REPORTS / "bare-real" / "run.json").read_text() + (REPORTS / "bare-real" / "index.html").read_text()
    assert "SSH_AUTH_SOCK" not in text
    assert "PATH=" not in text
