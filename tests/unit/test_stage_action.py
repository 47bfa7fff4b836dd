"""What codetr_stage hands to a role, where a plan of the whole site is there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.codetr.provision.plugins.action import codetr_stage
from ansible_collections.codetr.provision.plugins.plugin_utils.base import PLAN_VARIABLE
from hostfacts import bare, plan, provisioned

FOLDERS = ["/opt/codetr", "/opt/codetr/receipts"]


class Staging(codetr_stage.ActionModule):
    """The action for one stage, without a connection."""

    def __init__(self, stage: str) -> None:
        self._task = SimpleNamespace(args={"stage": stage})

    def validate_argument_spec(self, argument_spec: Any) -> Any:
        return None, {"fail_on_problems": True}


@pytest.mark.parametrize(
    ("state", "stage", "folders"),
    [(bare, "preflight", FOLDERS), (bare, "miniconda", []), (provisioned, "miniconda", FOLDERS)],
    ids=["the first stage makes them", "they are made", "no stage before has made them"],
)
def test_folders_are_made_by_the_first_stage_that_works(
    state: Any, stage: str, folders: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})
    shared = {"plan": plan(state()), "folders": FOLDERS}
    found = Staging(stage).run(task_vars={PLAN_VARIABLE: shared})
    assert found["folders"] == folders
    assert shared["folders"] == FOLDERS
