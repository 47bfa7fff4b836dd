"""State files on a disk: the first snapshot stays, what cannot be read is no nothing, and restoring touches files, kernels and links."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.snapshot import restore, statefile
from ansible_collections.codetr.provision.plugins.module_utils.snapshot.records import (
    Changes,
    Note,
    Snapshot,
    Source,
    State,
    StateError,
    as_dict,
)
from ansible_collections.codetr.provision.plugins.module_utils.snapshot.take import take

STATUS = """\
Package: bash
Status: install ok installed
Architecture: amd64

Package: gcc
Status: hold ok half-configured
Architecture: amd64

Package: vim
Status: deinstall ok config-files
Architecture: amd64
"""


def test_a_host_is_read_without_running_anything(tmp_path: Path):
    texts = {
        "var/lib/dpkg/status": STATUS,
        "var/lib/apt/extended_states": "Package: gcc\nArchitecture: amd64\nAuto-Installed: 1\n",
        "etc/apt/sources.list": "deb http://apt.test/debian bookworm main\n",
        "etc/ld.so.conf.d/cuda-12-4.conf": "/usr/local/cuda-12.4/lib64\n",
        "lib/modules/6.1.0-40/modules.dep": "",
    }
    for path, text in texts.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "etc/apt/sources.list").chmod(0o640)
    (tmp_path / "lib/modules/6.1.0-41").mkdir()
    (tmp_path / "usr/local").mkdir(parents=True)
    (tmp_path / "usr/local/cuda").symlink_to("cuda-12.4")
    seen = take(["/etc/ld.so.conf.d/cuda-*.conf", "/usr/bin/nvidia-uninstall"], ["/usr/local/cuda", "/usr/local/other"], str(tmp_path))
    assert as_dict(seen) == {
        "packages": ["bash", "gcc"],
        "residual": ["vim"],
        "auto": ["gcc"],
        "held": ["gcc"],
        "kernels": ["6.1.0-40", "6.1.0-41"],
        "indexes": ["6.1.0-40"],
        "files": ["/etc/ld.so.conf.d/cuda-12-4.conf"],
        "sources": {"/etc/apt/sources.list": {"text": texts["etc/apt/sources.list"], "mode": "0640"}},
        "links": {"/usr/local/cuda": "cuda-12.4", "/usr/local/other": None},
    }


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A folder of receipts with a stage at work."""
    (tmp_path / "driver.inprogress").write_text("{}")
    return str(tmp_path)


def test_a_state_file_counts_while_its_marker_is_there(folder: str):
    assert statefile.read_state(folder, "driver") is None
    state = State(Snapshot(packages=frozenset({"bash"})), Note(files=frozenset({"/etc/x"})), frozenset({"bash"}))
    statefile.write_state(folder, "driver", state)
    assert statefile.read_state(folder, "driver") == state
    assert statefile.remove(folder, "driver") == [f"{folder}/driver.before", f"{folder}/driver.inprogress"]
    statefile.write_state(folder, "driver", state)
    assert statefile.read_state(folder, "driver") is None
    assert [path.name for path in Path(folder).iterdir()] == ["driver.before"]


@pytest.mark.parametrize("text", [b"", b"{", b"null", b'{"schema": 1}', b'{"schema": 2, "before": {}, "note": {}}', b"\xff"])
def test_a_state_file_that_is_torn_is_an_error(text: bytes, folder: str):
    (Path(folder) / "driver.before").write_bytes(text)
    with pytest.raises(StateError, match=r"driver\.before cannot be read: .* Restore it from a backup, or remove it"):
        statefile.read_state(folder, "driver")


@pytest.mark.parametrize("text", ["", "{}", '{"remember": null}', '{"remember": {"new": ["gcc"]}}', '{"remember": {"packages": ["-y"]}}'])
def test_a_receipt_that_is_torn_or_of_another_format_is_an_error(text: str, folder: str):
    assert statefile.read_receipt(folder, "driver") == {}
    (Path(folder) / "driver.json").write_text(text)
    with pytest.raises(StateError, match=r"driver\.json cannot be read"):
        statefile.read_receipt(folder, "driver")


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_only_a_plain_file_is_read(kind: str, folder: str):
    path = Path(folder) / "driver.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to("/etc/shadow")
    else:
        os.mkfifo(path)
    with pytest.raises(StateError, match=r"driver\.json cannot be read"):
        statefile.read_receipt(folder, "driver")


