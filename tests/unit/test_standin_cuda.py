"""The stand-in for CUDA's runfiles has the real one's options, refuses others, and leaves what the probe reads."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.cuda_toolkit import probe as toolkit
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from lab.standins import cuda

LOG = Path("/tmp/cuda-installer.log")
SERVED = cuda.TOOLKITS[0]


@pytest.fixture
def runfile(tmp_path: Path) -> Path:
    made = cuda.build(tmp_path / "www", "http://mirror.test", None)
    path = tmp_path / "www" / "cuda" / SERVED.file_name
    record = made["artifacts"][f"cuda-{SERVED.version}-linux-x86_64"]
    assert record["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record["size"] == path.stat().st_size
    assert record["stand_in"] is True
    assert made["stand_ins"] == list(cuda.UPSTREAMS)
    return path


def run(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    # Not as root: root's installation moves /usr/local/cuda of the machine that tests run on. The log is then in /tmp, like the real one's.
    who = {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}
    return subprocess.run(["sh", str(path), *options], capture_output=True, text=True, check=False, **who)


@pytest.fixture
def open_tmp(tmp_path: Path) -> Path:
    """A folder that nobody in particular can write to."""
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o755)
    free = tmp_path / "free"
    free.mkdir()
    free.chmod(0o777)
    return free


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--toolkit"], "--silent"),
        (["--silent"], "--toolkit only"),
        (["--silent", "--toolkit", "--no-such-option"], "Unrecognized option: --no-such-option"),
        (["--silent", "--toolkit", "--driver"], "Unrecognized option: --driver"),
        (["--silent", "--toolkit", "--tmpdir=/nonexistent"], "Ensure there is enough space in /nonexistent"),
    ],
)
def test_what_the_installer_refuses(runfile: Path, open_tmp: Path, options: list[str], message: str) -> None:
    done = run(runfile, *options, f"--installpath={open_tmp}/cuda")
    assert done.returncode == 1
    assert message in done.stderr
    assert not (open_tmp / "cuda").exists()


@pytest.mark.skipif(LOG.exists(), reason="somebody's installer left its log on this machine")
def test_a_toolkit_that_the_probe_reads(runfile: Path, open_tmp: Path) -> None:
    path = open_tmp / "cuda-11.4"
    options = ["--silent", "--override", "--toolkit", f"--installpath={path}", f"--tmpdir={open_tmp}", "--no-man-page"]
    try:
        assert run(runfile, *options).returncode == 0
        version = subprocess.run([str(path / "bin" / "nvcc"), "--version"], capture_output=True, text=True, check=True).stdout
        # What the first left is what the second dies of.
        again = run(runfile, *options)
    finally:
        LOG.unlink(missing_ok=True)
    assert (again.returncode, again.stderr.strip()) == (139, "Segmentation fault")
    assert "Cuda compilation tools, release 11.4, V11.4.152" in version
    assert "stand-in" in version
    (found,) = toolkit.toolkits(Host(), str(open_tmp))
    assert (found["version"], found["minor"], found["nvcc"], found["marker"]) == ("11.4.4", "11.4", True, None)
    assert (path / "lib64" / "STAND-IN").is_file()
    assert [entry.name for entry in open_tmp.iterdir()] == ["cuda-11.4"]
