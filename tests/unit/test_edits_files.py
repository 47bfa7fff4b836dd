"""The lists of counted edits that the roles bring: their form, and that they can be taken back."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.codetr.provision.plugins.module_utils.edits import edited

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("edits_tool", ROOT / "tools" / "edits.py")
assert spec and spec.loader
edits = importlib.util.module_from_spec(spec)
spec.loader.exec_module(edits)

FILES = sorted((ROOT / "roles").glob("*/files/edits/*.yml"))
SHA256 = re.compile(r"[0-9a-f]{64}")


def load(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()))


def entries(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry for group in document["groups"].values() for entry in group["files"]]


def synthetic(entry: dict[str, Any]) -> bytes:
    """A file that has each text in as many places as the entry says, and nothing else of its sources."""
    return "".join(f"\n== {number} ==\n{edit['find']}" * edit["count"] for number, edit in enumerate(entry["edits"])).encode()


def test_there_is_a_list_for_the_checkout_and_one_for_mmcv() -> None:
    assert {path.parts[-4] for path in FILES} == {"codetr_repo", "codetr_packages"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_form(path: Path) -> None:
    document = load(path)
    if "commit" in document:
        assert set(document) == {"repository", "commit", "groups"}
        assert re.fullmatch(r"[0-9a-f]{40}", document["commit"])
        assert path.stem.endswith(document["commit"][:8])
        assert {name for stack in (ROOT / "stacks").glob("*.yml") for name in load(stack)["edits"]} <= set(document["groups"])
    else:
        assert set(document) == {"project", "version", "sdist_sha256", "groups"}
        assert path.stem == f"{document['project']}-{document['version']}"
        assert SHA256.fullmatch(document["sdist_sha256"])
    for group in document["groups"].values():
        assert set(group) == {"reason", "files"}
        assert group["reason"].endswith(".")
        assert group["files"]
    for entry in entries(document):
        assert set(entry) == {"path", "sha256_before", "sha256_after", "edits"}
        assert SHA256.fullmatch(entry["sha256_before"])
        assert SHA256.fullmatch(entry["sha256_after"])
        assert entry["sha256_before"] != entry["sha256_after"]
        assert all(set(edit) == {"find", "replace", "count"} for edit in entry["edits"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_two_groups_edit_one_file(path: Path) -> None:
    paths = [entry["path"] for entry in entries(load(path))]
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_texts(path: Path) -> None:
    for edit in (edit for entry in entries(load(path)) for edit in entry["edits"]):
        assert edit["count"] >= 1
        assert edit["find"]
        assert edit["find"] != edit["replace"]
        # Taking back looks for the new text: it must not be found in the old one, which may stand elsewhere in the file.
        assert edit["replace"] not in edit["find"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_forth_and_back(path: Path) -> None:
    for entry in entries(load(path)):
        old = synthetic(entry)
        before, after = edits.hashes(entry, old)
        assert before == hashlib.sha256(old).hexdigest()
        entry = {**entry, "sha256_before": before, "sha256_after": after}
        new = edited(old, entry)
        assert new != old
        assert edited(new, entry) == new
        assert edited(new, entry, back=True) == old


LIST = """\
project: p
version: "1"
sdist_sha256: {sdist}
groups:
  one:
    reason: Why.
    files:
      - path: a/b.py
        sha256_before: {before}
        sha256_after: ""  # none yet
        edits:
          - find: x.cuda()
            replace: x.to(d)
            count: {count}
"""


def listed(folder: Path, count: int = 2, sdist: str = "") -> tuple[Path, Path]:
    """A list of edits and a folder of sources that has two places for it."""
    (folder / "src" / "a").mkdir(parents=True)
    (folder / "src" / "a" / "b.py").write_text("x.cuda()\nx.cuda()\n")
    (folder / "list.yml").write_text(LIST.format(before='""', count=count, sdist=sdist))
    return folder / "list.yml", folder / "src"


def test_the_tool_writes_hashes_that_the_module_takes(tmp_path: Path) -> None:
    path, source = listed(tmp_path)
    assert edits.main([str(path), str(source), "--check"]) == 1
    assert "none yet" in path.read_text()
    assert edits.main([str(path), str(source)]) == 0
    (entry,) = entries(load(path))
    assert edited((source / "a" / "b.py").read_bytes(), entry) == b"x.to(d)\nx.to(d)\n"
    assert edits.main([str(path), str(source), "--check"]) == 0


def test_the_tool_writes_nothing_where_an_edit_does_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, source = listed(tmp_path, count=3)
    old = path.read_text()
    assert edits.main([str(path), str(source)]) == 1
    assert "'x.cuda()' stands in 2 places, the list of edits says 3" in capsys.readouterr().err
    assert path.read_text() == old


def test_an_edit_that_cannot_be_taken_back_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, source = listed(tmp_path)
    (source / "a" / "b.py").write_text("x.cuda()\nx.cuda()\nx.to(d)\n")
    assert edits.main([str(path), str(source)]) == 1
    assert "'x.to(d)' stands in 3 places" in capsys.readouterr().err


def test_the_tool_reads_an_archive_and_knows_another_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, source = listed(tmp_path)
    archive = tmp_path / "p-1.tar.gz"
    with tarfile.open(archive, "w:gz") as target:
        target.add(source, "p-1")
    assert edits.main([str(path), str(archive)]) == 1
    assert "p-1.tar.gz is not the archive that the list is for" in capsys.readouterr().err
    path.write_text(LIST.format(before='""', count=2, sdist=hashlib.sha256(archive.read_bytes()).hexdigest()))
    assert edits.main([str(path), str(archive)]) == 0


def test_the_tool_reads_the_commit_and_not_what_is_checked_out(tmp_path: Path) -> None:
    path, source = listed(tmp_path)
    git = ["git", "-C", str(source), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    (source / "a" / "b.py").write_text("x.to(d)\nx.to(d)\n")
    text = LIST.format(before='""', count=2, sdist="").replace('project: p\nversion: "1"\nsdist_sha256: \n', f"commit: {commit}\n")
    path.write_text(text)
    assert edits.main([str(path), str(source)]) == 0
    assert edits.main([str(path), str(source / ".git"), "--check"]) == 0
    gone = text.replace("a/b.py", "a/c.py")
    path.write_text(gone)
    assert edits.main([str(path), str(source)]) == 1
