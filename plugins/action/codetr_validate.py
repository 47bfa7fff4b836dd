"""Validate every option before any host is touched."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.plugin_utils import options
from ansible_collections.codetr.provision.plugins.plugin_utils.base import PlanningAction


class ActionModule(PlanningAction):
    """Coerces the options and makes no connection."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Never changed; fails with all that is wrong."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        config = self.config_of(variables)
        # Without the host's name: Ansible prints equal warnings of several hosts once.
        warnings = [
            f"{name} is no option of this collection and has no effect on it. Did you mean {meant}? "
            f"(If it is your own, add it to {options.IGNORE_OPTION}.)"
            for name, meant in options.near_misses(variables, config[options.IGNORE_OPTION]).items()
        ]
        return {**result, "changed": False, **({"warnings": warnings} if warnings else {})}
