"""podman's arguments for each kind of host, and the caches that hosts share."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import caches, images, kinds
from lab.settings import APT_CACHE, PIP_CACHE, RELEASES, LabError

IMAGE = "localhost/codetr-lab/debian12:1"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("CODETR_LAB_DIR", str(tmp_path))
    monkeypatch.setattr(images, "ensure", lambda name: f"localhost/codetr-lab/{name}:2")
    monkeypatch.setattr(caches.os, "chown", lambda path, user, group: None)
    return tmp_path


def test_a_container_starts_its_own_image() -> None:
    arguments = kinds.find("container").arguments("one", IMAGE)
    assert arguments[-1] == IMAGE
    assert "--privileged" not in arguments


@pytest.mark.parametrize("kind", ["container", "nspawn"])
def test_what_runs_on_the_machines_kernel_shares_the_caches(kind: str, folder: Path) -> None:
    arguments = kinds.find(kind).arguments("one", IMAGE)
    for place in (f"{folder}/cache/apt-of-hosts/one:{APT_CACHE}", f"{folder}/cache/pip:{PIP_CACHE}"):
        assert place in arguments
        assert Path(place.partition(":")[0]).is_dir()


def test_a_host_that_reboots_has_the_wanted_image_as_its_tree_and_the_caches_in_it() -> None:
    arguments = kinds.find("nspawn").arguments("one", IMAGE)
    assert f"type=image,source={IMAGE},destination=/tree,rw=true" in arguments
    assert "localhost/codetr-lab/nspawn:2" in arguments
    assert [word for word in arguments if word.startswith("--bind=")] == [f"--bind={APT_CACHE}", f"--bind={PIP_CACHE}"]


def test_a_machine_of_its_own_has_an_image_with_a_kernel() -> None:
    assert [f"{release}{kinds.find('vm').suffix}" in images.VARIANTS for release in RELEASES] == [True, True]
    arguments = kinds.find("vm").arguments("one", "localhost/codetr-lab/debian12-vm:1")
    assert "type=image,source=localhost/codetr-lab/debian12-vm:1,destination=/tree,rw=true" in arguments
    assert "localhost/codetr-lab/qemu:2" in arguments


def test_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(LabError, match="choose one of container, nspawn, vm"):
        kinds.find("unikernel")


def test_a_low_limit_of_inotify_is_raised_and_a_high_one_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "max_user_instances"
    monkeypatch.setattr(kinds, "INOTIFY", limit)
    for before, after in (("128", "8192"), ("16384", "16384")):
        limit.write_text(f"{before}\n")
        kinds.raise_inotify()
        assert limit.read_text() == f"{after}\n"


def test_packages_that_one_host_downloaded_are_there_for_the_next(folder: Path) -> None:
    caches.prepare("one")
    (caches.apt_folder("one") / "git_1_amd64.deb").write_text("git")
    (caches.apt_folder("one") / "lock").touch()
    caches.collect("one")
    assert not caches.apt_folder("one").exists()
    for name in ("two", "three"):
        caches.prepare(name)
        assert [path.read_text() for path in caches.apt_folder(name).iterdir()] == ["git"]
    # `apt-get clean` on one host is nothing to the others.
    (caches.apt_folder("two") / "git_1_amd64.deb").unlink()
    assert (caches.apt_folder("three") / "git_1_amd64.deb").exists()
    assert [path.name for path in caches.shared_apt_folder().iterdir()] == ["git_1_amd64.deb"]


def test_what_a_host_left_when_it_was_removed_by_other_means_is_collected(folder: Path) -> None:
    caches.prepare("one")
    (caches.apt_folder("one") / "git_1_amd64.deb").write_text("git")
    caches.prepare("one")
    assert (caches.apt_folder("one") / "git_1_amd64.deb").read_text() == "git"
