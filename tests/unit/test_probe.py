"""What the probe sees, on small trees that stand for a host's root, and on a real git checkout."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.env import probe as env
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.miniconda import probe as miniconda
from ansible_collections.codetr.provision.plugins.module_utils.packages import probe as packages
from ansible_collections.codetr.provision.plugins.module_utils.preflight import probe as base
from ansible_collections.codetr.provision.plugins.module_utils.repo import probe as repo
from ansible_collections.codetr.provision.plugins.module_utils.stages import STAGES

ROOT = Path(__file__).resolve().parents[2]
PYENV = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
SITE = "/env/lib/python3.10/site-packages"


class Tree:
    """A folder that stands for a host's root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commands: dict[str, Any] = {}
        self.readings: dict[str, Any] = {}

    def write(self, path: str, text: str = "") -> Path:
        target = self.folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def says(self, argv: list[str], out: str, rc: int = 0) -> None:
        self.commands[json.dumps(argv)] = {"rc": rc, "out": out, "err": ""}

    @property
    def host(self) -> Host:
        return Host(str(self.folder), {"commands": self.commands, "readings": self.readings})


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_the_system_is_read_with_and_without_quotes(tree: Tree) -> None:
    tree.write("/etc/os-release", "ID=ubuntu\nVERSION_ID=\"22.04\"\nPRETTY_NAME='Ubuntu 22.04'\nID_LIKE=debian\n\n# x\n")
    tree.write("/usr/bin/apt-get")
    found = base.probe(tree.host, {})["os"]
    assert (found["id"], found["version"], found["name"], found["like"], found["package_managers"]) == (
        "ubuntu",
        "22.04",
        "Ubuntu 22.04",
        ["debian"],
        ["apt"],
    )


def test_an_empty_host_breaks_nothing(tree: Tree) -> None:
    state = base.probe(tree.host, {"paths": ["/opt/codetr"], "system_packages": ["git"], "receipts": "/opt/codetr/receipts"})
    assert state["os"]["id"] == ""
    assert state["gpus"] == []
    assert state["system_packages"] == {"git": None}
    assert state["receipts"] == state["inprogress"] == {}
    assert state["user"]["owner"]["exists"] is False


def test_only_installed_packages_count(tree: Tree) -> None:
    tree.write(
        "/var/lib/dpkg/status",
        "Package: git\nStatus: install ok installed\nVersion: 1:2.39.5-0\nDescription: x\n Package: aria2\n\n"
        "Package: aria2\nStatus: deinstall ok config-files\nVersion: 1.36\n\n"
        "Package: g++\nStatus: hold ok installed\nVersion: 4:12.2\n\nPackage: git-man\nStatus: install ok installed\nVersion: 9\n",
    )
    assert base.probe(tree.host, {"system_packages": ["git", "aria2", "g++", "libgl1"]})["system_packages"] == {
        "git": "1:2.39.5-0",
        "aria2": None,
        "g++": "4:12.2",
        "libgl1": None,
    }


def test_a_gpu_is_seen_by_vendor_and_class(tree: Tree) -> None:
    devices = {"a": ("0x10de", "0x030200", "0x2335"), "b": ("0x10de", "0x040300", "0x1aef"), "c": ("0x1002", "0x030000", "0x73bf")}
    for name, (vendor, kind, device) in devices.items():
        for key, value in (("vendor", vendor), ("class", kind), ("device", device)):
            tree.write(f"/sys/bus/pci/devices/{name}/{key}", value + "\n")
    (found,) = base.probe(tree.host, {})["gpus"]
    assert (found["address"], found["device"], found["driver"]) == ("a", "2335", "")


def test_the_nearest_folder_that_exists_gives_the_room(tree: Tree) -> None:
    (tree.folder / "opt").mkdir()
    tree.write("/srv/file")
    tree.readings["room:/opt"] = {"free": 5}
    disks = base.probe(tree.host, {"paths": ["/opt/a/b", "/srv/file/below"]})["disks"]
    assert (disks["/opt/a/b"]["parent"], disks["/opt/a/b"]["parent_type"], disks["/opt/a/b"]["room"]) == ("/opt", "dir", {"free": 5})
    assert (disks["/srv/file/below"]["parent"], disks["/srv/file/below"]["parent_type"]) == ("/srv/file", "file")


def test_a_prefix_may_be_a_link_to_a_folder_and_a_dangling_one_is_seen(tree: Tree) -> None:
    (tree.folder / "disk").mkdir()
    (tree.folder / "good").symlink_to("disk")
    (tree.folder / "bad").symlink_to("nowhere")
    disks = base.probe(tree.host, {"paths": ["/good", "/bad"]})["disks"]
    assert (disks["/good"]["self"]["type"], disks["/good"]["resolves"], disks["/good"]["parent_type"]) == ("link", True, "dir")
    assert (disks["/bad"]["self"]["type"], disks["/bad"]["resolves"], disks["/bad"]["parent_type"]) == ("link", False, "link")


