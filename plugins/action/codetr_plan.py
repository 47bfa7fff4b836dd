"""Probe a host and plan what is to be done."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.codetr.provision.plugins.module_utils import planner
from ansible_collections.codetr.provision.plugins.module_utils.stages import STAGES
from ansible_collections.codetr.provision.plugins.plugin_utils.base import PlanningAction, refusal


class ActionModule(PlanningAction):
    """Returns the plan and what roles need with it."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Never changed."""
        result = super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec={"finished": {"type": "bool", "default": False}})
        running = [stage for stage in STAGES if self._runs(stage, task_vars or {})]
        made = self.make_plan(task_vars or {}, reach=not self._task.args.get("finished"), running=running)
        plan = made["plan"]
        problems = [item for item in plan["problems"] if item["stage"] in (*running, *planner.ALWAYS)]
        if problems:
            raise AnsibleActionFail(refusal(problems), result={**result, "problems": problems})
        left = [f"{name}: {stage['action']}, {stage['reason']}" for name, stage in plan["stages"].items() if stage["todo"]]
        if self._task.args.get("finished") and left:
            raise AnsibleActionFail(
                "The run ended, and the host still differs from the plan: " + "; ".join(left) + ". Run again with -v and report this."
            )
        messages = [f"{(task_vars or {}).get('inventory_hostname')}: {text}" for text in (*plan["warnings"], *plan["waits"])]
        return {**result, "changed": False, **made, **({"warnings": messages} if messages else {})}

    def _runs(self, stage: str, task_vars: dict[str, Any]) -> bool:
        """Whether a stage is one that this run will carry out, by its tags; the host itself always counts."""
        asked = set(task_vars.get("ansible_run_tags") or ["all"])
        skipped = set(task_vars.get("ansible_skip_tags") or [])
        return stage in planner.ALWAYS or (stage not in skipped and bool(asked & {"all", "always", "tagged", stage}))
