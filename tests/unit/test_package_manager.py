"""The package manager's one door: nothing else knows apt, a second one needs no role, and what the module says when apt fails."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils import distribution, planner
from ansible_collections.codetr.provision.plugins.module_utils.package_manager import managers
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.apt.apt import Apt
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.manager import PackageManager, RepositoryFiles
from driverfacts import gpu_host
from hostfacts import bare, known, wanted

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = re.compile(r"apt-get|apt-mark|apt-cache|dpkg(?!_selections)|/etc/apt|/var/lib/apt|ansible\.builtin\.(?:apt|package|dnf|yum)\b")
CODE = [
    *(path for path in (ROOT / "roles").glob("*/[tvh]*/**/*.yml")),
    *(path for path in (ROOT / "playbooks").glob("*.yml")),
    *(path for path in (ROOT / "plugins").rglob("*.py") if "package_manager" not in path.parts),
]


def uses(text: str) -> list[str]:
    """Programs and files of a package manager in a text; an import of the door's own modules is none."""
    return [match.group() for line in text.splitlines() if "module_utils.package_manager" not in line for match in PROGRAMS.finditer(line)]


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_door_knows_a_package_manager(path: Path) -> None:
    text = path.read_text()
    # A link in a module's documentation, and the fix for a host that cannot be probed for want of a Python.
    for allowed in ("  - module: ansible.builtin.package", "(on Debian and Ubuntu: apt-get install python3)"):
        text = text.replace(allowed, "")
    assert uses(text) == []


def test_the_rule_sees_a_package_manager() -> None:
    assert len(CODE) > 150
    assert uses("argv: [apt-mark, hold]\nansible.builtin.apt:\n") == ["apt-mark", "ansible.builtin.apt"]


class Tdnf(Apt):
    """A second package manager, as far as plans ask it."""

    name = "tdnf"
    program = "/usr/bin/tdnf"
    cache = "/var/cache/tdnf"
    repository_needs = ("ca-certificates", "gnupg2")

    def repository(self, name: str, url: str, user: str, priority: int, names: str) -> RepositoryFiles:
        return RepositoryFiles((f"/etc/tdnf/{name}.repo", f"[{name}]\nbaseurl={url}\n"), f"/etc/pki/{name}", None, "repodata/repomd.xml")

    def unattended_file(self) -> None:
        return None

    def to_mend(self) -> str:
        return "`sudo tdnf history redo last`"