def test_receipts_and_marks_are_told_apart_and_half_written_ones_are_none(tree: Tree) -> None:
    tree.write("/r/env.json", '{"stage": "env"}')
    tree.write("/r/repo.json", '{"sta')
    tree.write("/r/packages.inprogress", "{}")
    tree.write("/r/env.json.part", "{}")
    state = base.probe(tree.host, {"receipts": "/r"})
    assert state["receipts"] == {"env": {"stage": "env"}, "repo": None}
    assert state["inprogress"] == {"packages": {}}


def test_conda_is_there_when_it_is_whole(tree: Tree) -> None:
    tree.write("/c/conda-meta/conda-24.11.1-py310h06a4308_0.json")
    tree.write("/c/conda-meta/conda-libmamba-solver-24.9.0-pyhd3eb1b0_0.json")
    assert miniconda.probe(tree.host, {"prefix": "/c"})["conda"] is None
    tree.write("/c/bin/conda")
    tree.write("/c/conda-meta/history")
    assert miniconda.probe(tree.host, {"prefix": "/c"})["conda"] == "24.11.1"


@pytest.mark.parametrize(
    ("bashrc", "expected"),
    [
        (None, False),
        ("alias ll=ls\n", False),
        ("__conda_setup=\"$('/c/bin/conda' 'shell.bash' 'hook')\"\n. \"/c/etc/profile.d/conda.sh\"\n", True),
        ('. "/home/me/miniconda3/etc/profile.d/conda.sh"\n', False),
    ],
)
def test_a_shell_that_knows_this_conda(tree: Tree, bashrc: str | None, expected: bool) -> None:
    (tree.folder / "home" / "me").mkdir(parents=True)
    if bashrc is not None:
        tree.write("/home/me/.bashrc", bashrc)
    assert miniconda.probe(tree.host, {"prefix": "/c", "home": "/home/me"})["shell_init"] is expected


@pytest.mark.skipif(os.geteuid() == 0, reason="root sees every home")
def test_a_home_that_shows_nothing_is_not_one_without_conda(tree: Tree) -> None:
    home = tree.write("/home/me/.bashrc").parent
    home.chmod(0)
    assert miniconda.probe(tree.host, {"prefix": "/c", "home": "/home/me"})["shell_init"] is None
    home.chmod(0o700)


def test_environments_by_kind(tree: Tree) -> None:
    tree.write("/conda/bin/python")
    tree.write("/conda/conda-meta/history")
    tree.write("/conda/conda-meta/python-3.10.13-hd12c33a_0_cpython.json")
    tree.write("/cut/bin/python")
    tree.write("/cut/conda-meta/python-3.10.13-hd12c33a_0_cpython.json")
    tree.write("/conda/conda-meta/python-dateutil-2.9.0-py310_0.json")
    tree.write("/venv/bin/python")
    tree.write("/venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.10.12\n")
    tree.write("/own/bin/python")
    tree.says(["/own/bin/python", "-c", "import platform; print(platform.python_version())"], "3.11.2\n")
    found = {prefix: env.probe(tree.host, {"prefix": prefix}) for prefix in ("/conda", "/cut", "/venv", "/own", "/none")}
    kinds = {prefix: (state["kind"], state["python"]) for prefix, state in found.items()}
    assert kinds == {
        "/conda": ("conda", "3.10.13"),
        "/cut": ("other", None),
        "/venv": ("venv", "3.10.12"),
        "/own": ("other", "3.11.2"),
        "/none": (None, None),
    }
    assert [found[prefix]["empty"] for prefix in ("/conda", "/none")] == [False, True]


def test_an_interpreter_that_does_not_run_has_no_version(tree: Tree) -> None:
    assert env.probe(tree.host, {"prefix": "/e", "interpreter": "/usr/bin/python3.10"})["base"] is None


def test_packages_by_the_names_of_their_metadata(tree: Tree) -> None:
    for name in (
        "torch-1.11.0.dist-info/METADATA",
        "mmcv_full-1.6.0.dist-info/METADATA",
        "Foo.Bar-2.egg-info/PKG-INFO",
        "old-1.0-py3.10.egg-info",
    ):
        tree.write(f"{SITE}/{name}")
    tree.write(f"{SITE}/mmdet.egg-link", "/opt/codetr/Co-DETR\n.")
    tree.write(f"{SITE}/ours-1.0.dist-info/direct_url.json", '{"url": "file:///src/ours", "dir_info": {"editable": true}}')
    tree.write(f"{SITE}/theirs-1.0.dist-info/direct_url.json", '{"url": "file:///src/theirs", "dir_info": {}}')
    tree.write(f"{SITE}/projects/__init__.py")
    found = packages.probe(tree.host, {"env": "/env", "shadows": ["mmdet", "mmcv", "projects"]})
    assert found["site"] == SITE
    assert found["dists"] == {"torch": "1.11.0", "mmcv-full": "1.6.0", "foo-bar": "2", "old": "1.0", "ours": "1.0", "theirs": "1.0"}
    assert found["editable"] == {"mmdet": "/opt/codetr/Co-DETR", "ours": "/src/ours"}
    assert found["folders"] == ["projects"]


