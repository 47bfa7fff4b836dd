"""Many files in one transfer: what is packed arrives whole, links are not followed, and a plan carries no content."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.codetr.provision.plugins.action import codetr_files
from ansible_collections.codetr.provision.plugins.module_utils import planner
from ansible_collections.codetr.provision.plugins.module_utils.files import pack as packing
from ansible_collections.codetr.provision.plugins.module_utils.files import place as placing
from ansible_collections.codetr.provision.plugins.module_utils.files.pack import PackError, pack, tree_digest
from ansible_collections.codetr.provision.plugins.module_utils.files.place import PlaceError, place, unpack
from ansible_collections.codetr.provision.plugins.plugin_utils import catalog, sources
from driverfacts import gpu_host
from hostfacts import bare, known, wanted

ROOT = Path(__file__).resolve().parents[2]
PLAN_BYTES = 40_000


def item(path: Path, data: bytes = b"text\n", mode: str = "0644") -> dict[str, Any]:
    return {"path": str(path), "mode": mode, "data": data}


def put(root: Path, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Pack, unpack and place below a folder."""
    given = {"folders": [], "absent": [], "check_mode": False, "with_diff": False, **more}
    return place([str(root)], given["folders"], unpack(**pack(list(items))), given["absent"], given["check_mode"], given["with_diff"])


def test_files_arrive_whole_with_their_modes_and_stay(tmp_path: Path) -> None:
    items = [item(tmp_path / "a" / "b" / "one", b"1\0\xff"), item(tmp_path / "two", b"", "0755")]
    done = put(tmp_path, *items, folders=[str(tmp_path / "empty" / "below")])
    assert done == {"made": [str(tmp_path / "empty/below")], "written": [each["path"] for each in items], "removed": [], "diff": []}
    assert (tmp_path / "a/b/one").read_bytes() == b"1\0\xff"
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("a/b/one", "two", "a", "empty/below")] == [0o644, 0o755, 0o755, 0o755]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "below", "empty", "one", "two"]
    assert put(tmp_path, *items, folders=[str(tmp_path / "empty" / "below")])["written"] == []


