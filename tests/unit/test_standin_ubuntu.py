"""The signed apt repositories that stand in for Ubuntu's and NVIDIA's: names, signatures, and modules that modinfo can read."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from email import message_from_string
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "molecule" / "shared"))

from lab import __main__ as lab
from lab.standins import ubuntu, ubuntu_deb, ubuntu_module
from lab.standins.ubuntu_deb import NOTE, Deb

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


def unpacked(built, tmp_path: Path, *names: str) -> Path:
    listed, root = archive(built), served(built, built[2]["ubuntu"]["url"])
    for name in names:
        subprocess.run(["dpkg-deb", "-x", root / listed[name]["Filename"], tmp_path], check=True)
    return tmp_path


def releases(built) -> list[tuple[str, Path]]:
    said = built[2]
    flat = [("nvidia", served(built, url)) for url in said["nvidia"]["distributions"].values()]
    return [("ubuntu", served(built, said["ubuntu"]["url"]) / "dists" / "jammy"), *flat]


def test_gpg_verifies_each_release_with_the_key_that_is_served(built, tmp_path):
    said = built[2]
    for number, (name, folder) in enumerate(releases(built)):
        home = Path("/tmp") / f"{tmp_path.name}-{number}"
        home.mkdir(mode=0o700)
        gpg = ["gpg", "--homedir", home, "--batch", "--no-autostart", "--status-fd", "1"]
        try:
            subprocess.run([*gpg, "--import", served(built, said[name]["key"])], check=True, capture_output=True)
            for arguments in (["InRelease"], ["Release.gpg", "Release"]):
                told = subprocess.run(
                    [*gpg, "--verify", *(folder / part for part in arguments)], check=True, capture_output=True, text=True
                )
                assert f"VALIDSIG {said[name]['fingerprint']} " in told.stdout
            changed = tmp_path / "changed"
            changed.write_text((folder / "InRelease").read_text().replace("Architectures: amd64", "Architectures: arm64"))
            assert subprocess.run([*gpg, "--verify", changed], capture_output=True).returncode != 0
        finally:
            shutil.rmtree(home)


def test_the_two_keys_differ_and_their_secret_halves_are_not_served(built):
    www, keys, said = built
    assert said["ubuntu"]["fingerprint"] != said["nvidia"]["fingerprint"]
    assert all(hashlib.sha256(served(built, said[name]["key"]).read_bytes()).hexdigest() == said[name]["sha256"] for name in said)
    secrets = sorted(keys.glob("*.secret.asc"))
    assert [path.stat().st_mode & 0o777 for path in secrets] == [0o600, 0o600]
    assert not [path for path in www.rglob("*") if path.is_file() and b"PRIVATE KEY" in path.read_bytes()]


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


def test_nobody_built_modules_for_the_generic_kernel(built):
    assert not [name for name in archive(built) if name.startswith("linux-modules-nvidia-") and "generic" in name]


def test_nvidia_has_the_old_layout_and_each_distribution_its_toolkits(built):
    old, new = (stanzas(folder / "Packages") for _, folder in releases(built)[1:])
    for listed in (old, new):
        assert {"cuda-drivers-535", "nvidia-open-580", "nvidia-driver-pinning-580", "nvidia-dkms-580-open", "nvidia-utils-535"} <= set(
            listed
        )
        assert listed["nvidia-utils-535"]["Version"] == "535.261.03-0ubuntu1"
    assert "cuda-toolkit-11-4" in old and "cuda-toolkit-11-4" not in new
    assert "cuda-toolkit-11-8" in new


def test_every_dependency_can_be_had(built):
    lists = [archive(built), *(stanzas(folder / "Packages") for _, folder in releases(built)[1:])]
    for listed in lists:
        provided = {part.split()[0] for package in listed.values() for part in package.get("Provides", "").split(",") if part.strip()}
        for name, package in listed.items():
            for part in filter(None, package.get("Depends", "").split(", ")):
                choices = {choice.split()[0] for choice in part.split(" | ")}
                assert choices & ({*listed, *provided} | FROM_DEBIAN), f"{name}: {part}"


def test_two_series_exclude_each_other(built):
    listed = archive(built)
    for name, virtual in (
        ("nvidia-utils", "nvidia-smi"),
        ("nvidia-kernel-common", "nvidia-kernel-common"),
        ("nvidia-dkms", "nvidia-dkms-kernel"),
    ):
        for series in ("470-server", "535-server"):
            package = listed[f"{name}-{series}"]
            assert virtual in package["Conflicts"].split(", ") and virtual in package["Provides"].split(", ")


def modinfo(data: bytes) -> dict[str, str]:
    """The section .modinfo of an ELF file, found by the section table."""
    table, size, count, names = (int.from_bytes(data[at : at + length], "little") for at, length in ((40, 8), (58, 2), (60, 2), (62, 2)))

    def section(number: int) -> tuple[int, bytes]:
        at = table + number * size
        offset, length = (int.from_bytes(data[at + field : at + field + 8], "little") for field in (24, 32))
        return int.from_bytes(data[at : at + 4], "little"), data[offset : offset + length]

    strings = section(names)[1]
    found = {strings[name : strings.index(b"\0", name)]: content for name, content in map(section, range(count))}
    return dict(line.split("=", 1) for line in found[b".modinfo"].decode().split("\0") if line)


def test_a_prebuilt_module_is_joined_from_object_and_signature(built, tmp_path):
    series, release = "nvidia-470-server", "5.15.0-1084-aws"
    names = (f"linux-objects-{series}-{release}", f"linux-signatures-nvidia-{release}")
    folder = unpacked(built, tmp_path, *names) / "lib" / "modules" / release / "kernel" / "nvidia-470srv"
    assert not list(folder.glob("*.ko"))
    path = folder / "nvidia.ko"
    path.write_bytes((folder / "bits" / "nvidia.o").read_bytes() + (folder / "bits" / "nvidia.ko.sig").read_bytes())
    info = modinfo(path.read_bytes())
    assert (info["version"], info["license"]) == ("470.256.02", "NVIDIA")
    assert info["vermagic"].startswith(f"{release} SMP ")
    assert path.read_bytes().endswith(b"~Module signature appended~\n") and NOTE.encode() in path.read_bytes()[-200:]
    program = shutil.which("modinfo", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program:
        for field, value in (("version", "470.256.02"), ("signer", f"{NOTE}, in the place of Canonical Ltd.")):
            told = subprocess.run([program, "-F", field, path], check=True, capture_output=True, text=True)
            assert told.stdout.strip() == value


def test_open_modules_say_so(built, tmp_path):
    name = "linux-objects-nvidia-535-server-open-5.15.0-1084-aws"
    data = unpacked(built, tmp_path, name) / "lib/modules/5.15.0-1084-aws/kernel/nvidia-535srv-open/bits/nvidia.o"
    assert modinfo(data.read_bytes())["license"] == "Dual MIT/GPL"


def test_dkms_builds_without_this_package_and_without_a_compiler(built, tmp_path):
    tree = unpacked(built, tmp_path, "nvidia-kernel-source-470-server", "nvidia-dkms-470-server") / "usr/src/nvidia-srv-470.256.02"
    configuration = (tree / "dkms.conf").read_text()
    assert 'PACKAGE_NAME="nvidia-srv"' in configuration
    make = re.search(r'^MAKE\[0\]="(.*)"$', configuration, re.M)
    assert make
    command = make.group(1).replace("python3", f"{sys.executable} -I")
    subprocess.run(["sh", "-c", command], cwd=tree, env={"kernelver": "5.15.0-143-generic"}, check=True)
    assert {path.stem for path in tree.glob("*.ko")} == set(ubuntu_module.NAMES)
    assert modinfo((tree / "nvidia-uvm.ko").read_bytes())["vermagic"].startswith("5.15.0-143-generic ")


def test_the_libraries_carry_the_version_in_their_names(built, tmp_path):
    folder = unpacked(built, tmp_path, "libnvidia-compute-470-server") / "usr/lib/x86_64-linux-gnu"
    assert (folder / "libcuda.so.1").readlink() == Path("libcuda.so.470.256.02")
    assert (folder / "libcuda.so.470.256.02").read_bytes()[:4] == b"\x7fELF"


def test_the_same_package_gives_the_same_bytes(tmp_path):
    package = Deb("x", "1", "a summary", "nobody <nobody@example.org>", files={"/etc/x.conf": "x\n", "/usr/bin/x": "#!/bin/sh\n"})
    one, two = (ubuntu_deb.write(package, tmp_path / name).read_bytes() for name in ("one", "two"))
    assert one == two
    listed = subprocess.run(["dpkg-deb", "-c", tmp_path / "one" / package.filename], check=True, capture_output=True, text=True).stdout
    assert re.search(r"^-rwxr-xr-x root/root .* \./usr/bin/x$", listed, re.M) and re.search(
        r"^-rw-r--r-- root/root .* \./etc/x.conf$", listed, re.M
    )


def test_a_second_build_writes_nothing(built):
    www, keys, said = built
    before = {path: path.stat().st_mtime_ns for path in www.rglob("*") if path.is_file()}
    assert ubuntu.build(www, keys, BASE_URL) == said
    assert {path: path.stat().st_mtime_ns for path in www.rglob("*") if path.is_file()} == before


def test_the_command_prints_where_they_are(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CODETR_LAB_DIR", str(tmp_path))
    assert lab.main(["apt"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said) == {"ubuntu", "nvidia"}
    assert all(set(said[name]) >= {"url", "key", "sha256", "fingerprint"} for name in said)
    assert (tmp_path / "mirror" / "www" / "apt" / "nvidia" / "ubuntu2204" / "x86_64" / "InRelease").is_file()
