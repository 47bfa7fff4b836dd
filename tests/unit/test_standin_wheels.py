"""The stand-ins for stack cu113's wheels: valid, the same bytes each time, and honest."""

from __future__ import annotations

import base64
import email
import hashlib
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from lab import python310, upstreams
from lab.standins import wheels

NAMES = {
    "torch-1.11.0-cu113-cp310": "torch-1.11.0+cu113-cp310-cp310-linux_x86_64.whl",
    "torchvision-0.12.0-cu113-cp310": "torchvision-0.12.0+cu113-cp310-cp310-linux_x86_64.whl",
    "mmcv-full-1.6.0-cu113-torch1.11-cp310": "mmcv_full-1.6.0-cp310-cp310-manylinux1_x86_64.whl",
}
SAYS = "made by the test lab of codetr-provision; computes nothing"


class Quiet(SimpleHTTPRequestHandler):
    """A web server that keeps its log to itself."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def www(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wheels") / "www"


@pytest.fixture(scope="module")
def made(www: Path) -> Iterator[dict[str, Any]]:
    """The wheels, built and served."""
    www.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(www))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield wheels.build(www, f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()


def test_records_are_the_roles_and_name_the_real_files(made: dict[str, Any], www: Path) -> None:
    assert set(made["artifacts"]) == set(NAMES) == set(wheels.UPSTREAMS) == set(made["stand_ins"])
    for name, record in made["artifacts"].items():
        path = www / "wheels" / NAMES[name]
        assert record["urls"][0].endswith("/wheels/" + NAMES[name].replace("+", "%2B")) and "//wheels" not in record["urls"][0]
        assert record["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert (record["size"], record["stand_in"]) == (path.stat().st_size, True)


def test_the_same_bytes_come_out_twice_and_the_second_call_builds_nothing(
    made: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base_url = made["artifacts"]["torch-1.11.0-cu113-cp310"]["urls"][0].partition("/wheels")[0]
    assert wheels.build(tmp_path / "www", base_url) == made
    monkeypatch.setattr(wheels, "wheel", lambda shim: pytest.fail("built again"))
    assert wheels.build(tmp_path / "www", base_url) == made


@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_whole_wheel(made: dict[str, Any], www: Path, name: str) -> None:
    with zipfile.ZipFile(www / "wheels" / NAMES[name]) as archive:
        assert archive.testzip() is None
        files = {entry: archive.read(entry) for entry in archive.namelist()}
    project, version = NAMES[name].split("-")[:2]
    lines = [line.rsplit(",", 2) for line in files[f"{project}-{version}.dist-info/RECORD"].decode().splitlines()]
    assert {entry for entry, _, _ in lines} == set(files)
    for entry, digest, size in lines[:-1]:
        assert digest == "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(files[entry]).digest()).decode().rstrip("=")
        assert int(size) == len(files[entry])
    metadata = email.message_from_bytes(files[f"{project}-{version}.dist-info/METADATA"])
    assert (metadata["Name"].replace("-", "_"), metadata["Version"]) == (project, version)
    assert metadata["Summary"].startswith("STAND-IN") and metadata["Summary"].endswith(SAYS)
    assert f"Tag: {NAMES[name].split('-', 2)[2].removesuffix('.whl')}" in files[f"{project}-{version}.dist-info/WHEEL"].decode()
    assert b"@" not in b"".join(content for entry, content in files.items() if entry.endswith("__init__.py"))


@pytest.fixture(scope="module")
def env(made: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A throw-away venv into which pip installed the wheels from a lock with hashes."""
    found = python310.find()
    if found is None:
        pytest.skip(f"no CPython 3.10 on this machine; name one in {python310.VARIABLE}")
    prefix = tmp_path_factory.mktemp("venv")
    subprocess.run([str(found), "-m", "venv", str(prefix)], check=True)
    lock = prefix / "lock.txt"
    projects = {name: NAMES[name].split("-")[0].replace("_", "-") for name in NAMES}
    lock.write_text(
        "".join(f"{projects[name]} @ {record['urls'][0]} --hash=sha256:{record['sha256']}\n" for name, record in made["artifacts"].items())
    )
    done = pip(prefix, "install", "--no-deps", "--require-hashes", "--requirement", str(lock))
    assert done.returncode == 0, done.stderr
    return prefix


def pip(prefix: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(prefix / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def python(prefix: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(prefix / "bin" / "python"), "-c", code], capture_output=True, text=True, check=False)


def test_they_import_and_tell_the_real_versions(env: Path) -> None:
    found = python(
        env,
        "import torch, torchvision, mmcv, mmcv.ops, mmcv._ext\n"
        "print(torch.__version__, torch.version.cuda, torch.cuda.is_available(), torch.cuda.device_count())\n"
        "print(torchvision.__version__, mmcv.__version__)",
    )
    assert found.stdout == "1.11.0+cu113 11.3 False 0\n0.12.0+cu113 1.6.0\n", found.stderr


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import torch; torch.zeros(1)", "AttributeError: module 'torch' has no attribute 'zeros'"),
        ("import torch.nn", "ModuleNotFoundError"),
        ("import torch; torch.cuda.synchronize()", "AttributeError"),
        ("import torchvision; torchvision.ops", "AttributeError"),
        ("from mmcv.ops import nms; nms(1, 2)", "NotImplementedError: nms: STAND-IN for mmcv-full 1.6.0"),
        ("import mmcv._ext; mmcv._ext.nms()", "NotImplementedError: nms: STAND-IN for mmcv-full 1.6.0"),
        ("from torch.utils.cpp_extension import CUDAExtension; CUDAExtension('a', [])", "NotImplementedError: STAND-IN for torch"),
    ],
)
def test_they_compute_nothing(env: Path, code: str, error: str) -> None:
    found = python(env, code)
    assert found.returncode == 1 and error in found.stderr


def test_a_setup_py_that_imports_torch_installs(env: Path, tmp_path: Path) -> None:
    """As Co-DETR's does."""
    (tmp_path / "setup.py").write_text(
        "from setuptools import setup\nfrom torch.utils.cpp_extension import BuildExtension, CppExtension, CUDAExtension\n"
        "setup(name='made', version='1', ext_modules=[], cmdclass={'build_ext': BuildExtension})\n"
    )
    done = pip(env, "install", "--no-deps", "--no-index", "--no-build-isolation", "--editable", str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_all_are_replaced_together_and_the_role_gets_them(made: dict[str, Any]) -> None:
    found = [
        upstreams.Upstream(name, url, "wheels", name.startswith("mmcv"), False, "no answer" if name.startswith("mmcv") else "answers")
        for name, url in wheels.UPSTREAMS.items()
    ]
    assert upstreams.served(found, ["wheels"]) == ["wheels"]
    resolved = upstreams.resolve(found, {"wheels": made})
    assert all(each.stand_in for each in resolved) and len(resolved) == 3
    assert {upstreams.stage(each) for each in resolved} == {"packages"}
