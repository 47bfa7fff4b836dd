"""Run the job of the role codetr_datasets as a plain process: fetch, extract, validate, put in place."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "playbooks" / "collections"))

from ansible_collections.codetr.provision.plugins.module_utils.archive import pipeline  # noqa: E402
from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import links_for, parts_for  # noqa: E402
from ansible_collections.codetr.provision.plugins.module_utils.datasets.run import Options, run, works  # noqa: E402
from ansible_collections.codetr.provision.plugins.module_utils.fetch.aria2 import Transfer  # noqa: E402
from ansible_collections.codetr.provision.plugins.plugin_utils.catalog import layouts  # noqa: E402

PATHS = {"coco-train2017": "zips", "coco-val2017": "zips", "coco-annotations-trainval2017": "annotations"}


def main() -> None:
    """Run it once into an empty folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("archives", type=Path)
    parser.add_argument("url", help="the server's base URL")
    parser.add_argument("--extract-only", action="store_true", help="stop where the guide stops, sha256 and CRCs checked")
    option = parser.parse_args()
    records = json.loads((option.archives / "records.json").read_text())
    parts = []
    for part in parts_for(layouts(), ["coco", "lvis"]):
        record = records[part.name]
        parts.append({
            "name": part.name, "kind": part.kind, "path": part.path, "below": part.below, "strip": part.strip,
            "required": list(part.required), "status": "missing", "source": {}, "sha256": record["sha256"], "size": record["size"],
            "urls": [f"{option.url}/{PATHS.get(part.name, 'LVIS')}/{record['file']}"], "counts": record["counts"], "stand_in": True,
        })
    root = str(option.folder / "data")
    whole = Options(
        root=root, parts=parts, choice=None, links=links_for(layouts(), ["lvis"]), keep_archives=False, decode="sample",
        decoders=[sys.executable], transfer=Transfer(), progress=f"{root}/.codetr/progress",
    )
    if not option.extract_only:
        run(whole)
        return
    pipeline.run([replace(work, then=None) for work in works(whole, parts)])


if __name__ == "__main__":
    main()
