"""A data root with tiny archives of the real shape beside it, and the role's steps as calls."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.archive import pipeline
from ansible_collections.codetr.provision.plugins.module_utils.datasets import plan as datasets
from ansible_collections.codetr.provision.plugins.module_utils.datasets import probe as probing
from ansible_collections.codetr.provision.plugins.module_utils.datasets import run as running
from ansible_collections.codetr.provision.plugins.module_utils.datasets.run import Options, run
from ansible_collections.codetr.provision.plugins.module_utils.fetch.aria2 import Transfer
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage
from ansible_collections.codetr.provision.plugins.plugin_utils.catalog import layouts

TRAIN, VAL = [f"{number:012}.jpg" for number in range(100, 120)], [f"{number:012}.jpg" for number in range(500, 510)]
LVIS_TRAIN = [("train2017", name) for name in TRAIN[:12]]
LVIS_VAL = [("train2017", name) for name in TRAIN[12:]] + [("val2017", name) for name in VAL[:6]]


def document(names: list[tuple[str, str]], lvis: bool = False) -> dict[str, Any]:
    images = [
        {"id": int(name[:12]), **({"coco_url": f"http://images.example.org/{folder}/{name}"} if lvis else {"file_name": name})}
        for folder, name in names
    ]
    # The first image has no annotation, the others two.
    annotations = [{"id": 10 * image["id"] + k, "image_id": image["id"], "category_id": 1} for image in images[1:] for k in (0, 1)]
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}


def counts(found: dict[str, Any], prefix: str = "") -> dict[str, int]:
    return {f"{prefix}{key}": len(found[key]) for key in ("images", "annotations")}


class Lab:
    """A data root with the archives beside it, and one call for each step of the role."""

    def __init__(self, base: Path) -> None:
        self.root, self.source = base / "data disk", base / "source"
        self.source.mkdir()
        train, val = document([("", name) for name in TRAIN]), document([("", name) for name in VAL])
        lvis_train, lvis_val = document(LVIS_TRAIN, lvis=True), document(LVIS_VAL, lvis=True)
        self.records: dict[str, dict[str, Any]] = {}
        self.archive("coco-train2017", {f"train2017/{name}": name.encode() * 9 for name in TRAIN}, {"images": len(TRAIN)})
        self.archive("coco-val2017", {f"val2017/{name}": name.encode() * 9 for name in VAL}, {"images": len(VAL)})
        files = {
            f"annotations/{kind}_{split}.json": json.dumps(found).encode()
            for kind in ("instances", "captions") for split, found in (("train2017", train), ("val2017", val))
        }
        self.archive("coco-annotations-trainval2017", files, {**counts(train, "train2017_"), **counts(val, "val2017_")})
        self.archive("lvis-v1-train", {"lvis_v1_train.json": json.dumps(lvis_train).encode()}, counts(lvis_train))
        self.archive("lvis-v1-val", {"lvis_v1_val.json": json.dumps(lvis_val).encode()}, counts(lvis_val))
        self.layouts = layouts()
        self.config: dict[str, Any] = {
            "codetr_datasets_names": ["coco", "lvis"], "codetr_datasets_root": str(self.root), "codetr_datasets_subset": 0,
            "codetr_datasets_keep_archives": False, "codetr_datasets_existing": [], "codetr_datasets_decode": "sample",
        }
        self.system_packages: dict[str, str | None] = {"aria2": "1", "ca-certificates": "1", "python3-pil": "1"}
        # The images are no JPEGs, so nothing decodes them; tests of decoding give one.
        self.decoders: list[str] = []

    def archive(self, name: str, members: dict[str, bytes], found: dict[str, int]) -> None:
        path = self.source / f"{name}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for member, data in members.items():
                archive.writestr(member, data)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        size = path.stat().st_size
        self.records[name] = {"name": name, "urls": [path.as_uri()], "sha256": digest, "size": size, "counts": found, "stand_in": True}

    def state(self) -> dict[str, Any]:
        ctx = self.context()
        host = Host()
        disks = {str(self.root): {"self": host.lstat(str(self.root)), "room": {"read_only": False}}}
        owner = {"name": "me", "uid": os.getuid(), "gid": os.getgid(), "group": "me", "home": "/home/me"}
        seen = probing.probe(host, datasets.ask(self.config, ctx))
        return {"datasets": seen, "system_packages": self.system_packages, "user": {"owner": owner}, "disks": disks, "receipts": {}}

    def context(self) -> Context:
        return Context(prefix="/opt/codetr", user="me", group="me", home="/home/me", stack={"name": "cpu"}, artifacts=self.records,
                       local={"datasets": self.layouts}, earlier={"env": Stage("env", params={"python": "/opt/codetr/env/bin/python"})})

    def plan(self, **config: Any) -> Stage:
        self.config.update({f"codetr_datasets_{key}": value for key, value in config.items()})
        return datasets.plan(self.state(), self.config, self.context())

    def run(self, stage: Stage) -> dict[str, Any]:
        """What the job that tasks/start.yml starts does."""
        assert stage.problems == []
        return run(self.options(stage))

    def options(self, stage: Stage) -> Options:
        """The job's arguments as tasks/start.yml gives them."""
        params = stage.params
        return Options(
            root=params["root"], parts=params["parts"], choice=params["choice"] or None, links=params["links"],
            keep_archives=params["keep_archives"], decode=params["decode"], decoders=self.decoders, transfer=Transfer(),
            progress=params["progress"],
        )

    def extracted(self, stage: Stage) -> None:
        """Only what comes before validating: the job was cut off there."""
        pipeline.run(running.works(self.options(stage), stage.params["parts"]))

    @staticmethod
    def statuses(stage: Stage) -> dict[str, str]:
        """What each part is that is not fine."""
        return {part["name"]: part["status"] for part in stage.params["parts"] if part["status"] != "current"}

    def json(self, path: str) -> dict[str, Any]:
        return json.loads((self.root / path).read_text())