def plan_with(monkeypatch: pytest.MonkeyPatch, manager: PackageManager, state: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The plan for a Debian 12 whose package manager is another."""
    monkeypatch.setitem(managers.MANAGERS, manager.name, manager)
    config = wanted(**options)
    found = known(config)
    releases = found["distributions"].releases
    changed = tuple(distribution.Release(**{**vars(each), "package_manager": manager.name}) for each in releases)
    state["os"]["package_managers"] = [manager.name]
    return planner.build(state, config, {**found, "distributions": distribution.Table(changed)})


def test_a_second_package_manager_is_an_entry_and_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    state = bare(wanted())
    state["unfinished"] = ["curl"]
    made = plan_with(monkeypatch, Tdnf(), state, cuda_toolkit_versions=["12.4"], cuda_toolkit_source="nvidia")
    assert [each["fix"] for each in made["problems"]] == ["Run `sudo tdnf history redo last` on the host, then run again."]
    toolkit = made["stages"]["cuda_toolkit"]
    assert toolkit["system_packages"] == ["ca-certificates", "gnupg2"]
    assert toolkit["params"]["repository"]["source"]["path"] == "/etc/tdnf/codetr-nvidia-cuda.repo"
    assert toolkit["params"]["repository"]["priority"] is None
    assert toolkit["needs"][0]["url"].endswith("/repodata/repomd.xml")
    assert "/var/cache/tdnf" in [each["path"] for each in toolkit["disk"]]
    assert not re.search("apt", json.dumps([toolkit["params"], toolkit["disk"]]).replace("nvidia-cuda-apt-key", ""))


def test_the_drivers_plan_asks_the_door_too(monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan_with(monkeypatch, Tdnf(), gpu_host("debian12", ["T4"]), codetr_stack="cu113", nvidia_driver_source="distribution")
    assert made["stages"]["nvidia_driver"]["params"]["hold_file"] is None


def test_a_host_without_its_package_manager_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    state = bare(wanted())
    state["os"]["package_managers"] = []
    (problem,) = planner.build(state, wanted(), known(wanted()))["problems"]
    assert problem["message"] == "Debian GNU/Linux 12 (bookworm) has no apt on this host."


class Machine:
    """Programs of apt in a folder of their own, and the module that runs them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def says(self, program: str, text: str, rc: int = 0) -> None:
        path = self.folder / program
        path.write_text(f"#!/bin/sh\necho \"$0 $*\" >> {self.folder}/asked\ncat <<'END'\n{text}\nEND\nexit {rc}\n")
        path.chmod(0o755)

    def call(self, check: bool = False, **arguments: Any) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, str(ROOT / "plugins" / "modules" / "codetr_system_packages.py")],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": {"_ansible_check_mode": check, **arguments}}),
            env={"PYTHONPATH": str(ROOT / "playbooks" / "collections"), "PATH": f"{self.folder}:/usr/bin:/bin", "HOME": "/"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return dict(json.loads(done.stdout))

    @property
    def asked(self) -> list[str]:
        path = self.folder / "asked"
        return [line.removeprefix(f"{self.folder}/") for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    found = Machine(tmp_path)
    found.says("apt-mark", "")
    return found


def test_no_set_can_be_installed(machine: Machine) -> None:
    """The message has the reason for every set, and how to go on."""
    machine.says("apt-get", "E: Unable to locate package cuda-toolkit-99-1", rc=100)
    answer = machine.call(state="chosen", sets=[{"packages": ["cuda-toolkit-99-1"]}], purpose="the CUDA toolkit")
    assert answer["failed"] is True
    assert answer["msg"].startswith(
        "apt can install none of the sets of packages with the CUDA toolkit. "
        "cuda-toolkit-99-1: Unable to locate package cuda-toolkit-99-1. "
    )
    assert "`apt-mark unhold`" in answer["msg"]


def test_the_second_set_can_be_installed(machine: Machine) -> None:
    machine.says("apt-get", "Inst nvidia-smi (470.1 x)\nRemv xserver-xorg-core [1]")
    sets = [{"packages": ["nvidia-smi"]}, {"packages": ["nvidia-smi"]}]
    assert "it would remove xserver-xorg-core" in machine.call(state="chosen", sets=sets)["msg"]
    answer = machine.call(state="chosen", sets=sets, replaceable="xserver-xorg-core")
    assert (answer["index"], answer["install"], answer["remove"]) == (0, ["nvidia-smi"], ["xserver-xorg-core"])
    assert (answer["progress"], answer["passed_over"], answer["changed"]) == ("Setting up ", [], False)


@pytest.mark.parametrize(
    ("said", "begins"),
    [
        ("W: NO_PUBKEY A4B469963BF863CC", "An apt source on this host for NVIDIA's repository still trusts the key that NVIDIA replaced"),
        ("E: The repository 'http://x stable' is not signed.", "An apt source of this host is not signed by a key that the host trusts."),
        ("E: Conflicting values set for option Signed-By regarding source", "Two apt sources of this host name the same archive"),
        ("E: Could not resolve 'deb.test'", "The archive did not answer."),
        ("E: Something new", "apt could not update its package lists."),
    ],
)
def test_lists_that_cannot_be_updated(machine: Machine, said: str, begins: str) -> None:
    machine.says("apt-get", said, rc=100)
    answer = machine.call(state="refreshed")
    assert answer["msg"].startswith(begins)
    assert said in answer["msg"]


def test_an_installation_that_fails_for_the_roles_reason(machine: Machine, tmp_path: Path) -> None:
    machine.says("apt-get", "Setting up dkms\nError! Build of nvidia.ko failed", rc=100)
    log = str(tmp_path / "log" / "x.log")
    explain = [{"pattern": "Error! Build of", "say": "DKMS could not build the module."}]
    answer = machine.call(state="present", names=["no-such-package"], log=log, explain=explain)
    assert answer["msg"].startswith("DKMS could not build the module. apt-get -y --no-install-recommends")
    assert Path(log).read_text().splitlines()[-1] == "Error! Build of nvidia.ko failed"
    machine.says("apt-get", "No space left on device\nError! Build of nvidia.ko failed", rc=100)
    assert machine.call(state="present", names=["no-such-package"], explain=explain)["msg"].startswith("The disk is full.")
    machine.says("apt-get", "what nobody knows", rc=100)
    assert machine.call(state="present", names=["no-such-package"])["msg"].startswith("The packages could not be installed.")


def test_a_package_that_no_repository_has_is_left_out(machine: Machine) -> None:
    machine.says("apt-cache", "", rc=100)
    machine.says("apt-get", "", rc=1)
    assert machine.call(state="present", names=["nvidia-driver-pinning-580"], if_known=True)["changed"] is False
    assert machine.asked == ["apt-cache show nvidia-driver-pinning-580"]
    machine.says("apt-cache", "Package: nvidia-driver-pinning-580")
    machine.says("apt-get", "")
    assert machine.call(state="present", names=["nvidia-driver-pinning-580"], if_known=True)["changed"] is True
    assert machine.asked[-1].endswith(" install nvidia-driver-pinning-580")


def test_what_is_installed_is_left_alone(machine: Machine) -> None:
    """Stages of one run share a plan, so that a later one may ask for what an earlier one has installed."""
    machine.says("apt-get", "")
    assert machine.call(state="present", names=["dpkg", "apt"], refresh=True)["changed"] is False
    assert machine.asked == []
    assert machine.call(state="present", names=["dpkg", "apt=1.0"], refresh=True)["changed"] is True
    assert machine.call(state="latest", names=["dpkg"])["changed"] is True
    assert [line.split()[-1] for line in machine.asked] == ["update", "apt=1.0", "dpkg"]


def test_check_mode_changes_nothing(machine: Machine) -> None:
    machine.says("apt-get", "", rc=1)
    assert machine.call(check=True, state="refreshed")["changed"] is True
    assert machine.call(check=True, state="present", names=["no-such-package"], refresh=True)["changed"] is True
    assert machine.asked == []
