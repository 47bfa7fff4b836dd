"""The checkout as git, Python and its user see it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from testinfra.host import Host

ROOT = Path(__file__).parents[3]
PYTHON = "/opt/codetr/miniconda3/envs/codetr/bin/python"
FIRST, SECOND = "/opt/codetr/Co-DETR", "/srv/checkouts/second"

GROUPS = yaml.safe_load((ROOT / "stacks" / "cpu.yml").read_text())["edits"]


@pytest.fixture
def edits(lab: dict[str, Any]) -> dict[str, Any]:
    ours = ROOT / "roles" / "codetr_repo" / "files" / "edits" / "sense-x-co-detr-26653521.yml"
    return dict(yaml.safe_load(Path(lab.get("codetr_repo_edits") or ours).read_text()))


def git(host: Host, checkout: str, *words: str) -> str:
    return str(host.check_output(f"git -C {checkout} {' '.join(words)}"))


@pytest.mark.parametrize("checkout", [FIRST, SECOND])
def test_the_commit_is_the_one_asked_for(host: Host, edits: dict[str, Any], checkout: str) -> None:
    assert git(host, checkout, "rev-parse HEAD") == edits["commit"]


@pytest.mark.parametrize(("checkout", "own"), [(FIRST, {"tools/test.py"}), (SECOND, set())])
def test_git_sees_our_edits_and_the_users_and_nothing_else(host: Host, edits: dict[str, Any], checkout: str, own: set[str]) -> None:
    wanted = {entry["path"] for group in GROUPS for entry in edits["groups"][group]["files"]}
    assert set(git(host, checkout, "diff --name-only").split()) == wanted | own
    untracked = git(host, checkout, "status --porcelain --untracked-files=all").splitlines()
    assert [line for line in untracked if line.startswith("??") and ".egg-info/" not in line] == []


def test_edited_files_have_the_listed_hashes_and_compile(host: Host, edits: dict[str, Any]) -> None:
    for group in GROUPS:
        for entry in edits["groups"][group]["files"]:
            data = host.file(f"{FIRST}/{entry['path']}").content
            assert hashlib.sha256(data).hexdigest() == entry["sha256_after"]
            compile(data, entry["path"], "exec")


def test_training_prints_no_arguments_any_more(host: Host) -> None:
    assert "Arguments" not in host.file(f"{FIRST}/tools/train.py").content_string


def test_the_users_own_line_survived_everything(host: Host) -> None:
    assert host.file(f"{FIRST}/tools/test.py").content_string.endswith("# mine\n")


def test_mmdet_is_imported_from_the_last_checkout_that_was_installed(host: Host) -> None:
    at = host.check_output(f"cd / && {PYTHON} -c 'import mmdet; print(mmdet.__file__)'")
    assert at == f"{SECOND}/mmdet/__init__.py"


def test_everything_belongs_to_who_logs_in(host: Host) -> None:
    assert host.check_output(f"find /opt/codetr {SECOND} ! -user lab -print") == ""


def test_a_failed_clone_leaves_no_checkout(host: Host) -> None:
    for name in ("missing", "dead", "nowhere"):
        assert not host.file(f"/srv/checkouts/{name}").exists


def test_the_receipt_is_whole(host: Host) -> None:
    assert host.file("/opt/codetr/receipts").listdir() == ["env.json", "miniconda.json", "packages.json", "repo.json", "sbom.cdx.json"]
    receipt = json.loads(host.file("/opt/codetr/receipts/repo.json").content_string)
    assert (receipt["stage"], receipt["action"]) == ("repo", "clone")
