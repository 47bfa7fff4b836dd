"""The stand-in for Miniconda: its parts. What a whole one does is in test_standin_conda_life.py."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "molecule" / "shared"))

from lab.settings import LabError
from lab.standins import conda_channels, conda_elf, conda_package, conda_zstd
from lab.standins.conda_python import UnsuitablePython, examine

PAYLOAD = Path(conda_package.__file__).parent / "conda_payload"
RUNPATH, RPATH = 29, 15


def elf(path: Path, search_path: str | None) -> Path:
    """The smallest file that has what the loader reads: two program headers, a dynamic section, a string table."""
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


def test_a_file_without_a_search_path_is_left_alone(tmp_path: Path) -> None:
    path = elf(tmp_path / "library.so", None)
    before = path.read_bytes()
    assert not conda_elf.set_search_path(path, "$ORIGIN")
    assert path.read_bytes() == before


def test_a_search_path_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no room"):
        conda_elf.set_search_path(elf(tmp_path / "library.so", "/lib"), "$ORIGIN/../lib")


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


def test_a_tar_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    for name, modified in (("one", 1), ("two", 2_000_000_000)):
        path = tmp_path / name / "file"
        path.parent.mkdir()
        path.write_text("same")
        os.utime(path, (modified, modified))
    one, two = (conda_package.tar({"": tmp_path / name}) for name in ("one", "two"))
    assert one == two
    (tmp_path / "two" / "file").write_text("other")
    assert conda_package.tar({"": tmp_path / "two"}) != one


def test_a_tar_can_be_continued_by_another(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
    first = conda_package.tar({"": tmp_path / "one"}, more=True)
    joined = conda_package.gzipped(first) + conda_package.gzipped(conda_package.tar({"": tmp_path / "two"}))
    (tmp_path / "both.tar.gz").write_bytes(joined)
    done = subprocess.run(["tar", "-tzf", str(tmp_path / "both.tar.gz")], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("one\ntwo\n", "")


@pytest.mark.parametrize("size", [0, 1, 128 * 1024, 128 * 1024 + 1, 256 * 1024])
def test_a_frame_ends_where_its_data_ends(size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    frame = conda_zstd.stored(content)
    assert frame[:6] == b"\x28\xb5\x2f\xfd\x80\x50" and int.from_bytes(frame[6:10], "little") == size
    place, found, last = 10, b"", 0
    while not last:
        assert place < len(frame), "no block says that it is the last"
        header = int.from_bytes(frame[place : place + 3], "little")
        last, kind, length = header & 1, header >> 1 & 3, header >> 3
        assert kind == 0
        found += frame[place + 3 : place + 3 + length]
        place += 3 + length
    assert (found, place) == (content, len(frame))


@pytest.mark.parametrize("size", [0, 1_000_000])
def test_a_stored_package_is_read_by_others(tmp_path: Path, size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    root = tmp_path / "root"
    (root / "lib").mkdir(parents=True)
    (root / "lib" / "file").write_bytes(content)
    package = conda_package.Package("tool", "1", "0", root, stored=True)
    conda_package.write_channel(tmp_path / "channel", [package])
    document = json.loads((tmp_path / "channel" / "linux-64" / "repodata.json").read_text())
    assert (document["packages"], list(document["packages.conda"])) == ({}, ["tool-1-0.conda"])
    package_streaming = pytest.importorskip("rattler.package_streaming")
    package_streaming.extract(tmp_path / "channel" / "linux-64" / "tool-1-0.conda", tmp_path / "out")
    assert (tmp_path / "out" / "lib" / "file").read_bytes() == content
    assert json.loads((tmp_path / "out" / "info" / "index.json").read_text())["name"] == "tool"


def test_the_same_wheels_make_the_same_packages_and_each_says_what_it_is(tmp_path: Path) -> None:
    names = ("certifi", "charset_normalizer", "idna", "numpy", "pillow", "requests", "typing_extensions", "urllib3")
    for name in names:
        wheel(tmp_path / f"{name}-1-py3-none-any.whl", "tool/__init__.py")
    sums = []
    for turn in ("one", "two"):
        (tmp_path / turn).mkdir()
        for channel, packages in conda_channels.packages(tmp_path, tmp_path / turn).items():
            conda_package.write_channel(tmp_path / turn / channel, packages)
        sums.append({path.name: path.read_bytes() for path in (tmp_path / turn).rglob("*") if path.suffix in (".bz2", ".conda", ".json")})
    assert sums[0] == sums[1]
    for text in [
        *(tmp_path / "one").rglob("STAND-IN-*.txt"),
        *(tmp_path / "one").glob("*torch*/lib/python3.10/site-packages/*/__init__.py"),
    ]:
        assert "STAND-IN for " in text.read_text() and "computes nothing" in text.read_text()


def wheel(path: Path, extra: str = "tool/__init__.py") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tool-1.dist-info/METADATA", "Name: tool\nVersion: 1\n")
        archive.writestr("tool-1.dist-info/entry_points.txt", "[console_scripts]\ntool = tool:main\ntool3.9 = tool:main\n")
        archive.writestr(extra, "")
    return path


def test_scripts_named_after_another_python_are_dropped(tmp_path: Path) -> None:
    assert conda_package.unpack_wheel(wheel(tmp_path / "tool.whl"), tmp_path / "out") == ("tool = tool:main",)


def test_a_wheel_with_a_data_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="data folder"):
        conda_package.unpack_wheel(wheel(tmp_path / "tool.whl", "tool-1.data/scripts/tool"), tmp_path / "out")


@pytest.mark.parametrize(
    ("implementation", "version", "prefix", "message"),
    [
        ("cpython", "3.9.1", "/x", r"is cpython 3\.9\.1"),
        ("pypy", "3.10.1", "/x", "is pypy"),
        ("cpython", "3.10.1", "/usr", "shares /usr"),
    ],
)
def test_only_a_cpython_310_in_a_folder_of_its_own_is_packed(
    tmp_path: Path, implementation: str, version: str, prefix: str, message: str
) -> None:
    answer = {"implementation": implementation, "version": version, "prefix": prefix, "stdlib": "", "include": "", "libdir": ""}
    with pytest.raises(UnsuitablePython, match=message) as caught:
        examine(fake_python(tmp_path, json.dumps(answer)))
    assert isinstance(caught.value, LabError)


def test_an_interpreter_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsuitablePython, match="does not run"):
        examine(fake_python(tmp_path, "no JSON"))


def fake_python(folder: Path, answer: str) -> Path:
    path = folder / "python3.10"
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def payload_environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which this interpreter finds the stand-in's own code, and a home of its own."""
    (tmp_path / "home").mkdir()
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "PYTHONPATH": str(PAYLOAD), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["update", "numpy"], 2, "invalid choice: 'update'"),
        (["config", "--system", "--set", "a", "b"], 2, "invalid choice: 'config'"),
        (["create", "--yes", "--json", "--prefix", "x"], 2, "unrecognized arguments: --json"),
        (["create", "--ye", "--prefix", "x"], 2, "unrecognized arguments: --ye"),
        (["create", "--yes"], 2, "one of the arguments -n/--name -p/--prefix is required"),
        (["init", "zsh"], 2, "invalid choice: 'zsh'"),
        (["create", "--prefix", "x"], 1, "needs --yes"),
        (["create", "--yes", "--prefix", "x", "--override-channels", "python"], 1, "At least one -c / --channel flag"),
        (["create", "--yes", "--prefix", "x", "python"], 1, "channel 'defaults'"),
        (["install", "--yes", "--prefix", "/nowhere", "python"], 1, "EnvironmentLocationNotFound: Not a conda environment: /nowhere"),
        (["list", "--prefix", "/nowhere"], 1, "EnvironmentLocationNotFound: Not a conda environment: /nowhere"),
        (["env", "remove", "--yes", "--prefix", "/nowhere"], 1, "Not a conda environment: /nowhere"),
    ],
)
def test_other_commands_are_rejected(
    payload_environment: dict[str, str], tmp_path: Path, arguments: list[str], status: int, message: str
) -> None:
    command = [sys.executable, "-m", "conda", *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=payload_environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr and "stand-in" in done.stderr


LOAD = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from conda import CondaError, condarc
try:
    print(json.dumps(asdict(condarc.load(Path(sys.argv[1]))), default=str))
except CondaError as error:
    print(json.dumps({"error": str(error)}))
"""


def settings(environment: dict[str, str], root: Path, **extra: str) -> dict[str, Any]:
    command = [sys.executable, "-c", LOAD, str(root)]
    return json.loads(subprocess.run(command, env={**environment, **extra}, capture_output=True, text=True, check=True).stdout)


def test_settings_come_from_files_and_environment(payload_environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".condarc").write_text(
        "channels: [base-channel, both]\nchannel_alias: http://mirror/\nauto_update_conda: 'false'\nunheard_of: 1\n"
    )
    (tmp_path / "home" / ".condarc").write_text("channels: [both]\nenvs_dirs: [~/envs]\n")
    (tmp_path / "named").write_text("channels: [named]\npkgs_dirs: [$HOME/cache]\n")
    found = settings(payload_environment, tmp_path, CONDARC=str(tmp_path / "named"))
    assert found["channels"] == ["named", "both", "base-channel"]
    assert found["channel_alias"] == "http://mirror"
    assert found["auto_update_conda"] is False
    assert found["pkgs_dirs"] == [str(tmp_path / "home" / "cache")]
    assert found["envs_dirs"][0] == str(tmp_path / "home" / "envs")


def test_the_package_cache_can_be_named_in_the_environment(payload_environment: dict[str, str], tmp_path: Path) -> None:
    assert settings(payload_environment, tmp_path, CONDA_PKGS_DIRS="/a,/b")["pkgs_dirs"] == ["/a", "/b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "Unable to load"),
        ("- a\n", "not a mapping"),
        ("channels: one\n", "list of texts"),
        ("auto_update_conda: maybe\n", "true or false"),
    ],
)
def test_settings_that_make_no_sense_are_refused(payload_environment: dict[str, str], tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / ".condarc").write_text(text)
    assert message in settings(payload_environment, tmp_path)["error"]
