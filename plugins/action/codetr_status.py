"""Say what a host is and what a run would do to it."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.plugin_utils import status
from ansible_collections.codetr.provision.plugins.plugin_utils.base import PlanningAction

DOCUMENTATION = r"""
name: codetr_status
short_description: Say what a host is and what a run would do to it
description: Probes and plans as a run would, changes nothing, and does not fail on what it finds.
options:
  deep:
    description: Start nvidia-smi and ask the driver's library, too.
    type: bool
    default: false
  capture:
    description: Return everything that was looked at, so that the host can be replayed elsewhere.
    type: bool
    default: false
author: codetr-provision
"""


class ActionModule(PlanningAction):
    """Returns ``lines`` for people and ``status`` for programs."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Never changed."""
        result = super().run(tmp, task_vars)
        flag = {"type": "bool", "default": False}
        asked = self.validate_argument_spec(argument_spec={"deep": flag, "capture": flag})[1]
        made = self.make_plan(task_vars or {}, reach=False, deep=asked["deep"], capture=asked["capture"], with_state=True)
        told = status.summary(made["state"], made["plan"])
        more = {"capture": made["capture"]} if asked["capture"] else {}
        shown = status.lines(told)
        self._display.display("\n".join(["", str((task_vars or {}).get("inventory_hostname")), *(f"  {line}" for line in shown), ""]))
        return {**result, "changed": False, "lines": shown, "status": told, **more}
