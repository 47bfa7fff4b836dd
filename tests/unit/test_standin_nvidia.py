"""The stand-in for NVIDIA's driver installer: the real one's options and refusals, what the probe reads, and nothing left after removal."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import present as nvidia_present
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import probe as nvidia_driver
from hostfacts import known, wanted
from lab import upstreams
from lab.standins import nvidia

KERNEL = "6.1.0-lab"
HEADLESS = (
    "--silent", "--dkms", "--no-x-check", "--no-nouveau-check", "--no-opengl-files", "--no-install-compat32-libs", "--no-drm",
    f"--kernel-name={KERNEL}", f"--kernel-source-path=/lib/modules/{KERNEL}/build",
)  # fmt: skip
# Notes how it was called; `status` names what was added, until it is removed.
DKMS = """\
#!/bin/sh
echo "dkms $*" >>"$LAB_ROOT/called"
case "$1" in
  add) touch "$LAB_ROOT/added" ;;
  remove) rm "$LAB_ROOT/added" ;;
  status) [ ! -e "$LAB_ROOT/added" ] || echo "nvidia/470.256.02, 6.1.0-lab, x86_64: installed" ;;
  build) [ ! -e "$LAB_ROOT/no-compiler" ] || { echo "Error! Bad return status for module build" >&2; exit 10; } ;;
esac
"""


@pytest.fixture
def runfile(tmp_path: Path) -> Path:
    made = nvidia.build(tmp_path / "www", "http://mirror.test", None)
    path = tmp_path / "www" / "nvidia" / nvidia.FILE_NAME
    record = made["artifacts"][nvidia.RECORD]
    assert record["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record["size"] == path.stat().st_size
    assert record["stand_in"] is True
    assert made["stand_ins"] == list(nvidia.UPSTREAMS)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder in the place of /, with a T4 that nouveau has, and programs that only note how they are called."""
    top = tmp_path / "root"
    gpu = top / "sys/bus/pci/devices/0000:00:1e.0"
    for folder in (gpu, top / "tools", top / "var/log", top / "usr/bin", top / "tmp"):
        folder.mkdir(parents=True)
    (gpu / "vendor").write_text("0x10de\n")
    (gpu / "driver").symlink_to("../../../../bus/pci/drivers/nouveau")
    programs = {"dkms": DKMS, "id": "#!/bin/sh\necho 0\n", "modprobe": "#!/bin/sh\nexit 1\n"}
    for name in (*programs, "rmmod", "lsmod", "depmod", "ldconfig"):
        tool = top / "tools" / name
        tool.write_text(programs.get(name, '#!/bin/sh\necho "$0" >>"$LAB_ROOT/called"\n'))
        tool.chmod(0o755)
    return top


def run(program: Path, root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{root}/tools:{os.environ['PATH']}", "LAB_ROOT": str(root), "TMPDIR": str(root / "tmp")}
    return subprocess.run(["sh", str(program), *options], capture_output=True, text=True, check=False, env=environment)


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}


def test_it_stands_in_for_the_record_of_the_role_and_always() -> None:
    record = known(wanted())["artifacts"][nvidia.RECORD]
    assert record["urls"] == list(nvidia.UPSTREAMS.values())
    assert "nvidia" in upstreams.MODULES
    assert upstreams.forced("nvidia", {}) is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--no-such-option"], 'unrecognized option: "--no-such-option"'),
        (["--silent=yes"], 'unrecognized option: "--silent=yes"'),
        (["--kernel-name"], 'option "--kernel-name" requires an argument.'),
        (["--no-such-option"], "ERROR: Invalid commandline, please run `./nvidia-installer --help` for usage information."),
        (["--dkms"], "run it with --silent"),
        (["--dkms", "--ui=none"], "run it with --silent"),
        (["--silent", "--no-nouveau-check"], "by DKMS only"),
        (["--silent", "--dkms", "--ui=none"], "The Nouveau kernel driver is currently in use by your system."),
    ],
)
def test_what_it_refuses(runfile: Path, root: Path, options: list[str], message: str) -> None:
    done = run(runfile, root, *options)
    assert done.returncode == 1
    assert message in done.stderr
    assert not (root / "usr/bin/nvidia-installer").exists()
    assert list((root / "tmp").iterdir()) == []


def test_what_it_installs_is_what_the_probe_reads_and_its_uninstaller_takes_it_all_back(runfile: Path, root: Path) -> None:
    before = files(root)
    done = run(runfile, root, *HEADLESS)
    assert (done.returncode, done.stderr) == (0, "")
    called = (root / "called").read_text()
    for verb in ("add", "build", "install"):
        assert f"dkms {verb} -m nvidia -v 470.256.02 -k {KERNEL}\n" in called
    assert "stand-in" in (root / "var/log/nvidia-installer.log").read_text()
    assert (root / "var/lib/nvidia/log").read_text().startswith("470.256.02\nNVIDIA Accelerated Graphics Driver")
    configuration = (root / "usr/src/nvidia-470.256.02/dkms.conf").read_text()
    assert "nvidia-drm" not in configuration
    assert 'BUILT_MODULE_NAME[3]="nvidia-uvm"' in configuration
    smi = subprocess.run([str(root / "usr/bin/nvidia-smi")], capture_output=True, text=True, check=False)
    assert (smi.returncode, smi.stdout[:60]) == (9, "NVIDIA-SMI has failed because it couldn't communicate with t")
    found = nvidia_present.find(nvidia_driver.probe(Host(str(root), {}), {}), [])
    assert found is not None
    assert (found["version"], found["whose"]) == ("470.256.02", nvidia_present.RUNFILE)

    again = run(runfile, root, *HEADLESS)
    assert again.returncode == 0
    assert "dkms remove -m nvidia -v 470.256.02 --all\n" in (root / "called").read_text()

    assert run(root / "usr/bin/nvidia-uninstall", root, "--silent").returncode == 0
    logs = {"var/log/nvidia-installer.log", "var/log/nvidia-uninstall.log"}
    assert files(root) - before == {"called", *logs}
    again = run(runfile, root, "--uninstall", "--ui=none", "--no-questions")
    assert again.stdout.endswith("There is no NVIDIA driver currently installed.\n")


def test_a_module_that_dkms_cannot_build_fails_the_installation(runfile: Path, root: Path) -> None:
    (root / "no-compiler").touch()
    done = run(runfile, root, *HEADLESS)
    assert done.returncode == 1
    assert "ERROR: Failed to run `dkms build -m nvidia -v 470.256.02 -k 6.1.0-lab`: Error! Bad return status" in done.stderr
    assert "ERROR: Failed to install the kernel module through DKMS." in done.stderr


@pytest.mark.skipif(shutil.which("cc") is None, reason="no compiler here")
def test_dkms_gets_modules_that_say_their_version(runfile: Path, root: Path) -> None:
    assert run(runfile, root, *HEADLESS).returncode == 0
    tree = root / "usr/src/nvidia-470.256.02"
    (tree / "Makefile").touch()
    make = next(line for line in (tree / "dkms.conf").read_text().splitlines() if line.startswith("MAKE[0]="))
    environment = {**os.environ, "kernelver": KERNEL, "kernel_source_dir": str(tree)}
    subprocess.run(["sh", "-c", make.split("=", 1)[1].strip('"')], cwd=tree, env=environment, check=True, capture_output=True)
    assert b"version=470.256.02\0" in (tree / "nvidia.ko").read_bytes()
    assert f"vermagic={KERNEL} ".encode() in (tree / "nvidia.ko").read_bytes()
