"""Check every variable of ours before any host is touched."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.plugin_utils.base import PlanningAction

DOCUMENTATION = r"""
name: codetr_validate
short_description: Check every variable of ours before any host is touched
description: Runs on the controller only. Fails with every wrong variable of the host at once.
author: codetr-provision
"""


class ActionModule(PlanningAction):
    """Coerces the config and makes no connection."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Never changed; fails with all that is wrong."""
        result = super().run(tmp, task_vars)
        self.config_of(task_vars or {})
        return {**result, "changed": False}
