"""Read a stage back after its role has worked, and write its receipt."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.codetr.provision.plugins.plugin_utils.base import PlanningAction


class ActionModule(PlanningAction):
    """Probes again, compares, and only then writes the receipt."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Changed, because a receipt is written; roles call this only after they did something."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        spec = {
            "stage": {"type": "str", "required": True},
            "plan": {"type": "dict", "required": True},
            "remember": {"type": "dict"},
            "restarted": {"type": "bool", "default": False},
        }
        self.validate_argument_spec(argument_spec=spec)
        name, plan = self._task.args["stage"], self._task.args["plan"]
        stage = plan["stage"]
        before = plan["receipt_before"].get(name) or {}
        receipt = {
            "schema": 1,
            "stage": name,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "action": stage["action"],
            "version": stage["version"],
            "stand_in": stage["stand_in"],
            "remember": {**stage["remember"], **(self._task.args.get("remember") or {})},
            "system_packages": sorted({*before.get("system_packages", []), *stage["system_packages"]}),
        }
        fresh = self.make_plan(variables, owner=plan["user"], reach=False, confirmed=receipt)["plan"]
        now = fresh["stages"][name]
        problems = [item["message"] for item in fresh["problems"] if item["stage"] == name]
        if now["action"] == "restart" and not problems and not self._task.args.get("restarted"):
            return {**result, "changed": False, "restart": True}
        if now["todo"] or problems:
            raise AnsibleActionFail(
                f"Stage {name} has run, and the host still differs: {now['action']}, {now['reason']}. {' '.join(problems)}".strip()
            )
        args = {"stage": name, "folder": plan["receipts"], "user": plan["user"], "receipt": receipt}
        answer = self._execute_module("codetr.provision.codetr_receipt", args, task_vars=variables)
        if answer.get("failed"):
            raise AnsibleActionFail(f"The receipt of stage {name} could not be written: {answer.get('msg', answer)}")
        messages = [f"{variables.get('inventory_hostname')}: {text}" for text in now["waits"]]
        if messages:
            result["warnings"] = messages
        return {**result, "changed": True, "restart": False, "confirmed": name, "receipt": receipt}
