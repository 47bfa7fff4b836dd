"""Run the job of the role codetr_datasets as a plain process: fetch, extract, validate, put in place."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "playbooks" / "collections"))

from ansible_collections.codetr.provision.plugins.module_utils.archive import pipeline  # noqa: E402
from ansible_collections.codetr.provision.plugins.module_utils.archive.ahead import POLL_SECONDS, Growing  # noqa: E402
from ansible_collections.codetr.provision.plugins.module_utils.archive.extract import Order, extract  # noqa: E402
from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import links_for, parts_for  # noqa: E402
from ansible_collections.codetr.provision.plugins.module_utils.datasets.run import Options, run, works  # noqa: E402
from ansible_collections.codetr.provision.plugins.module_utils.fetch.aria2 import Transfer  # noqa: E402
from ansible_collections.codetr.provision.plugins.plugin_utils.catalog import layouts  # noqa: E402

PATHS = {"coco-train2017": "zips", "coco-val2017": "zips", "coco-annotations-trainval2017": "annotations"}


def _late(order: Order, growing: Growing | None = None, check: bool = False) -> dict[str, Any]:
    """Extract as the pipeline does, but not from an archive that is still arriving. The next archive is fetched meanwhile."""
    while growing is not None and growing.state()[1] == "running":
        time.sleep(POLL_SECONDS)
    return extract(order, None, check)


def main() -> None:
    """Run it once into an empty folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("archives", type=Path)
    parser.add_argument("url", help="the server's base URL")
    parser.add_argument("--extract-only", action="store_true", help="stop where the guide stops, sha256 and CRCs checked")
    parser.add_argument("--late", action="store_true", help="extract an archive only once it is complete and verified")
    option = parser.parse_args()
    if option.late:
        setattr(pipeline, "extract", _late)  # noqa: B010
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
