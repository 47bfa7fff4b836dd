"""The repository that stands in for Co-DETR, and its list of edits."""

from __future__ import annotations

import hashlib
import http.server
import io
import re
import subprocess
import tarfile
import threading
from functools import partial
from pathlib import Path

import pytest
import yaml
from lab.standins import codetr, codetr_plant, codetr_sdist

STACK_EDITS = yaml.safe_load((Path(__file__).parents[2] / "stacks" / "cpu.yml").read_text())["edits"]
GPU_BY_NAME = re.compile(r"\.cuda\(\)|\.to\('cuda'\)")


@pytest.fixture
def sdist(tmp_path, monkeypatch):
    """A source distribution of the right shape, so that no test needs the package index."""
    texts: dict[str, str] = {"README.md": "mmdet\n", "setup.py": "", "PKG-INFO": "", "mmdet.egg-info/PKG-INFO": ""}
    for place in codetr_plant.PLACES:
        texts[place.path] = texts.get(place.path, "") + place.original + "\n"
    texts["mmdet/.mim/tools/train.py"] = codetr_plant.PRINT_ARGUMENTS.original + "1\n"
    texts[f"mmdet/.mim/{codetr.CONFIG}"] = "model = 1\n"
    cache = tmp_path / "mirror" / "cache"
    cache.mkdir(parents=True)
    path = cache / f"{codetr_sdist.NAME}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in texts.items():
            member = tarfile.TarInfo(f"{codetr_sdist.NAME}/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    monkeypatch.setattr(codetr_sdist, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.delenv("CODETR_LAB_REPO", raising=False)
    return path


@pytest.fixture
def www(tmp_path):
    folder = tmp_path / "mirror" / "www"
    folder.mkdir(parents=True)
    return folder


def checkout(www: Path, to: Path) -> Path:
    """Clone as a host does: over http, from a server that knows nothing of git."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(www))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        subprocess.run(["git", "clone", "-q", f"http://127.0.0.1:{server.server_port}/git/Co-DETR.git", str(to)], check=True)
        server.shutdown()
    return to


def apply(document: dict, group: str, tree: Path) -> None:
    for item in document["groups"][group]["files"]:
        path = tree / item["path"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == item["sha256_before"]
        text = path.read_text()
        for edit in item["edits"]:
            assert text.count(edit["find"]) == edit["count"]
            text = text.replace(edit["find"], edit["replace"])
        assert all(text.count(edit["replace"]) == edit["count"] for edit in item["edits"]), "they could not be taken back"
        path.write_text(text)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == item["sha256_after"]


def test_a_clone_over_plain_http_has_the_commit_and_the_places(sdist, www, tmp_path):
    result = codetr.build(www, "http://lab")
    tree = checkout(www, tmp_path / "clone")
    head = subprocess.run(["git", "-C", str(tree), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert head.stdout.strip() == result["config"]["codetr_repo_commit"]
    assert (tree / result["config"]["codetr_workspace_config"]).exists()
    assert "STAND-IN" in (tree / "STAND-IN.md").read_text()
    assert not (tree / "mmdet" / ".mim").exists()
    places = {place.path: len(GPU_BY_NAME.findall((tree / place.path).read_text())) for place in codetr_plant.PLACES}
    assert len(places) >= 2
    assert sum(places.values()) == len(codetr_plant.PLACES) >= 3


def test_data_and_an_installation_do_not_make_a_clone_dirty(sdist, www, tmp_path):
    codetr.build(www, "http://lab")
    tree = checkout(www, tmp_path / "clone")
    (tree / "data").symlink_to(tmp_path)
    (tree / "mmdet" / ".mim").mkdir()
    (tree / "mmdet" / ".mim" / "tools").symlink_to("../../tools")
    (tree / "mmdet.egg-info").mkdir()
    (tree / "mmdet.egg-info" / "PKG-INFO").touch()
    status = subprocess.run(["git", "-C", str(tree), "status", "--porcelain"], capture_output=True, text=True, check=True)
    assert status.stdout == ""


def test_its_edits_apply_to_a_clone_and_leave_no_gpu_by_name(sdist, www, tmp_path):
    result = codetr.build(www, "http://lab")
    document = yaml.safe_load(Path(result["config"]["codetr_repo_edits"]).read_text())
    assert document["stand_in"] is True
    assert document["commit"] == result["config"]["codetr_repo_commit"]
    tree = checkout(www, tmp_path / "clone")
    apply(document, "print_arguments", tree)
    for group in STACK_EDITS:
        apply(document, group, tree)
    assert not any(GPU_BY_NAME.search((tree / place.path).read_text()) for place in codetr_plant.PLACES)
    assert 'print("Arguments: ", args)' in (tree / "tools" / "train.py").read_text()


def test_it_is_built_again_only_when_something_changed(sdist, www, monkeypatch):
    result = codetr.build(www, "http://lab")
    calls = []
    real = codetr_sdist.source_tree
    monkeypatch.setattr(codetr_sdist, "source_tree", lambda *given: calls.append(given) or real(*given))
    assert codetr.build(www, "http://lab") == result
    assert not calls
    (www / "git" / "Co-DETR.git" / "info" / "refs").unlink()
    assert codetr.build(www, "http://lab") == result
    assert len(calls) == 1


def test_a_real_repository_is_served_in_its_place(www, tmp_path, monkeypatch):
    source = tmp_path / "real"
    named = ["git", "-C", str(source), "-c", "user.name=a", "-c", "user.email=a@example.invalid"]
    subprocess.run(["git", "init", "-q", str(source)], check=True)
    subprocess.run([*named, "commit", "-q", "--allow-empty", "-m", "real"], check=True)
    commit = subprocess.run([*named, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    monkeypatch.setenv("CODETR_LAB_REPO", str(source))
    monkeypatch.setattr(codetr, "REAL_COMMIT", commit)
    result = codetr.build(www, "http://lab")
    assert result == {"artifacts": {}, "config": {"codetr_repo_url": "http://lab/git/Co-DETR.git"}, "stand_ins": []}
    assert (checkout(www, tmp_path / "clone") / ".git" / "refs").exists()


def test_a_real_repository_without_the_commit_is_refused_by_name(www, tmp_path, monkeypatch):
    subprocess.run(["git", "init", "-q", str(tmp_path / "empty")], check=True)
    monkeypatch.setenv("CODETR_LAB_REPO", str(tmp_path / "empty"))
    with pytest.raises(RuntimeError, match=r"CODETR_LAB_REPO=.*empty.* with commit 26653521"):
        codetr.build(www, "http://lab")
