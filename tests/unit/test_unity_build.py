"""How role codetr_packages compiles mmcv-full: as a unity build, and source by source where that fails. The role's own tasks run on this
host, with a Python that records what it is asked and fails as the host's name says.
"""

from __future__ import annotations

import getpass
import grp
import io
import itertools
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from test_unity_sources import SETUP

KEY, PLAIN = "mmcv-full-1.6.0_cpu_unity", "mmcv-full-1.6.0_cpu"
WHEEL = "mmcv_full-1.6.0-cp310-cp310-linux_x86_64.whl"
SDIST = "mmcv-full-1.6.0"
# Of each: what fails, and what is said of it.
HOSTS = {
    "good": "",
    "unknown": "was found 0 times in",
    "collides": "ended with exit status 1",
    "loses": "ended with exit status 1",
}
# A Python whose pip only pretends; what it is asked stands in calls.jsonl, one line each.
PYTHON = f"""#!{sys.executable}
import json, pathlib, shutil, subprocess, sys
home = pathlib.Path(__file__).resolve().parent
asked, name = sys.argv[1:], home.name
what = asked[2] if asked[0] == "-m" else pathlib.Path(asked[0]).name
unity = False
if what == "download":
    shutil.copy(home / "sdist.tar.gz", pathlib.Path(asked[asked.index("--dest") + 1]) / "{SDIST}.tar.gz")
elif what == "wheel":
    source = pathlib.Path(asked[-1])
    unity = (source / "unity").exists()
    same = (source / "setup.py").read_text() == (home / "setup.py").read_text()
    assert same is not unity
    print("[1/2] g++")
    if unity and name == "collides":
        sys.exit("error: redefinition of 'struct PreCalc<T>'")
    (pathlib.Path(asked[asked.index("--wheel-dir") + 1]) / "{WHEEL}").write_text("unity" if unity else "plain")
elif what == "check_wheel.py":
    unity = any(each.startswith("--sources=") for each in asked)
    if unity and name == "loses":
        sys.exit("mmcv-full's compiled library lacks 1 of 122 functions of its sources: nms.")
else:
    done = subprocess.run([sys.executable, *asked]).returncode
with (home / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps([what, unity]) + "\\n")
sys.exit(done if what == "unity_sources.py" else 0)
"""


class Played(NamedTuple):
    """What a play over all hosts left."""

    folder: Path
    output: str

    def calls(self, host: str) -> list[list[Any]]:
        """What the host's Python was asked and did: the program, and whether for a unity build."""
        return [json.loads(line) for line in (self.folder / host / "calls.jsonl").read_text().splitlines()]

    def kept(self, host: str) -> dict[str, str]:
        """The wheel cache: the file for each path."""
        cache = self.folder / host / "wheels"
        return {str(path.relative_to(cache)): path.read_text() for path in cache.rglob("*") if path.is_file()}

    def found(self, host: str) -> dict[str, str]:
        """What the role found out: the key for the receipt."""
        return dict(json.loads((self.folder / host / "found.json").read_text()))


def stage(folder: Path) -> dict[str, Any]:
    """What the role registers of a host's plan, as far as compiling looks at it."""
    mmcv = {"project": "mmcv-full", "version": "1.6.0", "sha256": "0" * 64}
    build = {"work": f"{folder}/work", "sdist": SDIST, "edits": [], "compiler_lock_file": "", "archs": [], "cuobjdump": ""}
    build["environment"] = {"MAX_JOBS": "2"}
    params = {"python": f"{folder}/python", "index": [], "mmcv": mmcv, "build": build, "key": KEY, "plain_key": PLAIN}
    owner = {"user": getpass.getuser(), "group": grp.getgrgid(os.getgid()).gr_name}
    return {**owner, "prefix": f"{folder}/prefix", "wheel_cache": f"{folder}/wheels", "stage": {"params": params}}


def prepare(folder: Path, setup: str) -> None:
    """A host's Python, and the source archive that its pip downloads."""
    folder.mkdir()
    (folder / "python").write_text(PYTHON)
    (folder / "python").chmod(0o755)
    (folder / "setup.py").write_text(setup)
    with tarfile.open(folder / "sdist.tar.gz", "w:gz") as archive:
        for name, text in (("setup.py", setup), *((f"mmcv/ops/csrc/pytorch/op{number}.cpp", "") for number in range(4))):
            entry = tarfile.TarInfo(f"{SDIST}/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """One play over all hosts at once."""
    folder = tmp_path_factory.mktemp("unity")
    for host in HOSTS:
        prepare(folder / host, SETUP.replace("ext_ops = extension(", "ext_ops = other(") if host == "unknown" else SETUP)
    hosts = {host: {"ansible_connection": "local", "__codetr_packages_stage": stage(folder / host)} for host in HOSTS}
    play = {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.include_role": {"name": "codetr.provision.codetr_packages", "tasks_from": "build.yml"}},
            {
                "ansible.builtin.copy": {
                    "content": "{{ __codetr_packages_found | to_json }}",
                    "dest": f"{folder}/{{{{ inventory_hostname }}}}/found.json",
                }
            },
        ],
    }
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    (folder / "play.json").write_text(json.dumps([play]))
    settings = {"ANSIBLE_ASYNC_DIR": f"{folder}/async", "ANSIBLE_PIPELINING": "1"}
    environment = {**os.environ, "ANSIBLE_PYTHON_INTERPRETER": sys.executable, **settings}
    command = [sys.executable, "-m", "ansible", "playbook", "-i", str(folder / "hosts.json"), str(folder / "play.json")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)
    return Played(folder, done.stdout + done.stderr)


def warnings(played: Played, host: str) -> list[str]:
    """What the run says of a unity build that failed."""
    lines = played.output.splitlines()
    return [line for said, line in itertools.pairwise(lines) if said.startswith(f"ok: [{host}] => {{") and "unity build" in line]


def test_a_unity_build_is_checked_and_kept_under_a_key_that_says_so(played: Played) -> None:
    assert played.calls("good") == [["download", False], ["unity_sources.py", False], ["wheel", True], ["check_wheel.py", True]]
    kept = played.kept("good")
    assert set(kept) == {f"{KEY}/{WHEEL}", f"{KEY}/SHA256SUMS"}
    assert kept[f"{KEY}/{WHEEL}"] == "unity"
    assert kept[f"{KEY}/SHA256SUMS"].endswith(f"  {WHEEL}\n")
    assert played.found("good") == {"wheel": KEY}
    assert warnings(played, "good") == []


@pytest.mark.parametrize("host", ["unknown", "collides", "loses"])
def test_where_a_unity_build_fails_fresh_sources_are_compiled_one_by_one(played: Played, host: str) -> None:
    assert played.calls(host)[-2:] == [["wheel", False], ["check_wheel.py", False]]
    kept = played.kept(host)
    assert set(kept) == {f"{PLAIN}/{WHEEL}", f"{PLAIN}/SHA256SUMS"}
    assert kept[f"{PLAIN}/{WHEEL}"] == "plain"
    assert played.found(host) == {"wheel": PLAIN}
    (warning,) = warnings(played, host)
    assert "Warning: the unity build of mmcv-full's ops failed, so they are compiled source by source" in warning
    assert HOSTS[host] in warning or "lacks 1 of 122" in warning


def test_the_log_of_the_unity_build_stays(played: Played) -> None:
    logs = played.folder / "collides" / "prefix" / "log"
    assert "redefinition of 'struct PreCalc<T>'" in (logs / "mmcv.log").read_text()
    assert "redefinition" not in (logs / "mmcv-plain.log").read_text()
