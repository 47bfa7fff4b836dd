"""A host whose Python the controller's ansible-core cannot use is refused before anything happens there; failures keep their message."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.module_utils import basic
from ansible_collections.codetr.provision.plugins.plugin_utils import failure

ROOT = Path(__file__).resolve().parents[2]
# The oldest Python on a host, as each core says in its module_utils/basic.py.
CORES = {"2.19.14": (3, 8), "2.20.10": (3, 9), "2.21.5": (3, 9)}
INSTALL = "Install Python {} or newer (on Debian and Ubuntu: apt-get install python3)"
USE = "Use ansible-core 2.19 on the controller, which supports Python 3.8"


@pytest.mark.parametrize(
    ("core", "version", "says"),
    [
        ("2.19.14", "2.7.18", INSTALL.format("3.8")),
        ("2.19.14", "3.6.15", INSTALL.format("3.8")),
        ("2.19.14", "3.7.16", INSTALL.format("3.8")),
        ("2.19.14", "3.8.18", None),
        ("2.19.14", "3.13.0", None),
        ("2.20.10", "3.6.15", INSTALL.format("3.9")),
        ("2.20.10", "3.7.16", INSTALL.format("3.9")),
        ("2.20.10", "3.8.10", USE),
        ("2.20.10", "3.9.2", None),
        ("2.21.5", "2.7.18", INSTALL.format("3.9")),
        ("2.21.5", "3.7.16", INSTALL.format("3.9")),
        ("2.21.5", "3.8.10", USE),
        ("2.21.5", "3.9.2", None),
        ("2.21.5", "3.10.12", None),
        ("2.21.5", "3.14.0rc1", None),
        # An imagined one, whose predecessors still serve the host.
        ("2.30.0", "3.9.2", "Use ansible-core 2.20 on the controller, which supports Python 3.9"),
    ],
)
def test_python_of_a_host(core: str, version: str, says: str | None) -> None:
    """The sentence names the host's Python, the core, what it needs, and what to do; a good one needs none."""
    oldest = CORES.get(core, (3, 12))
    message = failure.explain_python("/usr/bin/python3", f"/usr/bin/python3\tPython {version}\n", {}, core, oldest)
    if says is None:
        assert message is None
        return
    needed = ".".join(map(str, oldest))
    assert message is not None
    needs = f"ansible-core {core} needs Python {needed} or newer there."
    assert message.startswith(f"The host has Python {version} (/usr/bin/python3); {needs}")
    assert says in message


@pytest.mark.parametrize("printed", ["none\n", "", "/bin/sh: not found\nnone\n"])
def test_no_python_at_all(printed: str) -> None:
    """A bare image is told how to get one."""
    message = failure.explain_python("/usr/bin/python3", printed, {"rc": 127}, "2.21.5", (3, 9))
    assert message is not None
    assert message.startswith("The host has no Python; ansible-core 2.21.5 needs Python 3.9 or newer there. Install Python 3.9")
    assert "apt-get install python3" in message


def test_an_interpreter_that_does_not_run() -> None:
    """A shim without its version, say: what it printed, and which Python would do."""
    result = {"rc": 127, "module_stderr": "pyenv: python3.13: command not found\n\nThe `python3.13' command exists in:"}
    message = failure.explain_python("/shims/python3.13", "python3\tPython 3.11.7\n", result, "2.21.5", (3, 9))
    assert message == (
        "The host's Python /shims/python3.13 does not run: pyenv: python3.13: command not found. "
        "Set ansible_python_interpreter to one that does; python3 is Python 3.11.7."
    )
    assert failure.explain_python("/usr/bin/python3", "/usr/bin/python3\tPython 3.11.7\n", {"rc": 1}, "2.21.5", (3, 9)) is None


def program(folder: Path, name: str, script: str) -> Path:
    """An executable."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_versions_are_asked_of_the_one_that_ansible_uses_first(tmp_path: Path) -> None:
    """Old ones print to stderr; what does not run is passed over; a path may hold a blank."""
    shell = ["/bin/sh", "-c"]
    path = str(tmp_path / "bin")
    used = program(tmp_path / "a folder", "python", "echo Python 3.6.9 >&2")

    def asked(interpreter: str) -> str:
        command = failure.ask_version(interpreter)
        return subprocess.run([*shell, command], capture_output=True, text=True, env={"PATH": path}, check=True).stdout

    assert asked(f"'{used}'") == f"'{used}'\tPython 3.6.9\n"
    assert asked(str(tmp_path / "absent")) == "none\n"
    program(tmp_path / "bin", "python2", "echo Python 2.7.18 >&2")
    assert asked(str(tmp_path / "absent")) == "python2\tPython 2.7.18\n"
    program(tmp_path / "bin", "python3", "exit 127")
    assert asked("") == "python2\tPython 2.7.18\n"


def test_the_message_is_ours_in_every_core() -> None:
    """A result that comes with a failure must not bring a message: ansible-core 2.21 would show that one."""
    error = failure.failure("Ours.", {"msg": "a module's", "failed": True, "exception": "Traceback", "rc": 1})
    assert error.result["rc"] == 1
    assert error.result.get("msg", "Ours.") == "Ours."
    assert error.result.get("failed", True) is True
    assert "exception" not in error.result


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8"])
def test_real_old_pythons(version: str, tmp_path: Path) -> None:
    """status.yml over a local connection with such an interpreter: the sentence, or the host's lines where this core supports it."""
    found = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python3"))
    if not found:
        pytest.skip(f"no Python {version} on this machine")
    environment = {
        **os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "playbooks" / "collections"),
        "ANSIBLE_HOME": str(tmp_path / "home"), "ANSIBLE_NOCOLOR": "1",
    }  # fmt: skip
    argv = [sys.executable, "-m", "ansible", "playbook", "-i", "one,", "-c", "local", "-e", f"ansible_python_interpreter={found[-1]}"]
    argv += ["-e", f"status_report_dir={tmp_path}", str(ROOT / "playbooks" / "status.yml")]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False, timeout=120, stdin=subprocess.DEVNULL)
    needed = ".".join(map(str, basic._PY_MIN))
    if tuple(map(int, version.split("."))) >= basic._PY_MIN:
        assert done.returncode == 0, done.stdout + done.stderr
        return
    assert done.returncode == 2
    output = " ".join((done.stdout + done.stderr).split())
    assert f"The host has Python {version}." in output
    # The message of the result, which the report and a rescue read.
    assert f"msg: The host has Python {version}" in output or f"msg: 'The host has Python {version}" in output
    assert f"ansible-core {failure.CORE} needs Python {needed} or newer there." in output