def test_no_environment_has_no_packages(tree: Tree) -> None:
    assert packages.probe(tree.host, {"env": "/env"}) == {"site": None, "dists": {}, "editable": {}, "folders": [], "conda": {}}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git repository with one commit of three files."""
    path = tmp_path / "checkout"
    (path / "tools").mkdir(parents=True)
    for name in ("tools/a.py", "b.py", "with space.txt"):
        (path / name).write_text("x.cuda()\nx.cuda()\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        git(path, *words)
    return path


def git(path: Path, *words: str) -> str:
    argv = ["git", "-C", str(path), "-c", "user.name=me", "-c", "user.email=me@example.org", *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def test_a_checkout_is_read_and_not_touched(checkout: Path) -> None:
    (checkout / "with space.txt").write_text("mine\n")
    (checkout / "tools" / "a.py").write_text("x.to(d)\nx.cuda()\n")
    (checkout / "untracked").write_text("mine\n")
    git(checkout, "mv", "b.py", "c.py")
    git(checkout, "remote", "add", "origin", "http://repo.test/x.git")
    index = (checkout / ".git" / "index").read_bytes()
    found = repo.probe(
        Host(), {"dest": str(checkout), "files": {"tools/a.py": [{"find": "x.cuda()", "replace": "x.to(d)"}], "gone.py": []}}
    )
    assert found["commit"] == git(checkout, "rev-parse", "HEAD")
    assert found["origin"] == "http://repo.test/x.git"
    assert sorted(found["changed"]) == ["c.py", "tools/a.py", "with space.txt"]
    assert list(found["files"]) == ["tools/a.py"]
    assert (found["files"]["tools/a.py"]["find"], found["files"]["tools/a.py"]["replace"]) == ([1], [1])
    assert (checkout / ".git" / "index").read_bytes() == index


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    found = repo.probe(Host(), {"dest": str(tmp_path)})
    assert (found["git"], found["commit"], found["changed"]) == (True, None, [])


def test_a_folder_that_only_looks_like_a_checkout_is_an_error(checkout: Path) -> None:
    (checkout / ".git" / "HEAD").unlink()
    assert "not a git repository" in repo.probe(Host(), {"dest": str(checkout)})["error"]


def test_a_folder_that_is_no_checkout(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine\n")
    found = repo.probe(Host(), {"dest": str(tmp_path)})
    assert (found["git"], found["empty"]) == (False, False)


def test_python_3_8_imports_every_probe_and_compiles_every_module() -> None:
    python = next(iter(sorted(PYENV.glob("3.8*/bin/python"))), None)
    if python is None:
        pytest.skip("no Python 3.8 on this machine")
    code = (
        "import importlib, pathlib, sys\n"
        f"for path in pathlib.Path({str(ROOT / 'plugins' / 'modules')!r}).glob('*.py'): compile(path.read_bytes(), str(path), 'exec')\n"
        "package = 'ansible_collections.codetr.provision.plugins.module_utils'\n"
        f"for name in {[f'{name}.probe' for name in STAGES]!r}: importlib.import_module(package + '.' + name)\n"
        "from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import present, probe\n"
        "from ansible_collections.codetr.provision.plugins.module_utils.preflight import probe as preflight\n"
        "from ansible_collections.codetr.provision.plugins.module_utils.host import capture, host\n"
        "found = probe.probe(capture.Recorder(), {'always': True, 'candidates': ['dkms'], 'files': [], 'deep': True})\n"
        "present.find(found, []), present.closure(found)\n"
        "print(sys.version_info[:2], sorted(preflight.probe(host.Host(), {'paths': ['/'], 'system_packages': ['git']}))[0])\n"
    )
    done = subprocess.run(
        [python, "-c", code], env={"PYTHONPATH": str(ROOT / "playbooks" / "collections"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("(3, 8) disks\n", "")


def test_what_another_users_process_has_open_is_nobody_elses_to_see(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree.folder / "link").symlink_to("somewhere")

    def refuse(*_: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "readlink", refuse)
    found = tree.host.lstat("/link")
    assert found is not None
    assert (found["type"], found["target"]) == ("link", None)
