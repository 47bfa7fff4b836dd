"""The list of edits for the real Co-DETR: its form, and that the group `device` only names another device."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from lab.standins import codetr

ROOT = Path(__file__).parents[2]
REAL_EDITS = ROOT / "roles" / "codetr_repo" / "files" / "edits" / "sense-x-co-detr-26653521.yml"
GPU_BY_NAME = re.compile(r"\.cuda\(\)|\.to\('cuda'\)")


def test_the_edits_of_the_real_repository_only_name_another_device():
    document = yaml.safe_load(REAL_EDITS.read_text())
    assert document["commit"] == codetr.REAL_COMMIT
    edits = [edit for item in document["groups"]["device"]["files"] for edit in item["edits"]]
    assert len(edits) == 13
    for edit in edits:
        parts = GPU_BY_NAME.split(edit["find"])
        assert len(parts) == 2
        assert re.fullmatch(re.escape(parts[0]) + r"\.to\(\w+\.device\)" + re.escape(parts[1]), edit["replace"])


def test_the_edits_of_the_real_repository_have_the_agreed_form():
    document = yaml.safe_load(REAL_EDITS.read_text())
    paths = [item["path"] for group in document["groups"].values() for item in group["files"]]
    assert len(paths) == len(set(paths))
    for stack in sorted((ROOT / "stacks").glob("*.yml")):
        assert set(yaml.safe_load(stack.read_text())["edits"]) <= set(document["groups"])
    for group in document["groups"].values():
        assert group["reason"].endswith(".")
        for item in group["files"]:
            assert re.fullmatch("[0-9a-f]{64}", item["sha256_before"])
            assert re.fullmatch("[0-9a-f]{64}", item["sha256_after"])
            assert item["sha256_before"] != item["sha256_after"]
            assert all(set(edit) == {"find", "replace", "count"} and edit["count"] >= 1 for edit in item["edits"])
