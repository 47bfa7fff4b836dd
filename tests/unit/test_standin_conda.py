"""The stand-in for Miniconda: how its packages are built, and the commands that the roles run, on a CPython 3.10 of this machine."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from lab import python310
from lab.standins import conda, conda_elf, conda_package
from lab.standins.conda_python import UnsuitablePython, examine

RUNPATH, RPATH = 29, 15
# Longer than the prefix that any interpreter was built for, so that no replacement fits by chance.
LONG = "an-environment-with-a-name-that-makes-its-prefix-longer-than-the-one-the-interpreter-was-built-for"
GUIDE = ("pytorch=1.11.0=py3.10_cuda11.3_cudnn8.2.0_0", "torchvision=0.12.0", "cudatoolkit=11.3", "mkl<2024.1", "numpy=1.23.5")
VERSIONS = "import torch, torchvision, numpy; print(torch.__version__, torch.version.cuda, torchvision.__version__, numpy.__version__)"


def elf(path: Path, search_path: str | None) -> Path:
    """Write the smallest file with what the loader reads: two program headers, a dynamic section, a string table."""
    strings = b"\0" + (search_path or "").encode() + b"\0after\0"
    dynamic = [(5, 512)] + ([(RUNPATH, 1)] if search_path else []) + [(0, 0)]
    table = b"".join(struct.pack("<QQ", *entry) for entry in dynamic)
    header = b"\x7fELF\x02\x01".ljust(0x20, b"\0") + struct.pack("<Q", 64) + b"\0" * 14 + struct.pack("<HH", 56, 2)
    load = struct.pack("<IIQQQQQQ", 1, 0, 0, 0, 0, 1024, 1024, 0)
    where = struct.pack("<IIQQQQQQ", 2, 0, 256, 256, 256, len(table), len(table), 0)
    data = (header.ljust(64, b"\0") + load + where).ljust(256, b"\0") + table
    path.write_bytes(data.ljust(512, b"\0") + strings.ljust(512, b"\0"))
    return path


def test_a_search_path_is_replaced_in_place_and_becomes_inherited(tmp_path: Path) -> None:
    path = elf(tmp_path / "library.so", "/where/it/was/built/lib")
    assert conda_elf.set_search_path(path, "$ORIGIN/../lib")
    data = path.read_bytes()
    assert data[512:].startswith(b"\0$ORIGIN/../lib\0") and b"\0after\0" in data
    assert b"built" not in data and len(data) == 1024
    assert struct.unpack_from("<QQ", data, 256 + 16) == (RPATH, 1)
    assert not conda_elf.set_search_path(elf(tmp_path / "none.so", None), "$ORIGIN")
    with pytest.raises(ValueError, match="no room"):
        conda_elf.set_search_path(elf(tmp_path / "short.so", "/lib"), "$ORIGIN/../lib")


@pytest.mark.parametrize("size", [0, 1_000_000])
def test_a_channel_depends_on_its_contents_only_and_rattler_reads_it(tmp_path: Path, size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    made = []
    for turn, modified in (("one", 1), ("two", 2_000_000_000)):
        root = tmp_path / turn / "root"
        (root / "lib").mkdir(parents=True)
        (root / "lib" / "file").write_bytes(content)
        os.utime(root / "lib" / "file", (modified, modified))
        conda_package.write_channel(tmp_path / turn / "channel", [conda_package.Package("tool", "1", "0", root, stored=True)])
        made.append({path.name: path.read_bytes() for path in (tmp_path / turn / "channel").rglob("*") if path.is_file()})
    assert made[0] == made[1]
    package_streaming = pytest.importorskip("rattler.package_streaming")
    package_streaming.extract(tmp_path / "one" / "channel" / "linux-64" / "tool-1-0.conda", tmp_path / "out")
    assert (tmp_path / "out" / "lib" / "file").read_bytes() == content


def test_a_package_marks_the_files_that_name_the_prefix(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").write_text(f"#!{conda_package.BUILD_PREFIX}/bin/python\n")
    (tmp_path / "bin" / "plain").write_text("nothing\n")
    (tmp_path / "bin" / "alias").symlink_to("tool")
    package = conda_package.Package("tool", "1", "0", tmp_path)
    package.describe()
    package.describe()
    paths = {entry["_path"]: entry for entry in json.loads((tmp_path / "info" / "paths.json").read_text())["paths"]}
    assert set(paths) == {"bin/tool", "bin/plain", "bin/alias"}
    assert paths["bin/tool"]["prefix_placeholder"] == conda_package.BUILD_PREFIX
    assert "prefix_placeholder" not in paths["bin/plain"]
    assert paths["bin/alias"]["path_type"] == "softlink"


def test_a_wheel_with_a_data_folder_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "tool.whl", "w") as archive:
        archive.writestr("tool-1.data/scripts/tool", "")
    with pytest.raises(ValueError, match="data folder"):
        conda_package.unpack_wheel(tmp_path / "tool.whl", tmp_path / "out")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"implementation": "cpython", "version": "3.9.1", "prefix": "/x"}, r"is cpython 3\.9\.1"),
        ({"implementation": "cpython", "version": "3.10.1", "prefix": "/usr"}, "shares /usr"),
        (None, "does not run"),
    ],
)
def test_only_a_cpython_310_in_a_folder_of_its_own_is_packed(tmp_path: Path, answer: dict[str, str] | None, message: str) -> None:
    path = tmp_path / "python3.10"
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(answer) if answer else 'no JSON'}\nEND\n")
    path.chmod(0o755)
    with pytest.raises(UnsuitablePython, match=message):
        examine(path)


class Quiet(SimpleHTTPRequestHandler):
    """A web server that logs nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


