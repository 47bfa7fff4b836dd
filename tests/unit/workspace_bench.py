"""A host in a folder, for tests of the workspace's plan."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.codetr.provision.plugins.action import codetr_files
from ansible_collections.codetr.provision.plugins.module_utils import jsonc
from ansible_collections.codetr.provision.plugins.module_utils.files.pack import pack
from ansible_collections.codetr.provision.plugins.module_utils.files.place import place, unpack
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage
from ansible_collections.codetr.provision.plugins.module_utils.workspace import plan as workspace
from ansible_collections.codetr.provision.plugins.module_utils.workspace import probe
from ansible_collections.codetr.provision.plugins.plugin_utils import catalog

ROLE = Path(__file__).parents[2] / "roles" / "codetr_workspace"
DEFAULTS = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
RECORDS = {
    name: {**record, "name": name, "sha256": hashlib.sha256(b"weights").hexdigest(), "size": 7}
    for name, record in yaml.safe_load((ROLE / "files" / "artifacts.yml").read_text()).items()
}
UID = 1000


# What other roles' variables say, as far as the workspace looks at them.
OTHERS = {
    "codetr_datasets_names": ["coco", "lvis"],
    "codetr_env_manager": "conda",
    "miniconda_channels": ["conda-forge"],
    "miniconda_distribution": "miniconda3",
    "miniconda_version": "py310_24.11.1-0",
}


class Bench:
    """A host in a folder: plan it, carry the plan out, look at it."""

    def __init__(self, root: Path, **config: Any) -> None:
        self.root = root
        self.config = {**DEFAULTS, "codetr_repo_dest": "", "codetr_datasets_root": "", **OTHERS, **config}
        self.receipts: dict[str, Any] = {}
        self.compute = "cpu"
        self.records = RECORDS
        self.repo_todo = False
        training = self.at("/opt/codetr/Co-DETR/" + DEFAULTS["codetr_workspace_config"])
        training.parent.mkdir(parents=True)
        training.write_text("pretrained = None\n")
        self.at("/opt/codetr/Co-DETR/.git/info").mkdir(parents=True)

    def at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def context(self) -> Context:
        earlier = {
            "env": Stage("env", params={"python": "/opt/codetr/env/bin/python"}),
            "packages": Stage("packages"),
            "repo": Stage("repo", action="clone" if self.repo_todo else "keep"),
        }
        stack = {
            "name": self.compute,
            "compute": self.compute,
            "expect": {"torch": "1.11.0"},
            "environment": {"CUDA_VISIBLE_DEVICES": ""} if self.compute == "cpu" else {},
        }
        return Context(
            prefix="/opt/codetr",
            user="me",
            group="me",
            home="/home/me",
            stack=stack,
            artifacts=self.records,
            earlier=earlier,
            local={"workspace": catalog.workspace(), "datasets": catalog.layouts()},
        )

    def state(self) -> dict[str, Any]:
        state = probe.probe(Host(str(self.root)), workspace.ask(self.config, self.context()))
        for part in ("files", "trees", "folders", "links"):
            for found in state[part].values():
                if found:
                    found["uid"] = UID
        return {"workspace": state, "user": {"owner": {"uid": UID}}, "system_packages": {"aria2": None}, "receipts": self.receipts}

    def plan(self) -> Stage:
        return workspace.plan(self.state(), self.config, self.context())

    def apply(self) -> Stage:
        """What the role's tasks do."""
        stage = self.plan()
        assert not stage.problems
        packed = pack([codetr_files.read_file(item) for item in stage.params["files"]] + [
            item for tree in stage.params["trees"] for item in codetr_files.read_tree(tree)
        ])  # fmt: skip
        entries = [{**entry, "path": str(self.at(entry["path"]))} for entry in unpack(**packed)]
        roots, folders, stale = ([str(self.at(path)) for path in stage.params[name]] for name in ("roots", "folders", "stale"))
        place(roots, folders, entries, stale, check_mode=False, with_diff=False)
        for item in stage.params["weights"]:
            self.at(item["dest"]).write_bytes(b"weights")
        for item in stage.params["links"]:
            self.at(item["path"]).parent.mkdir(exist_ok=True)
            self.at(item["path"]).unlink(missing_ok=True)
            self.at(item["path"]).symlink_to(item["target"])
        for item in stage.params["vscode"]:
            self.edit(item)
        if stage.params["exclude"]:
            block = [probe.EXCLUDE_BEGIN, *stage.params["exclude"]["block"].splitlines(), probe.EXCLUDE_END]
            self.at(stage.params["exclude"]["path"]).write_text("\n".join(block) + "\n")
        self.receipts = {"workspace": {"remember": stage.remember}}
        return stage

    def edit(self, item: dict[str, Any]) -> None:
        path = self.at(item["path"])
        path.parent.mkdir(exist_ok=True)
        text = path.read_text() if path.exists() else ""
        if "key" in item:
            edits = jsonc.set_key(text, item["key"], item["value"]) if item["state"] == "present" else jsonc.remove_key(text, item["key"])
        elif item["state"] == "present":
            edits = jsonc.set_entry(text, item["list_key"], item["match"], item["value"])
        else:
            edits = jsonc.remove_entry(text, item["list_key"], item["match"])
        path.write_text(jsonc.apply(text, edits))


REPO = "/opt/codetr/Co-DETR"
HOME = "/opt/codetr/workspace"