def test_a_file_of_another_content_or_mode_is_written_and_a_part_of_a_killed_run_replaced(tmp_path: Path) -> None:
    items = [item(tmp_path / name) for name in ("same", "content", "mode")]
    put(tmp_path, *items)
    (tmp_path / "content").write_text("other")
    (tmp_path / "mode").chmod(0o600)
    (tmp_path / "content.new").symlink_to("/etc/passwd")
    assert put(tmp_path, *items)["written"] == [str(tmp_path / "content"), str(tmp_path / "mode")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["content", "mode", "same"]


def test_no_umask_makes_a_folder_that_others_cannot_read(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        put(tmp_path, item(tmp_path / "a" / "file"), folders=[str(tmp_path / "b")])
    finally:
        assert os.umask(before) == 0o077
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/file", "b")] == [0o755, 0o644, 0o755]


def test_check_mode_writes_nothing_and_predicts_it_with_a_diff(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old\n")
    paths = [tmp_path / "old", tmp_path / "new" / "file"]
    wanted_ = {"folders": [str(tmp_path / "f")], "absent": [str(tmp_path / "gone"), str(tmp_path / "old.bak")], "with_diff": True}
    (tmp_path / "old.bak").touch()
    predicted = put(tmp_path, *map(item, paths), check_mode=True, **wanted_)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "old.bak"]
    assert predicted["diff"][0] == {
        "before": "old\n", "after": "text\n", "before_header": str(tmp_path / "old"), "after_header": str(tmp_path / "old"),
    }  # fmt: skip
    assert (predicted["diff"][1]["before"], predicted["diff"][1]["after"]) == ("", "(5 bytes)\n")
    assert put(tmp_path, *map(item, paths), **wanted_) == predicted
    assert predicted["removed"] == [str(tmp_path / "old.bak")]
    assert not (tmp_path / "old.bak").exists()


def test_a_link_is_replaced_and_never_written_through(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    (outside / "file").write_text("mine")
    (root / "file").symlink_to(outside / "file")
    put(root, item(root / "file"))
    assert ((outside / "file").read_text(), (root / "file").is_symlink()) == ("mine", False)
    (root / "folder").symlink_to(outside)
    for more in ({}, {"absent": [str(root / "folder" / "file")]}):
        with pytest.raises(PlaceError, match="folder is a link or no folder, and links are not followed"):
            put(root, *([] if more else [item(root / "folder" / "file")]), **more)
    assert [path.name for path in outside.iterdir()] == ["file"]


@pytest.mark.parametrize("path", ["/elsewhere/file", "{root}/../file", "{root}/a//file", "{root}-more/file", "{root}"])
def test_nothing_is_written_outside_the_roots(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    with pytest.raises(PlaceError, match="is below none of"):
        put(root, item(Path("/x")) | {"path": path.format(root=root)})


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(PlaceError, match=r"file is a folder\. Move it away"):
        put(tmp_path, item(tmp_path / "file"))


def test_an_archive_that_is_not_the_manifests_writes_nothing(tmp_path: Path) -> None:
    packed = pack([item(tmp_path / "one"), item(tmp_path / "two", b"other")])
    with pytest.raises(PlaceError, match="two did not arrive whole"):
        unpack(packed["manifest"], base64.b64encode(zlib.compress(b"text\nothex")).decode())
    with pytest.raises(PlaceError, match="holds more than its manifest lists"):
        unpack(packed["manifest"][:1], packed["archive"])
    with pytest.raises(PlaceError, match="The archive is damaged"):
        unpack(packed["manifest"], packed["archive"][:8] + "AAAA" + packed["archive"][12:])


def test_sizes_are_bounded_on_both_sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = pack([item(tmp_path / "large", b"\0" * 2000)])
    for module in (packing, placing):
        monkeypatch.setattr(module, "MAX_BYTES", 1000)
        monkeypatch.setattr(module, "MAX_FILES", 2)
    with pytest.raises(PackError, match="1 files with 2000 bytes are too many"):
        pack([item(tmp_path / "large", b"\0" * 2000)])
    with pytest.raises(PackError, match="3 files with 0 bytes are too many"):
        pack([item(tmp_path / name, b"") for name in "abc"])
    with pytest.raises(PlaceError, match="its manifest lists more"):
        unpack(**large)
    # A manifest that lies about a bomb is found out before the bomb is unpacked.
    with pytest.raises(PlaceError, match=r"did not arrive whole|holds more"):
        unpack([{**large["manifest"][0], "size": 1000}], large["archive"])


def test_a_source_that_changed_after_the_plan_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "one").write_text("1")
    digest = tree_digest(sources.digests(sources.tree(str(tmp_path / "tree"))))
    tree = {"path": "/x", "src": str(tmp_path / "tree"), "sha256": digest}
    assert codetr_files.read_tree(tree) == [{"path": "/x/one", "mode": "0644", "data": b"1"}]
    (tmp_path / "tree" / "one").write_text("2")
    with pytest.raises(sources.SourceError, match="has changed since the plan was made"):
        codetr_files.read_tree(tree)
    with pytest.raises(sources.SourceError, match="has changed since the plan was made"):
        codetr_files.read_file({"path": "/x", "src": str(tmp_path / "tree/one"), "sha256": "0" * 64})
    with pytest.raises(sources.SourceError, match="leaves the collection"):
        codetr_files.read_file({"path": "/x", "src": "roles/../../secret"})
    for wrong in ({"path": "/x"}, {"path": "/x", "content": "", "src": "a"}, {"content": ""}, {"path": "/x", "content": "", "owner": "me"}):
        with pytest.raises(sources.SourceError):
            codetr_files.read_file(wrong)


def play(tmp_path: Path, *words: str, **arguments: Any) -> str:
    """Run the action on this machine and return what ansible-playbook said."""
    task = {"codetr.provision.codetr_files": arguments, "register": "done"}
    shown = {"ansible.builtin.debug": {"msg": "{{ done | to_json }}"}}
    playbook = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task, shown]}]
    (tmp_path / "play.yml").write_text(yaml.safe_dump(playbook))
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks" / "collections"),
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "ANSIBLE_NOCOLOR": "1",
    }
    argv = [sys.executable, "-m", "ansible", "playbook", str(tmp_path / "play.yml"), "-e", f"ansible_python_interpreter={sys.executable}"]
    done = subprocess.run([*argv, *words], capture_output=True, text=True, env=environment, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_whole_workspace_is_one_module_run_and_one_transfer(tmp_path: Path) -> None:
    """What took one round trip for each file: all of verify, the wrappers and a text, written, and then found in place."""
    local, home = catalog.workspace(), tmp_path / "workspace"
    files = [{"path": f"{home}/bin/{name}", "mode": "0755", **source} for name, source in local["bin"].items()]
    files.append({"path": f"{home}/codetr.env", "content": "RANK=0\n"})
    tree = {"path": f"{home}/verify", "src": local["verify"]["src"], "sha256": local["verify"]["sha256"]}
    given = {"roots": [str(home)], "folders": [str(home / "results")], "files": files, "trees": [tree]}
    first = play(tmp_path, "-vvv", **given)
    assert len(re.findall(r"Using module file \S+/codetr_files\.py", first)) == 1
    assert first.count("Using module file") == 1
    transfers = [line for line in first.splitlines() if " PUT " in line]
    assert len(transfers) <= 1, "with pipelining there is none, and without it the module itself"
    assert "def main" not in first, "no file's content is in what the task returns"
    placed = {path.relative_to(home).as_posix(): path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert len(placed) == len(local["verify"]["files"]) + len(local["bin"]) + 1 > 25
    verify = {path.removeprefix("verify/"): data for path, data in placed.items() if path.startswith("verify/")}
    assert verify == sources.tree(catalog.VERIFY)
    again = play(tmp_path, "--check", "--diff", **given)
    assert re.search(r"changed=0 ", again)


@pytest.mark.parametrize("gpus", [[], ["T4"], ["H200"], ["V100"]], ids=lambda gpus: gpus[0] if gpus else "no GPU")
@pytest.mark.parametrize("stack", ["auto", *sorted(path.stem for path in (ROOT / "stacks").glob("*.yml"))])
def test_the_plan_of_a_bare_host_is_small_and_has_no_file_in_it(stack: str, gpus: list[str]) -> None:
    config = wanted(codetr_stack=stack)
    state = gpu_host(gpus=gpus, config=config) if gpus else bare(config)
    text = json.dumps(planner.build(state, config, known(config)))
    assert len(text) <= PLAN_BYTES
    # A line that is long enough to be nobody else's, of each file that a role brings.
    folders = (catalog.VERIFY, f"{catalog.WORKSPACE}/templates", catalog.REPO_EDITS, catalog.MMCV_EDITS)
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(paths) > 25
    for path in paths:
        lines = [json.dumps(line.strip())[1:-1] for line in path.read_text().splitlines() if len(line.strip()) > 40]
        assert [line for line in lines if line in text] == [], path
