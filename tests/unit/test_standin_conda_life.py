"""One whole life of the stand-in for Miniconda on this machine, where there is a CPython 3.10 to build it from."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "molecule" / "shared"))

from lab import python310
from lab.standins import conda as standin

# Longer than the prefix that any interpreter was built for, so that no replacement can be a lucky fit.
LONG = "an-environment-with-a-name-that-makes-its-prefix-longer-than-the-one-the-interpreter-was-built-for"


class Quiet(SimpleHTTPRequestHandler):
    """A web server that keeps its log to itself."""

    def log_message(self, format: str, *args: object) -> None:
        pass


class Site:
    """A built stand-in, served, and a place to install it."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self.www, self.base_url, self.prefix, self.home = folder / "www", base_url, folder / "miniconda", folder / "home"
        self.conda = self.prefix / "bin" / "conda"
        self.home.mkdir()

    def build(self) -> dict[str, Any]:
        return standin.build(self.www, self.base_url, python310.find() or "")

    def installer(self, version: str) -> Path:
        return self.www / "miniconda" / f"Miniconda3-py310_{version}-Linux-x86_64.sh"

    def create(self, prefix: Path) -> subprocess.CompletedProcess[str]:
        options = ["--yes", "--quiet", "--prefix", prefix, "--override-channels", "--channel", "conda-forge"]
        return self.run(self.conda, "create", *options, "python=3.10", "pip")

    def run(self, *argv: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), **extra}
        return subprocess.run([str(part) for part in argv], env=environment, capture_output=True, text=True, check=False)