class Site:
    """A built stand-in, served, and a prefix to install it to."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self.www, self.base_url, self.prefix, self.home = folder / "www", base_url, folder / "miniconda", folder / "home"
        self.env = folder / LONG
        self.home.mkdir()

    def build(self) -> dict[str, Any]:
        return conda.build(self.www, self.base_url, python310.find() or "")

    def installer(self, version: str) -> Path:
        return self.www / "miniconda" / f"Miniconda3-py310_{version}-Linux-x86_64.sh"

    def conda(self, command: str, prefix: Path, *specs: str, channels: tuple[str, ...] = ("pytorch", "conda-forge")) -> Any:
        named = [word for channel in channels for word in ("--channel", channel)]
        options = ["--yes", "--quiet", "--prefix", prefix, "--override-channels", *named, *specs]
        return self.run(self.prefix / "bin" / "conda", command, *options)

    def run(self, *argv: str | Path) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.home)}
        return subprocess.run([str(part) for part in argv], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The stand-in, served and installed in its older version, with one environment."""
    if python310.find() is None:
        pytest.skip(f"no CPython 3.10 on this machine; name one in {python310.VARIABLE}")
    folder = tmp_path_factory.mktemp("conda")
    (folder / "www").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder / "www"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made = Site(folder, f"http://127.0.0.1:{server.server_port}")
        made.build()
        made.prefix.mkdir()
        done = made.run("bash", made.installer("24.11.1-0"), "-b", "-u", "-p", made.prefix)
        assert done.returncode == 0, done.stderr
        assert "stand-in" in done.stdout
        (made.prefix / ".condarc").write_text(f"channels: [conda-forge]\nchannel_alias: {made.base_url}/conda\n")
        done = made.conda("create", made.env, "python=3.10", "pip", channels=("conda-forge",))
        assert done.returncode == 0, done.stderr
        yield made
        server.shutdown()


def test_records_name_the_installers_and_channels_and_are_marked(site: Site) -> None:
    before = site.installer("25.3.1-1").stat()
    result = site.build()
    assert site.installer("25.3.1-1").stat() == before, "a second build must leave the files alone"
    record = result["artifacts"]["miniconda3-py310_24.11.1-0-linux-x86_64"]
    assert record["urls"] == [f"{site.base_url}/miniconda/Miniconda3-py310_24.11.1-0-Linux-x86_64.sh"]
    assert record["size"] == site.installer("24.11.1-0").stat().st_size
    assert all(entry["stand_in"] is True for entry in result["artifacts"].values())
    assert set(result["stand_ins"]) == set(conda.UPSTREAMS) and {"conda-forge", "pytorch"} < set(result["artifacts"])
    assert result["config"] == {"miniconda_channel_alias": f"{site.base_url}/conda"}


def test_an_incomplete_installer_installs_nothing(site: Site, tmp_path: Path) -> None:
    (tmp_path / "cut.sh").write_bytes(site.installer("24.11.1-0").read_bytes()[:1_000_000])
    done = site.run("bash", tmp_path / "cut.sh", "-b", "-p", tmp_path / "new")
    assert done.returncode == 1 and "incomplete or damaged" in done.stderr
    assert not (tmp_path / "new" / "conda-meta").exists()


