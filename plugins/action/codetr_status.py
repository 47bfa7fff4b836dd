"""Show what a host has and what a run would do to it."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.plugin_utils import status
from ansible_collections.codetr.provision.plugins.plugin_utils.base import PlanningAction


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