def test_other_stages_and_what_they_use(folder: str):
    (Path(folder) / "toolkit.json").write_text(json.dumps({"remember": {"packages": ["gcc"], "files": ["/etc/a"]}, "at": "now"}))
    (Path(folder) / "env.json").write_text('{"remember": {}}')
    (Path(folder) / "sbom.cdx.json").write_text("[]")
    (Path(folder) / "repo.inprogress").write_text("{}")
    statefile.write_state(folder, "repo", State(note=Note(files=frozenset({"/etc/b"}))))
    found = statefile.others(folder, "driver")
    assert {name: files for name, (_, files) in found.items()} == {"toolkit": {"/etc/a"}, "env": frozenset(), "repo": {"/etc/b"}}
    fresh = Changes(packages=frozenset({"gcc", "make"}), files=frozenset({"/etc/a"}))
    statefile.update_receipt(folder, "toolkit", as_dict(fresh))
    assert statefile.others(folder, "driver")["toolkit"][0] == fresh
    assert json.loads((Path(folder) / "toolkit.json").read_text())["at"] == "now"
    assert statefile.others(f"{folder}/none", "driver") == {}


def test_writing_goes_through_no_link(folder: str, tmp_path: Path):
    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / "x.json.new").symlink_to(other)
    statefile.write(f"{folder}/x.json", {"a": 1})
    assert (other.read_text(), json.loads((tmp_path / "x.json").read_text())) == ("mine", {"a": 1})
    assert not (tmp_path / "x.json.new").exists()


def test_missing_folders_are_made(tmp_path: Path):
    statefile.make_folder(str(tmp_path / "a/b"), None)
    statefile.make_folder(str(tmp_path / "a/b"), None)
    assert (tmp_path / "a/b").is_dir()


def test_a_source_goes_back_in_place(tmp_path: Path):
    path, real = tmp_path / "sources.list", tmp_path / "real.list"
    real.write_text("ours\n")
    path.symlink_to(real)
    assert restore._restore_source(str(path), Source("theirs\n", "0666"))
    # Through the link, and never for everybody to write.
    assert (path.is_symlink(), real.read_text(), real.stat().st_mode & 0o777) == (True, "theirs\n", 0o664)
    assert restore._restore_source(str(path), None) and not path.exists()
    assert not restore._restore_source(str(tmp_path / "gone"), None)


@pytest.mark.parametrize(
    ("files", "installed", "came", "left"),
    [
        # What the headers and DKMS left goes with the folder that they made, or leaves the folder of somebody else.
        (["modules.dep", "modules.alias"], [], True, None),
        (["modules.dep", "updates/dkms/nvidia.ko.xz"], [], True, None),
        (["modules.dep", "build/Makefile"], [], True, ["build/Makefile"]),
        (["modules.dep", "extra"], [], False, ["extra"]),
        # A kernel that somebody installed since, by a package or by hand.
        (["modules.dep"], ["linux-image-6.1"], True, ["modules.dep"]),
        (["modules.dep", "kernel/fs/ext4.ko"], [], True, ["kernel/fs/ext4.ko", "modules.dep"]),
    ],
)
def test_what_goes_of_a_kernels_folder(
    files: list[str], installed: list[str], came: bool, left: list[str] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(restore, "MODULES", str(tmp_path))
    for name in files:
        (tmp_path / "6.1" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "6.1" / name).touch()
    restore._restore_kernel("6.1", came, dict.fromkeys(installed))
    found = sorted(str(path.relative_to(tmp_path / "6.1")) for path in (tmp_path / "6.1").rglob("*") if path.is_file())
    assert (found if (tmp_path / "6.1").exists() else None) == left
    (tmp_path / "link").symlink_to(tmp_path / "6.1")
    assert not restore._restore_kernel("link", True, {})


@pytest.mark.parametrize(
    ("there", "target", "left"),
    [
        ("cuda-11.8", "cuda-12.4", "cuda-12.4"),
        ("cuda-11.8", None, None),
        # apt took it with its own, or keeps it as an alternative of the system.
        (None, "cuda-12.4", "cuda-12.4"),
        ("cuda-11.8", "/etc/alternatives/cuda", "cuda-11.8"),
        (None, None, None),
    ],
)
def test_a_link_is_pointed_where_it_was(there: str | None, target: str | None, left: str | None, tmp_path: Path):
    path = tmp_path / "cuda"
    if there:
        path.symlink_to(there)
    changed = restore.restore_link(str(path), target)
    assert (str(path.readlink()) if path.is_symlink() else None) == left
    assert changed is (there != left)


def test_a_folder_in_the_place_of_a_link_is_somebodys(tmp_path: Path):
    (tmp_path / "cuda").mkdir()
    assert not restore.restore_link(str(tmp_path / "cuda"), None)
    assert not restore.restore_link(str(tmp_path / "cuda"), "cuda-12.4")
    assert not restore._remove_file(str(tmp_path / "cuda"))
