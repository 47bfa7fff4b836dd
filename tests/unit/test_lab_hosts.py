"""Names, addresses and access files of the lab's hosts."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from lab import access, aptsources, hosts, images, network, podman
from lab.settings import COPIES, RELEASES, SUBNET, LabError

DEMO = IPv4Address(int(SUBNET[10]))


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("CODETR_LAB_DIR", str(tmp_path))
    monkeypatch.setattr(images, "key_pair", lambda: tmp_path / "id_ed25519")
    return tmp_path


def test_a_host_has_its_own_address_or_the_wanted_one() -> None:
    assert hosts.choose_address("demo", None, {}) == DEMO
    assert hosts.choose_address("demo", str(SUBNET[99]), {}) == SUBNET[99]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [("192.0.2.1", "not on the lab's network"), ("nonsense", "not an IPv4 address"), (str(DEMO), "belongs to the host demo")],
)
def test_an_address_that_cannot_be_had_is_refused(wanted: str, message: str) -> None:
    with pytest.raises(LabError, match=message):
        hosts.choose_address("other", wanted, {"demo": DEMO})


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "a" * 41, ""])
def test_a_name_that_no_host_can_have_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="no host name"):
        hosts.create(name)


def test_access_files_follow_the_hosts(folder: Path) -> None:
    access.write({"demo": DEMO})
    assert f"Host demo\n  HostName {DEMO}\n" in (folder / "ssh_config").read_text()
    assert json.loads((folder / "hosts/demo.yml").read_text()) == {"lab": {"hosts": {"demo": {}}}}
    access.write({})
    assert "Host demo" not in (folder / "ssh_config").read_text()
    assert not (folder / "hosts/demo.yml").exists()


def test_another_checkouts_lab_is_refused_while_it_has_hosts_and_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setattr(podman, "exists", lambda kind, name: True)
    monkeypatch.setattr(podman, "inspect", lambda kind, name: {"labels": {network.OWNER: str(other)}})
    running = ["codetr-lab-host-demo"]
    monkeypatch.setattr(network, "hosts", lambda: running)
    with pytest.raises(LabError, match=r"codetr-lab-host-demo.*CODETR_LAB_DIR="):
        network.refuse_foreign()
    running.clear()
    network.refuse_foreign()
    running.append("codetr-lab-host-demo")
    other.rmdir()
    network.refuse_foreign()


def test_the_image_of_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(LabError, match="debian12, debian11, nopython"):
        images.tag("windows")


def test_an_image_is_tagged_by_what_it_is_made_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "overlay", lambda codename: {"/etc/pip.conf": "one"})
    first = (images.tag("debian12"), images.tag("nopython"))
    assert first == (images.tag("debian12"), images.tag("nopython"))
    monkeypatch.setattr(images, "overlay", lambda codename: {"/etc/pip.conf": "two"})
    second = (images.tag("debian12"), images.tag("nopython"))
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_each_release_is_built_from_its_own_archive(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(aptsources, "run", lambda argv: "Debian|http://archive.test/debian/|bookworm|main\n")
    (folder / "id_ed25519.pub").write_text("ssh-ed25519 key\n")
    images.overlay.cache_clear()
    sources = {name: images.overlay(codename)["/etc/apt/sources.list.d/debian.sources"] for name, codename in RELEASES.items()}
    images.overlay.cache_clear()
    assert "Suites: bookworm\n" in sources["debian12"]
    assert "Suites: bullseye\n" in sources["debian11"]


def test_an_image_that_a_host_was_made_from_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[str] = []
    host = {"Image": "lab/nspawn:1", "Labels": {podman.IMAGE: "lab/debian12:1"}}
    monkeypatch.setattr(podman, "containers", lambda: {"codetr-lab-host-reboot": host})
    monkeypatch.setattr(podman, "call", lambda *words: removed.append(words[-1]) or "lab/debian12:0 lab/debian12:1 lab/debian12:2")
    podman.remove_old_images("lab/debian12:2")
    assert removed == ["lab/debian12", "lab/debian12:0"]


@pytest.mark.parametrize("labels", [None, {podman.IMAGE: "lab/debian12:1"}])
def test_only_a_container_that_exists_is_copied(labels: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {} if labels is None else {"codetr-lab-host-reboot": {"Image": "lab/nspawn:1", "Labels": labels}}
    monkeypatch.setattr(podman, "containers", lambda: found)
    with pytest.raises(LabError, match="'reboot' cannot be copied"):
        hosts.copy("reboot", "other")


def test_a_copy_is_an_image_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, ...]] = []
    host = {"Image": "lab/debian12:1", "Labels": {podman.IMAGE: "lab/debian12:1"}}
    monkeypatch.setattr(podman, "containers", lambda: {"codetr-lab-host-first": host})
    monkeypatch.setattr(podman, "call", lambda *words: calls.append(words))
    assert hosts.copy("first", "second") == f"{COPIES}:second"
    assert calls[0][-2:] == ("codetr-lab-host-first", f"{COPIES}:second")


def test_an_address_that_a_removed_container_left_reserved_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(*words: str) -> str:
        raise LabError(f"IPAM error: requested ip address {DEMO} is already allocated to container ID 8f9ca6525c99")

    monkeypatch.setattr(podman, "call", call)
    with pytest.raises(LabError, match=r"8f9ca6525c99\n.*`lab host destroy`.*`make lab-down` frees the address"):
        hosts.start("--name", "demo")


@pytest.mark.parametrize(("others", "left"), [("", False), ("8f9ca6525c99\n", True)])
def test_the_end_of_the_lab_frees_reserved_addresses_where_no_other_container_needs_its_own(
    others: str, left: bool, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    leases = folder / "ipam.db"
    leases.touch()
    monkeypatch.setattr(network, "LEASES", leases)
    monkeypatch.setattr(podman, "containers", lambda: {})
    monkeypatch.setattr(podman, "exists", lambda kind, name: False)
    monkeypatch.setattr(podman, "call", lambda *words: others if words[0] == "ps" else "")
    network.remove()
    assert leases.exists() is left
