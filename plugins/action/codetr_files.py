"""Write many small files to a host in one round trip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.codetr.provision.plugins.module_utils import notebook
from ansible_collections.codetr.provision.plugins.module_utils.files.pack import PackError, pack
from ansible_collections.codetr.provision.plugins.plugin_utils import sources

LISTS = ("roots", "folders", "absent")
KEYS = {"path", "mode", "content", "src", "sha256", "notebook"}
TREE_KEYS = {"path", "mode", "src", "sha256"}


class ActionModule(ActionBase):
    """Reads the sources, packs them, and runs the module once."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the module returns."""
        result = super().run(tmp, task_vars)
        spec: dict[str, Any] = {name: {"type": "list", "elements": "str", "default": []} for name in LISTS}
        spec |= {name: {"type": "list", "elements": "dict", "default": []} for name in ("files", "trees")}
        given = self.validate_argument_spec(argument_spec={**spec, "user": {"type": "str", "default": ""}})[1]
        try:
            packed = pack([read_file(item) for item in given["files"]] + [item for tree in given["trees"] for item in read_tree(tree)])
        except (sources.SourceError, PackError) as error:
            raise AnsibleActionFail(str(error)) from None
        arguments = {**{name: given[name] for name in ("user", *LISTS)}, **packed}
        answer = self._execute_module("codetr.provision.codetr_files", arguments, task_vars=task_vars)
        # It would repeat the archive's manifest in every log.
        answer.pop("invocation", None)
        return {**result, **answer}


def read_file(item: Mapping[str, Any]) -> dict[str, Any]:
    """One file as ``pack`` takes it.

    Raises:
        SourceError: the description is wrong, or the source cannot be read.
    """
    _check_keys(item, KEYS)
    if ("content" in item) == ("src" in item):
        raise sources.SourceError(f"{item['path']}: give either content or src.")
    data = str(item["content"]).encode() if "content" in item else sources.read(item["src"], item.get("sha256", ""))
    if "notebook" in item:
        data = notebook.render(data.decode(), dict(item["notebook"]))[0].encode()
    return {"path": str(item["path"]), "mode": str(item.get("mode", "0644")), "data": data}


def read_tree(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The files of a folder as ``pack`` takes them."""
    _check_keys(item, TREE_KEYS)
    found = sources.tree(item["src"], item.get("sha256", ""))
    return [{"path": f"{item['path']}/{path}", "mode": str(item.get("mode", "0644")), "data": data} for path, data in found.items()]


def _check_keys(item: Mapping[str, Any], known: set[str]) -> None:
    if "path" not in item or set(item) - known:
        raise sources.SourceError(f"A file is described by {', '.join(sorted(known))}, path in any case; not by {', '.join(sorted(item))}.")
