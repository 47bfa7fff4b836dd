"""CUDA toolkits: what the probe sees on trees, and the files that make toolkits known."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.cuda_toolkit import probe as toolkit
from ansible_collections.codetr.provision.plugins.module_utils.cuda_toolkit import texts as toolkit_texts
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.apt.entries import names_url


class Tree:
    """A folder that stands for a host's root."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.commands = folder, {}

    def write(self, path: str, text: str = "") -> None:
        target = self.folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    @property
    def host(self) -> Host:
        return Host(str(self.folder), {"commands": self.commands, "readings": {}})


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_toolkits_by_what_they_say_of_themselves(tree: Tree):
    tree.write("/usr/local/cuda-11.4/version.json", '{"cuda": {"name": "CUDA SDK", "version": "11.4.4"}}')
    tree.write("/usr/local/cuda-11.4/bin/nvcc")
    tree.write("/usr/local/cuda-11.4/.codetr-provision.json", '{"state": "whole"}')
    tree.write("/usr/local/cuda-10.2/version.txt", "CUDA Version 10.2.89\n")
    tree.write("/usr/local/cuda-12.4/include/cuda.h", "#define A 1\n#define CUDA_VERSION 12040\n")
    tree.write("/usr/local/cuda-12.4/bin/nvcc")
    tree.write("/var/lib/dpkg/info/cuda-nvcc-12-4.list")
    tree.write("/usr/local/cuda-11.8/version.json", "{")
    (tree.folder / "usr/local/cuda-11.0").mkdir()
    tree.write("/usr/local/cuda-old/version.txt", "CUDA Version 9.0.176\n")
    (tree.folder / "usr/local/cuda").symlink_to("cuda-11.4")
    found = {one["path"].rpartition("/")[2]: one for one in toolkit.toolkits(tree.host, "/usr/local")}
    told = {name: (one["version"], one["minor"], one["nvcc"], one["packaged"], one["empty"]) for name, one in found.items()}
    assert told == {
        "cuda-10.2": ("10.2.89", "10.2", False, False, False),
        "cuda-11.0": (None, "11.0", False, False, True),
        "cuda-11.4": ("11.4.4", "11.4", True, False, False),
        "cuda-11.8": (None, "11.8", False, False, False),
        "cuda-12.4": ("12.4", "12.4", True, True, False),
    }
    assert found["cuda-11.4"]["marker"] == {"state": "whole"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root sees every folder")
def test_a_folder_that_cannot_be_looked_into_is_not_empty(tree: Tree):
    (tree.folder / "usr/local/cuda-11.4").mkdir(parents=True, mode=0)
    (found,) = toolkit.toolkits(tree.host, "/usr/local")
    assert found["empty"] is False


def test_links_files_and_compiler(tree: Tree):
    asked = {
        "prefix": "/usr/local",
        "folder": "/opt/codetr",
        "default": "/usr/local/cuda",
        "files": [toolkit_texts.PROFILE],
        "before": "/b",
    }
    tree.write("/usr/local/keep")
    (tree.folder / "usr/local/cuda").symlink_to("/etc/alternatives/cuda")
    tree.write("/opt/codetr/cuda-11.4.env", "x")
    tree.write("/etc/ld.so.conf.d/cuda-11-4.conf")
    tree.write("/etc/ld.so.conf.d/libc.conf")
    tree.write("/b", '{"default": null, "ldconf": []}')
    tree.commands[json.dumps(["gcc", "-dumpfullversion"])] = {"rc": 0, "out": "12.2.0\n", "err": ""}
    state = toolkit.probe(tree.host, asked)
    assert state["default"]["target"] == "/etc/alternatives/cuda"
    assert state["env"] == {"/opt/codetr/cuda-11.4.env": "x"}
    assert state["files"] == {toolkit_texts.PROFILE: None}
    assert state["ldconf"] == ["/etc/ld.so.conf.d/cuda-11-4.conf"]
    assert state["before"] == '{"default": null, "ldconf": []}'
    assert state["gcc"] == "12.2.0"
    tree.commands[json.dumps(["g++", "-dumpfullversion"])] = {"rc": 0, "out": "10.2.1\n", "err": ""}
    assert toolkit.compiler(tree.host) == "10.2.1"


@pytest.mark.parametrize(("text", "deb822", "named"), [
    ("# deb https://x.test/repos/debian12/x86_64/ /\ndeb https://other.test/ bookworm main\n", False, False),
    ("deb [signed-by=/k.gpg] https://x.test/repos/debian12/x86_64/ /\n", False, True),
    ("deb [signed-by=/k.gpg] https://x.test/repos/debian12/x86_64 /\n", False, True),
    ("deb https://x.test/repos/debian12/x86_64-old/ /\n", False, False),
    ("Types: deb\nURIs: https://x.test/repos/debian12/x86_64/\nEnabled: no\nSuites: /\n", True, False),
    ("Types: deb\nURIs: https://other.test\n\nTypes: deb\nURIs: https://x.test/repos/debian12/x86_64/\nSuites: /\n", True, True),
])  # fmt: skip
def test_whether_an_apt_source_names_a_url(text: str, deb822: bool, named: bool):
    assert names_url(text, "https://x.test/repos/debian12/x86_64", deb822=deb822) is named


def test_everybodys_file_leaves_the_libraries_that_programs_bring_along():
    text = toolkit_texts.environment("/usr/local/cuda-11.4", "/opt/codetr", libraries=False)
    script = f'{text}\necho "$PATH|${{LD_LIBRARY_PATH-none}}|$CUDA_HOME"'
    done = subprocess.run(["sh", "-euc", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "/usr/local/cuda-11.4/bin:/usr/bin:/bin|none|/usr/local/cuda-11.4"


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_an_env_file_puts_its_toolkit_first_and_once(tmp_path: Path, shell: str):
    for minor in ("11.4", "11.8"):
        (tmp_path / f"{minor}.env").write_text(toolkit_texts.environment(f"/opt/my tools/cuda-{minor}", "/opt/codetr"))
    lines = "; ".join(f". {tmp_path}/{minor}.env" for minor in ("11.4", "11.4", "11.8", "11.4"))
    done = subprocess.run(
        [shell, "-euc", f'{lines}; echo "$PATH|$LD_LIBRARY_PATH|$CUDA_HOME"'],
        env={"PATH": "/usr/bin:/bin:"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().split("|") == [
        "/opt/my tools/cuda-11.4/bin:/opt/my tools/cuda-11.8/bin:/usr/bin:/bin",
        "/opt/my tools/cuda-11.4/lib64:/opt/my tools/cuda-11.8/lib64",
        "/opt/my tools/cuda-11.4",
    ]
