"""The signed apt repositories that stand in for Ubuntu's and NVIDIA's: names, signatures, and modules that modinfo can read."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from email import message_from_string
from pathlib import Path

import pytest
from lab import __main__ as lab
from lab.standins import ubuntu
from lab.standins.ubuntu_deb import NOTE

NEEDED = [tool for tool in ("gpg", "gpgconf", "gpg-agent", "dpkg-deb") if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(bool(NEEDED), reason=f"no {', '.join(NEEDED)} here: `make lab` installs them")

BASE_URL = "http://mirror.example"
# What packages may ask for that the hosts' own Debian has.
FROM_DEBIAN = {"dkms", "kmod", "libc6", "python3"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Everything, built once: the folder that is served, the one with the keys, and what build() says."""
    top = tmp_path_factory.mktemp("lab")
    www, keys = top / "mirror" / "www", top / "keys"
    www.mkdir(parents=True)
    return www, keys, ubuntu.build(www, keys, BASE_URL)


def served(built, url: str) -> Path:
    return built[0] / url.removeprefix(f"{BASE_URL}/")


def stanzas(path: Path) -> dict[str, dict[str, str]]:
    """A Packages file by names."""
    found = [message_from_string(text) for text in path.read_text().split("\n\n")]
    return {str(stanza["Package"]): {key: str(value) for key, value in stanza.items()} for stanza in found}


def archive(built) -> dict[str, dict[str, str]]:
    """All packages of the stand-in for Ubuntu."""
    suite = served(built, built[2]["ubuntu"]["url"]) / "dists" / "jammy"
    return stanzas(suite / "main/binary-amd64/Packages") | stanzas(suite / "restricted/binary-amd64/Packages")


def releases(built) -> list[tuple[str, Path]]:
    made = built[2]
    flat = [("nvidia", served(built, url)) for url in made["nvidia"]["distributions"].values()]
    return [("ubuntu", served(built, made["ubuntu"]["url"]) / "dists" / "jammy"), *flat]


def test_gpg_verifies_each_release_with_the_key_that_is_served(built, tmp_path):
    made = built[2]
    for number, (name, folder) in enumerate(releases(built)):
        home = Path("/tmp") / f"{tmp_path.name}-{number}"
        home.mkdir(mode=0o700)
        gpg = ["gpg", "--homedir", home, "--batch", "--no-autostart", "--status-fd", "1"]
        try:
            subprocess.run([*gpg, "--import", served(built, made[name]["key"])], check=True, capture_output=True)
            for arguments in (["InRelease"], ["Release.gpg", "Release"]):
                found = subprocess.run(
                    [*gpg, "--verify", *(folder / part for part in arguments)], check=True, capture_output=True, text=True
                )
                assert f"VALIDSIG {made[name]['fingerprint']} " in found.stdout
            changed = tmp_path / "changed"
            changed.write_text((folder / "InRelease").read_text().replace("Architectures: amd64", "Architectures: arm64"))
            assert subprocess.run([*gpg, "--verify", changed], capture_output=True).returncode != 0
        finally:
            shutil.rmtree(home)


def test_each_release_lists_its_indexes_and_each_index_its_packages(built):
    for name, folder in releases(built):
        listed = re.findall(r"^ ([0-9a-f]{64}) +(\d+) (\S+)$", (folder / "Release").read_text(), re.M)
        assert listed
        for digest, size, path in listed:
            data = (folder / path).read_bytes()
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (digest, int(size))
        root = folder.parents[1] if name == "ubuntu" else folder
        for _, _, path in listed:
            if path.endswith("Packages"):
                for package in stanzas(folder / path).values():
                    data = (root / package["Filename"]).read_bytes()
                    assert (hashlib.sha256(data).hexdigest(), len(data)) == (package["SHA256"], int(package["Size"]))


NAMES = """
    nvidia-headless-no-dkms-470-server nvidia-headless-470-server nvidia-dkms-470-server nvidia-utils-470-server
    nvidia-compute-utils-470-server nvidia-kernel-common-470-server nvidia-kernel-source-470-server libnvidia-compute-470-server
    nvidia-headless-no-dkms-535-server nvidia-headless-no-dkms-535-server-open nvidia-dkms-535-server-open nvidia-utils-535-server
    linux-modules-nvidia-470-server-aws linux-modules-nvidia-470-server-5.15.0-1084-aws
    linux-modules-nvidia-535-server-open-aws linux-modules-nvidia-535-server-open-5.15.0-1084-aws
    linux-image-aws linux-headers-aws linux-image-5.15.0-1084-aws linux-headers-5.15.0-1084-aws
    linux-image-generic linux-headers-generic linux-image-5.15.0-143-generic linux-headers-5.15.0-143-generic
"""


def test_ubuntu_has_its_names_and_each_says_what_it_is(built):
    listed = archive(built)
    assert set(NAMES.split()) <= set(listed)
    assert all(NOTE in package["Description"] for package in listed.values())


def test_every_dependency_can_be_had(built):
    lists = [archive(built), *(stanzas(folder / "Packages") for _, folder in releases(built)[1:])]
    for listed in lists:
        provided = {part.split()[0] for package in listed.values() for part in package.get("Provides", "").split(",") if part.strip()}
        for name, package in listed.items():
            for part in filter(None, package.get("Depends", "").split(", ")):
                choices = {choice.split()[0] for choice in part.split(" | ")}
                assert choices & ({*listed, *provided} | FROM_DEBIAN), f"{name}: {part}"


def test_a_second_build_writes_nothing(built):
    www, keys, made = built
    before = {path: path.stat().st_mtime_ns for path in www.rglob("*") if path.is_file()}
    assert ubuntu.build(www, keys, BASE_URL) == made
    assert {path: path.stat().st_mtime_ns for path in www.rglob("*") if path.is_file()} == before


def test_the_command_prints_where_they_are(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CODETR_LAB_DIR", str(tmp_path))
    assert lab.main(["apt"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert set(made) == {"ubuntu", "nvidia"}
    assert all(set(made[name]) >= {"url", "key", "sha256", "fingerprint"} for name in made)
    assert (tmp_path / "mirror" / "www" / "apt" / "nvidia" / "ubuntu2204" / "x86_64" / "InRelease").is_file()
