"""What the options of verify and status change: the command that the role starts, and what the status plugin asks and returns."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import ActionBase
from ansible.template import Templar
from ansible_collections.codetr.provision.plugins.action import codetr_status
from ansible_collections.codetr.provision.plugins.plugin_utils import options, status

ROLE = Path(__file__).resolve().parents[2] / "roles" / "codetr_verify"
PARAMS = {
    "python": "/p/env/bin/python", "repo": "/p/Co-DETR", "config": "c.py", "data": "/p/data", "verify_out": "/p/out",
    "expect": {"torch": "1.11"}, "stand_ins": ["coco"],
}  # fmt: skip


def command(**given: Any) -> list[str]:
    """The command line of verify."""
    block = next(task for task in yaml.safe_load((ROLE / "tasks" / "run.yml").read_text()) if "block" in task)
    argv = block["block"][0]["codetr.provision.codetr_command"]["argv"]
    variables = {
        "inventory_hostname": "gpu-1", "__codetr_verify_params": PARAMS, "__codetr_verify_stage": {"stack": "cpu"},
        "__codetr_verify_options": options.coerce(given),
    }  # fmt: skip
    try:
        from ansible.template import trust_as_template

        argv = trust_as_template(argv)
    except ImportError:
        pass
    return list(Templar(loader=DataLoader(), variables=variables).template(argv))


def test_the_command_without_options() -> None:
    assert " ".join(command()) == (
        "/p/env/bin/python -B -m verify --host gpu-1 --stack cpu --repo /p/Co-DETR --config c.py --data /p/data --out /p/out "
        "--allow-random-backbone --exit-zero --level train --gpus 1 --expect=torch=1.11 --stand-in=coco"
    )


@pytest.mark.parametrize(("given", "argument"), [
    ({"codetr_verify_level": "ops"}, "--level ops"),
    ({"codetr_verify_gpus": "2"}, "--gpus 2"),
    ({"codetr_verify_scale": 0}, "--scale 0"),
])
def test_an_option_reaches_the_command(given: dict[str, Any], argument: str) -> None:
    assert argument in " ".join(command(**given))
    assert argument not in " ".join(command())


class Status(codetr_status.ActionModule):
    """The action with a host whose plan is known."""

    def __init__(self) -> None:
        self._templar = SimpleNamespace(template=lambda value: value)
        self._display = SimpleNamespace(display=lambda text: None)
        self.asked: dict[str, Any] = {}

    def make_plan(self, task_vars: dict[str, Any], **asked: Any) -> dict[str, Any]:  # type: ignore[override]
        self.asked = asked
        return {"state": {}, "plan": {}, "capture": "everything"}


@pytest.mark.parametrize(("given", "deep", "capture"), [
    ({}, False, False), ({"provision_status_deep": "true"}, True, False), ({"provision_status_capture": "yes"}, False, True),
])
def test_the_options_of_status(monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], deep: bool, capture: bool) -> None:
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})
    monkeypatch.setattr(status, "summary", lambda state, plan: {})
    monkeypatch.setattr(status, "lines", lambda summary: ["line"])
    action = Status()
    got = action.run(task_vars={"inventory_hostname": "gpu-1", "provision_report_dir": "/tmp/r", **given})
    assert (action.asked["deep"], action.asked["capture"], "capture" in got, got["report_dir"]) == (deep, capture, capture, "/tmp/r")


def test_reports_go_where_the_option_says() -> None:
    text = (ROLE / "tasks" / "main.yml").read_text()
    assert "config.provision_report_dir | default(playbook_dir ~ '/../reports', true)" in text