def test_the_interpreter_finds_itself_and_its_own_libraries(site: Site) -> None:
    script = "import bz2, ctypes, json, lzma, readline, sqlite3, ssl, sys, sysconfig, zlib\n"
    script += "own = [sys.prefix, sysconfig.get_path('include'), sysconfig.get_config_var('LIBDIR')]\n"
    script += "own += [line.split()[-1] for line in open('/proc/self/maps') if 'libssl' in line or 'libpython' in line]\n"
    script += "print(json.dumps(own))"
    found = json.loads(site.run(site.env / "bin" / "python", "-c", script).stdout)
    assert found[:3] == [str(site.env), f"{site.env}/include/python3.10", f"{site.env}/lib"]
    assert all(path.startswith(f"{site.env}/lib/") for path in found[3:])
    assert site.run(site.env / "bin" / "pip", "--version").stdout.endswith("(python 3.10)\n")


def test_the_guides_command_installs_what_it_names_and_a_second_one_nothing(site: Site) -> None:
    done = site.conda("install", site.env, *GUIDE)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert site.run(site.env / "bin" / "python", "-c", VERSIONS).stdout == "1.11.0 11.3 0.12.0 1.23.5\n"
    [record] = (site.env / "conda-meta").glob("pytorch-1.11.0-*.json")
    assert json.loads(record.read_text())["build"] == "py3.10_cuda11.3_cudnn8.2.0_0"
    first, second = (site.env / "conda-meta" / "history").read_text().split("==> ")[1:]
    assert "+conda-forge/linux-64::python-3.10." in first and "# update specs: ['python=3.10', 'pip']" in first
    assert "+pytorch/linux-64::pytorch-1.11.0-py3.10_cuda11.3_cudnn8.2.0_0\n" in second
    assert site.conda("install", site.env, *GUIDE).stdout == "\n# All requested packages already installed.\n\n"
    assert site.run(site.env / "bin" / "pip", "uninstall", "--yes", "torch").returncode == 0
    assert site.run(site.env / "bin" / "python", "-c", "import torch").returncode == 1


@pytest.mark.parametrize(
    ("specs", "channels", "word"),
    [
        (["numpy=7"], ("conda-forge",), "PackagesNotFoundError"),
        (["pytorch"], ("pytorch",), "UnsatisfiableError"),
        (["pip"], ("conda-forge", "nosuch"), "UnavailableInvalidChannel"),
    ],
)
def test_errors_have_condas_names(site: Site, tmp_path: Path, specs: list[str], channels: tuple[str, ...], word: str) -> None:
    done = site.conda("create", tmp_path / "env", *specs, channels=channels)
    assert done.returncode == 1 and f"\n{word}: " in done.stderr


@pytest.mark.parametrize("words", [("list",), ("create", "--prefix", "x", "python"), ("init", "zsh")])
def test_other_commands_are_rejected(site: Site, words: tuple[str, ...]) -> None:
    done = site.run(site.prefix / "bin" / "conda", *words)
    assert (done.returncode, done.stdout) == (2, "") and "stand-in for conda supports only" in done.stderr


def test_an_interrupted_creation_is_refused_until_it_is_removed(site: Site, tmp_path: Path) -> None:
    (tmp_path / "env" / "conda-meta").mkdir(parents=True)
    done = site.conda("create", tmp_path / "env", "pip", channels=("conda-forge",))
    assert (done.returncode, f"prefix already exists: {tmp_path}/env" in done.stderr) == (1, True)
    shutil.rmtree(tmp_path / "env")
    assert site.conda("create", tmp_path / "env", "pip", channels=("conda-forge",)).returncode == 0


def test_an_upgrade_keeps_environments_and_settings(site: Site) -> None:
    condarc = (site.prefix / ".condarc").read_text()
    done = site.run("bash", site.installer("25.3.1-1"), "-b", "-u", "-p", site.prefix)
    assert done.returncode == 0, done.stderr
    assert site.run(site.prefix / "bin" / "conda", "--version").stdout == "conda 25.3.1\n"
    assert [path.name.split("-")[1] for path in (site.prefix / "conda-meta").glob("conda-*.json")] == ["25.3.1"]
    assert site.run(site.env / "bin" / "python", "-m", "pip", "--version").returncode == 0
    assert (site.prefix / ".condarc").read_text() == condarc
    assert {path.name for path in site.home.iterdir()} <= {".conda"}, "no shell's start-up file may change"
