"""Compare a host with one stage of the plan."""

from __future__ import annotations

from typing import Any

import yaml
from ansible.errors import AnsibleActionFail
from ansible_collections.codetr.provision.plugins.module_utils import planner
from ansible_collections.codetr.provision.plugins.module_utils.stages import STAGES
from ansible_collections.codetr.provision.plugins.plugin_utils.base import PLAN_VARIABLE, PlanningAction, plain, refusal


class ActionModule(PlanningAction):
    """Returns the stage and what the role's tasks need with it."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Changed when the stage has something to do; the difference is what the plan says."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        spec = {"stage": {"type": "str", "required": True, "choices": list(STAGES)}, "fail_on_problems": {"type": "bool", "default": True}}
        refuse = self.validate_argument_spec(argument_spec=spec)[1]["fail_on_problems"]
        name = self._task.args["stage"]
        shared = variables.get(PLAN_VARIABLE)
        alone = not isinstance(shared, dict) or "plan" not in shared
        made: dict[str, Any] = self.make_plan(variables, running=[name]) if alone else dict(shared or {})
        plan = made["plan"]
        # Alone, a role answers for itself and for the host; in the whole site a plan with any problem never gets this far.
        problems = [item for item in plan["problems"] if item["stage"] in (name, *planner.ALWAYS)]
        if problems and refuse:
            raise AnsibleActionFail(refusal(problems))
        stage = plan["stages"][name]
        handed = {key: value for key, value in made.items() if key not in ("plan", "failed", "changed", "invocation")}
        if not alone and name != "preflight" and plan["stages"]["preflight"]["todo"]:
            # The first stage of this run has made them.
            handed["folders"] = []
        result.update(handed, changed=stage["todo"], todo=stage["todo"], stage=stage, stack=plan["stack"])
        # In the whole site codetr_plan has said it already.
        messages = [f"{variables.get('inventory_hostname')}: {text}" for text in (*stage["warnings"], *stage["waits"])] if alone else []
        if messages:
            result["warnings"] = messages
        if stage["todo"]:
            result["diff"] = {
                "before_header": name,
                "after_header": f"{name} ({stage['action']})",
                "before": _text(stage["before"]),
                "after": _text(stage["after"]),
            }
        return result


def _text(value: dict[str, Any]) -> str:
    return str(yaml.safe_dump(plain(value), sort_keys=True, width=200)) if value else ""
