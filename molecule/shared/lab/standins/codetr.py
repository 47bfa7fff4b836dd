"""Repository in the place of Sense-X/Co-DETR, served as plain files over http.

Without a real checkout at hand it is a stand-in: mmdet 2.25.3, which Co-DETR vendors, with places planted where a GPU is
hard-coded and its own list of edits. CODETR_LAB_REPO names a real checkout, bare repository or URL to serve instead.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import yaml

from . import codetr_git, codetr_plant, codetr_sdist, data_cache

UPSTREAMS = [{"name": "co-detr", "url": "https://github.com/Sense-X/Co-DETR"}]
REAL_COMMIT = "26653521e47157fdd819e764b4bb949057ea9f3b"
CONFIG = "configs/deformable_detr/deformable_detr_r50_16x2_50e_coco.py"


def build(www: Path, base_url: str, python310: str | None = None) -> dict[str, Any]:
    """Put the repository at ``www``/git/Co-DETR.git and return the options that point at it.

    The edits of the stand-in lie beside ``www``, in edits/: they are read on the controller and not served.
    """
    del python310
    source = os.environ.get("CODETR_LAB_REPO")
    mirror, bare, url = www.parent, www / "git" / "Co-DETR.git", f"{base_url}/git/Co-DETR.git"
    sources = [Path(module.__file__ or "") for module in (codetr_git, codetr_plant, codetr_sdist)]
    inputs: list[str | Path] = [Path(__file__), *sources, str(www), url, source or "", codetr_git.tips(source) if source else ""]

    def make() -> tuple[dict[str, Any], list[Path]]:
        if source:
            codetr_git.clone(source, bare, REAL_COMMIT)
            return _result({"codetr_repo_url": url}, []), [*codetr_git.served_files(bare)]
        edits = mirror / "edits" / "codetr-stand-in.yml"
        commit = _stand_in(mirror / "cache", bare, edits, url)
        options = {
            "codetr_repo_url": url,
            "codetr_repo_commit": commit,
            "codetr_repo_edits": str(edits.resolve()),
            "codetr_workspace_config": CONFIG,
        }
        return _result(options, ["co-detr"]), [*codetr_git.served_files(bare), edits]

    return data_cache.remembered(mirror / "built" / "codetr.json", inputs, make)


def _result(options: dict[str, str], stand_ins: list[str]) -> dict[str, Any]:
    return {"artifacts": {}, "config": options, "stand_ins": stand_ins}


def _stand_in(cache: Path, bare: Path, edits: Path, url: str) -> str:
    """Build the stand-in's repository and its edits; return the commit id."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = codetr_sdist.source_tree(cache, Path(scratch) / "tree")
        codetr_plant.plant(tree)
        commit = codetr_git.commit_tree(tree, bare, codetr_sdist.NOTE)
        document = codetr_plant.edits_document(tree, url, commit)
    edits.parent.mkdir(parents=True, exist_ok=True)
    edits.write_text("# Written by the test lab for its stand-in of Co-DETR.\n" + yaml.safe_dump(document, sort_keys=False, width=140))
    return commit
