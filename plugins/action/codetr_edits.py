"""Apply counted source edits to a checkout, or take them back."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import ActionBase
from ansible_collections.codetr.provision.plugins.plugin_utils import sources


class ActionModule(ActionBase):
    """Reads the list of edits on the controller and hands the module the entries that are named by their paths."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the module returns."""
        result = super().run(tmp, task_vars)
        paths = {"type": "list", "elements": "str", "default": []}
        spec = {
            "repo": {"type": "str", "required": True},
            "user": {"type": "str"},
            "source": {"type": "str", "required": True},
            "sha256": {"type": "str", "default": ""},
            "apply": paths,
            "revert": paths,
        }
        given = self.validate_argument_spec(argument_spec=spec)[1]
        try:
            entries = entries_of(given["source"], given["sha256"])
            chosen = {key: [entries[path] for path in given[key]] for key in ("apply", "revert")}
        except sources.SourceError as error:
            raise AnsibleActionFail(str(error)) from None
        except KeyError as error:
            raise AnsibleActionFail(f"{given['source']} lists no edits of {error.args[0]}.") from None
        arguments = {"repo": given["repo"], "user": given["user"], **chosen}
        answer = self._execute_module("codetr.provision.codetr_edits", arguments, task_vars=task_vars)
        answer.pop("invocation", None)
        return {**result, **answer}


def entries_of(source: str, sha256: str) -> dict[str, dict[str, Any]]:
    """The edited files of all groups of a list, by path.

    Raises:
        SourceError: the list cannot be read, or has another sha256.
    """
    document = yaml_load(sources.read(source, sha256))
    return {entry["path"]: entry for group in document["groups"].values() for entry in group["files"]}
