"""Show what a host has and what a run would do to it."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.plugin_utils import status
from ansible_collections.codetr.provision.plugins.plugin_utils.base import PlanningAction

DOCUMENTATION = r"""
name: codetr_status
short_description: Show what a host has and what a run would do to it
description:
  - Probes and plans as a run would, changes nothing, and does not fail on what it finds.
  - The options C(provision_status_deep) and C(provision_status_capture) say how much it asks and returns.
author: codetr-provision
"""


class ActionModule(PlanningAction):
    """Returns ``lines`` for people, ``status`` for programs, and ``report_dir``, where the option wants them written."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Never changed."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        config = self.config_of(variables)
        deep, capture = config["provision_status_deep"], config["provision_status_capture"]
        planned = self.make_plan(variables, reach=False, deep=deep, capture=capture, with_state=True)
        summary = status.summary(planned["state"], planned["plan"])
        lines = status.lines(summary)
        self._display.display("\n".join(["", str(variables.get("inventory_hostname")), *(f"  {line}" for line in lines), ""]))
        captured = {"capture": planned["capture"]} if capture else {}
        return {**result, "changed": False, "lines": lines, "status": summary, "report_dir": config["provision_report_dir"], **captured}