@cache
def ready(base: Path) -> Site:
    """The stand-in, built, served until the tests are over, and installed with its older version; once for all that ask."""
    if python310.find() is None:
        pytest.skip(f"no CPython 3.10 on this machine; name one in {python310.VARIABLE}")
    folder = base / "conda"
    (folder / "www").mkdir(parents=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder / "www")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made = Site(folder, f"http://127.0.0.1:{server.server_port}")
    made.build()
    done = made.run("bash", made.installer("24.11.1-0"), "-b", "-p", made.prefix)
    assert done.returncode == 0, done.stderr
    assert "stand-in" in done.stdout
    (made.prefix / ".condarc").write_text(f"channels: [conda-forge]\nchannel_alias: {made.base_url}/conda\n")
    return made


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The stand-in, installed."""
    return ready(tmp_path_factory.getbasetemp())


def test_records_name_the_installers_and_are_marked(site: Site) -> None:
    result = site.build()
    record = result["artifacts"]["miniconda3-py310_24.11.1-0-linux-x86_64"]
    assert record["urls"] == [f"{site.base_url}/miniconda/Miniconda3-py310_24.11.1-0-Linux-x86_64.sh"]
    assert record["size"] == site.installer("24.11.1-0").stat().st_size
    assert all(entry["stand_in"] is True for entry in result["artifacts"].values())
    assert result["config"] == {"miniconda_channel_alias": f"{site.base_url}/conda"}
    assert set(result["stand_ins"]) == set(standin.UPSTREAMS)


def test_a_second_build_leaves_the_files_alone(site: Site) -> None:
    before = site.installer("25.3.1-1").stat()
    site.build()
    assert site.installer("25.3.1-1").stat() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-b", "-p", "{prefix}"], "already exists: '{prefix}'"),
        (["-b", "-p", "{home}/with space"], "Cannot install into directories with spaces"),
        (["-p", "{home}/new"], "use batch mode"),
        (["-b", "-z"], "did not recognize an option"),
        (["-b", "-p", "{home}/new", "more"], "options only"),
    ],
)
def test_the_installer_refuses(site: Site, arguments: list[str], message: str) -> None:
    places = {"prefix": str(site.prefix), "home": str(site.home)}
    done = site.run("bash", site.installer("24.11.1-0"), *(argument.format(**places) for argument in arguments))
    assert done.returncode == 1
    assert message.format(**places) in done.stdout + done.stderr
    assert not (site.home / "new").exists()


def test_a_cut_installer_installs_nothing(site: Site, tmp_path: Path) -> None:
    (tmp_path / "cut.sh").write_bytes(site.installer("24.11.1-0").read_bytes()[:1_000_000])
    done = site.run("bash", tmp_path / "cut.sh", "-b", "-p", tmp_path / "new")
    assert done.returncode == 1 and "incomplete or damaged" in done.stderr
    assert not (tmp_path / "new" / "conda-meta").exists()


@pytest.fixture(scope="module")
def env(site: Site) -> Path:
    """An environment as the roles make it."""
    prefix = site.home.parent / LONG
    done = site.create(prefix)
    assert done.returncode == 0, done.stderr
    return prefix


def test_conda_says_its_version_and_nothing_else(site: Site) -> None:
    done = site.run(site.prefix / "bin" / "conda", "--version")
    assert (done.returncode, done.stdout) == (0, "conda 24.11.1\n")


def test_an_environment_says_where_it_came_from(site: Site, env: Path) -> None:
    assert "# update specs: ['python=3.10', 'pip']" in (env / "conda-meta" / "history").read_text()
    [record] = (env / "conda-meta").glob("python-3.10.*.json")
    assert json.loads(record.read_text())["url"].startswith(site.base_url)
    umask = os.umask(0)
    os.umask(umask)
    assert record.stat().st_mode & 0o777 == 0o666 & ~umask


def test_the_interpreter_finds_itself_and_its_own_libraries(site: Site, env: Path) -> None:
    script = "import bz2, ctypes, json, lzma, readline, sqlite3, ssl, sys, sysconfig, zlib\n"
    script += "own = [sys.prefix, sysconfig.get_path('include'), sysconfig.get_config_var('LIBDIR')]\n"
    script += "own += [line.split()[-1] for line in open('/proc/self/maps') if 'libssl' in line or 'libpython' in line]\n"
    script += "print(json.dumps(own))"
    told = json.loads(site.run(env / "bin" / "python", "-c", script).stdout)
    assert told[:3] == [str(env), f"{env}/include/python3.10", f"{env}/lib"]
    assert all(path.startswith(f"{env}/lib/") for path in told[3:])
    assert site.run(env / "bin" / "pip", "--version").stdout.endswith("(python 3.10)\n")


@pytest.mark.skipif(shutil.which("gcc", path="/usr/bin:/bin") is None, reason="no gcc on this machine")
def test_an_extension_compiles_and_pip_installed_things_are_listed(site: Site, env: Path, tmp_path: Path) -> None:
    (tmp_path / "made.c").write_text(
        '#include <Python.h>\nstatic struct PyModuleDef made = {PyModuleDef_HEAD_INIT, "made"};\n'
        "PyMODINIT_FUNC PyInit_made(void) { return PyModule_Create(&made); }\n"
    )
    (tmp_path / "setup.py").write_text(
        "from setuptools import Extension, setup\nsetup(name='made', version='1', ext_modules=[Extension('made', ['made.c'])])\n"
    )
    done = site.run(env / "bin" / "pip", "install", "--no-index", "--no-build-isolation", tmp_path)
    assert done.returncode == 0, done.stderr
    assert site.run(env / "bin" / "python", "-c", "import made").returncode == 0
    rows = {row["name"]: row for row in json.loads(site.run(site.prefix / "bin" / "conda", "list", "--prefix", env, "--json").stdout)}
    assert (rows["python"]["channel"], rows["made"]["channel"]) == ("conda-forge", "pypi")


def test_an_upgrade_keeps_environments_and_settings(site: Site, env: Path) -> None:
    condarc = (site.prefix / ".condarc").read_text()
    done = site.run("bash", site.installer("25.3.1-1"), "-b", "-u", "-p", site.prefix)
    assert done.returncode == 0, done.stderr
    assert site.run(site.prefix / "bin" / "conda", "--version").stdout == "conda 25.3.1\n"
    assert [path.name.split("-")[1] for path in (site.prefix / "conda-meta").glob("conda-*.json")] == ["25.3.1"]
    assert site.run(env / "bin" / "python", "-m", "pip", "--version").returncode == 0
    assert (site.prefix / ".condarc").read_text() == condarc


def test_no_start_up_file_of_a_shell_is_touched(site: Site, env: Path) -> None:
    assert {path.name for path in site.home.iterdir()} <= {".conda"}
    assert str(env) in (site.home / ".conda" / "environments.txt").read_text().splitlines()


def test_a_creation_that_was_cut_short_is_refused_and_can_be_removed(site: Site, tmp_path: Path) -> None:
    (tmp_path / "env" / "conda-meta").mkdir(parents=True)
    done = site.create(tmp_path / "env")
    assert (done.returncode, f"prefix already exists: {tmp_path}/env" in done.stderr) == (1, True)
    (tmp_path / "env" / "conda-meta" / "history").touch()
    assert site.run(site.prefix / "bin" / "conda", "env", "remove", "--yes", "--prefix", tmp_path / "env").returncode == 0
    assert not (tmp_path / "env").exists()
