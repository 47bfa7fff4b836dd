"""Edge cases: half a driver, a driver that the role did not install, a driver in use."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.codetr.provision.plugins.module_utils.gpu import probe as gpu_probe
from ansible_collections.codetr.provision.plugins.module_utils.host import capture, kernels
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import present as nvidia_present
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import probe as nvidia_driver
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.apt.apt import Apt
from driverfacts import driver_plan, gpu_host, package
from statefiles import state_file

ROOT = Path(__file__).resolve().parents[2]
NEXT = "6.1.0-57-cloud-amd64"
BUSY = [{"pid": "4711", "command": "python3"}]
BEFORE = "/opt/codetr/receipts/nvidia_driver.before"
UNINSTALL = "/usr/bin/nvidia-uninstall"


def ours(state: dict[str, Any]) -> dict[str, Any]:
    """The host, whose driver this role brought."""
    state["receipts"]["nvidia_driver"] = {"remember": {"packages": sorted(state["nvidia_driver"]["packages"])}}
    return state


def test_a_module_that_outlived_its_driver_is_no_driver():
    state = gpu_host(gpus=["T4"], driver=470)
    state["nvidia_driver"].update(packages={}, modules={}, library=None)
    _, stage, problems = driver_plan(state)
    assert (stage["action"], stage["params"]["changes_driver"], problems) == ("install", True, [])
    state["nvidia_driver"]["users"] = BUSY
    _, _, problems = driver_plan(state)
    assert ["A GPU is in use by python3 (process 4711)" in item["message"] for item in problems] == [True]


def test_a_container_that_was_not_handed_the_library_is_told_so():
    state = gpu_host(gpus=["T4"], driver=470, whose="outside")
    state["machine"]["container"] = "docker"
    state["nvidia_driver"]["kernels"].update(ours=False, known={})
    state["nvidia_driver"]["library"] = None
    _, _, (problem,) = driver_plan(state)
    assert "Driver 470.256.02 is loaded there, but its CUDA library is missing here." in problem["message"]
    assert problem["fix"].startswith("Pass the GPU through (podman and docker: --gpus all)")


@pytest.mark.parametrize(("system", "name"), [("debian12", "libcuda1"), ("ubuntu22.04", "libnvidia-compute-470")])
def test_a_driver_for_screens_alone_runs_no_cuda(system: str, name: str):
    state = gpu_host(system, ["T4"], driver=470)
    state["nvidia_driver"]["library"] = None
    _, _, (problem,) = driver_plan(state)
    assert "has no CUDA library" in problem["message"]
    assert name in problem["fix"]
    _, stage, problems = driver_plan(ours(state))
    assert (stage["action"], problems) == ("repair", [])


@pytest.mark.parametrize(("config", "branch"), [({}, 535), ({"nvidia_driver_branch": "550"}, 550)])
def test_libraries_that_a_program_brought_are_no_driver_and_keep_their_branch(config: dict[str, Any], branch: int):
    state = gpu_host("ubuntu22.04", ["T4"])
    state["nvidia_driver"]["packages"] = {"libnvidia-compute-535": package("535.261.03-0ubuntu1")}
    state["nvidia_driver"]["library"] = {"version": "535.261.03", "path": "/usr/lib/x86_64-linux-gnu/libcuda.so.535.261.03"}
    _, stage, problems = driver_plan(state, **config)
    assert (stage["action"], stage["params"]["branch"], problems) == ("install", branch, [])
    assert "(only libraries of 535.261.03 are)" in stage["reason"]


def test_the_next_kernels_module_comes_without_a_change_of_the_driver_in_use():
    state = ours(gpu_host(gpus=["T4"], driver=470, extra_kernel=NEXT))
    del state["nvidia_driver"]["modules"][NEXT]
    state["nvidia_driver"]["kernels"]["known"][NEXT]["headers"] = False
    state["nvidia_driver"]["users"] = BUSY
    _, stage, problems = driver_plan(state)
    assert (stage["action"], problems) == ("repair", [])
    assert stage["params"]["choices"][0]["packages"] == ["dkms", f"linux-headers-{NEXT}"]
    assert not stage["params"]["changes_driver"]


def test_a_repair_first_tries_the_versions_that_are_there():
    state = ours(gpu_host("ubuntu22.04", ["T4"], driver=470))
    here = state["nvidia_driver"]
    release = here["kernels"]["running"]
    here["packages"] = {
        name: package("470.256.02-1")
        for name in ("nvidia-utils-470-server", "libnvidia-compute-470-server", "linux-modules-nvidia-470-server-5.15.0-1000-aws")
    }
    here["modules"] = {}
    state["receipts"]["nvidia_driver"]["remember"]["packages"] = list(here["packages"])
    _, stage, problems = driver_plan(state)
    first, *rest = [each["packages"] for each in stage["params"]["choices"]]
    assert (stage["action"], problems) == ("repair", [])
    assert {"nvidia-utils-470-server=470.256.02-1", f"linux-modules-nvidia-470-server-{release}"} <= set(first)
    assert any("nvidia-utils-470-server" in names for names in rest)
    assert len(stage["params"]["sets"]) == len(stage["params"]["choices"])
    # Whoever uses the GPU is asked about by the role, where only the driver itself could be changed.
    assert [each["changes"] for each in stage["params"]["sets"]] == [False] * 3 + [True] * 3
    assert [each.get("leave", False) for each in stage["params"]["choices"]] == [True] * 3 + [False] * 3
    here["users"] = BUSY
    _, stage, problems = driver_plan(state)
    assert (problems, stage["params"]["changes_driver"]) == ([], True)


def test_a_repair_stays_with_the_source_that_the_driver_came_from():
    state = gpu_host("ubuntu22.04", ["T4"], driver=470, whose="nvidia")
    here = state["nvidia_driver"]
    here["modules"] = {}
    here["packages"] = {name: entry for name, entry in here["packages"].items() if "dkms" not in name}
    _, stage, problems = driver_plan(ours(state))
    assert (stage["action"], stage["params"]["source"], problems) == ("repair", "nvidia", [])


def test_prebuilt_modules_are_tried_without_the_package_that_may_bring_another_kernel():
    state = gpu_host("ubuntu22.04", ["T4"])
    release = state["nvidia_driver"]["kernels"]["running"]
    _, stage, _ = driver_plan(state)
    modules = [[name for name in each["packages"] if name.startswith("linux-modules")] for each in stage["params"]["choices"]]
    exact, flavour = f"linux-modules-nvidia-470-server-{release}", "linux-modules-nvidia-470-server-aws"
    assert modules == [[exact, flavour], [exact], []]


def test_the_persistence_daemon_keeps_every_gpu_open():
    state = gpu_host(gpus=["T4", "T4"], driver=390)
    state["nvidia_driver"]["loaded"]["references"] = 3
    state["nvidia_driver"]["persistence"]["running"] = True
    assert driver_plan(state, nvidia_driver_replace=True)[2] == []
    state["nvidia_driver"]["loaded"]["references"] = 4
    assert len(driver_plan(state, nvidia_driver_replace=True)[2]) == 1


def test_unconfigured_libraries_of_another_source_are_left_to_the_user():
    state = gpu_host("ubuntu22.04", ["T4"])
    state["nvidia_driver"]["packages"] = {"libnvidia-compute-535": package("535.261.03-0ubuntu1", whole=False)}
    _, _, (problem,) = driver_plan(state)
    assert "not fully configured: libnvidia-compute-535" in problem["message"]


@pytest.mark.parametrize("mine", [True, False])
def test_a_driver_that_the_role_did_not_install_is_loaded_and_otherwise_left_alone(mine: bool):
    state = gpu_host(gpus=["T4"], driver=470)
    state["nvidia_driver"]["loaded"] = None
    _, stage, _ = driver_plan(ours(state) if mine else state)
    # What is not ours has no settings of ours to differ from.
    assert stage["action"] == ("configure" if mine else "load")
    assert stage["params"]["ours"] is mine


@pytest.mark.parametrize(("signer", "enrolled", "accepted"), [
    ("Canonical Ltd. Kernel Module Signing", None, True),
    ("Debian Secure Boot Signer 2022 - linux", False, True),
    ("myhost Secure Boot Module Signature key", False, False),
    ("myhost Secure Boot Module Signature key", True, True),
    ("DKMS module signing key", None, False),
    (None, False, False),
])  # fmt: skip
def test_a_signature_counts_where_the_machine_accepts_the_signer(signer: str | None, enrolled: bool | None, accepted: bool):
    state = gpu_host("ubuntu22.04", ["T4"], driver=470)
    here = state["nvidia_driver"]
    here["loaded"] = None
    here["kernels"].update(secure_boot=True, mok=enrolled)
    for module in here["modules"].values():
        module["signed"] = signer
    _, stage, problems = driver_plan(state)
    assert (stage["action"], len(problems)) == ("load" if accepted else "keep", 0 if accepted else 1)


def test_no_restart_under_work():
    state = gpu_host(gpus=["T4"], driver=470)
    state["nvidia_driver"]["loaded"]["version"] = "470.239.06"
    state["nvidia_driver"]["users"] = BUSY
    _, stage, problems = driver_plan(state, provision_reboot=True)
    assert (stage["action"], problems) == ("keep", [])
    assert "not rebooted now because a GPU is in use by python3 (process 4711)" in stage["waits"][1]


@pytest.mark.parametrize("before", [None, state_file()])
def test_a_driver_from_outside_does_not_become_ours_by_a_run_that_was_cut_short(before: str | None):
    state = gpu_host(gpus=["T4"], driver=470, whose="outside")
    state["inprogress"]["nvidia_driver"] = "begun"
    state["nvidia_driver"]["files"][BEFORE] = before
    _, stage, problems = driver_plan(state)
    assert (stage["action"], problems) == ("keep", [])


@pytest.mark.parametrize(("found", "mine"), [(True, False), (False, True)])
def test_a_runfile_driver_is_ours_where_it_was_not_there_before(found: bool, mine: bool):
    state = gpu_host(gpus=["T4"], driver=470, whose="runfile")
    state["nvidia_driver"]["loaded"] = None
    state["inprogress"]["nvidia_driver"] = "begun"
    state["nvidia_driver"]["files"][BEFORE] = state_file(files=[UNINSTALL] if found else [], requested=["dkms"], uninstall=[UNINSTALL])
    _, stage, _ = driver_plan(state)
    assert stage["params"]["ours"] is mine


def test_a_driver_that_was_installed_after_an_interrupted_run_is_the_users():
    state = gpu_host(gpus=["T4"], driver=470)
    state["inprogress"]["nvidia_driver"] = "begun"
    state["nvidia_driver"]["files"][BEFORE] = state_file(noted=["nvidia-driver-550"], requested=["nvidia-driver-550"])
    _, stage, problems = driver_plan(state)
    assert (stage["action"], problems) == ("keep", [])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 0}', '{"schema": 1, "before": {}, "note": {"packages": ["-y"]}}'])
def test_a_state_file_that_cannot_be_read_is_a_problem_and_not_nothing(text: str):
    state = gpu_host(gpus=["T4"], driver=470)
    state["inprogress"]["nvidia_driver"] = "begun"
    state["nvidia_driver"]["files"][BEFORE] = text
    _, _, (problem,) = driver_plan(state)
    assert problem["message"].startswith(f"{BEFORE} cannot be read: ") and "remove it" in problem["fix"]
    # Without a marker it is of a run that had not begun.
    state["inprogress"].clear()
    assert driver_plan(state)[2] == []


def test_a_packaged_driver_does_not_become_ours_by_a_run_that_wrote_nothing_down():
    state = gpu_host(gpus=["T4"], driver=470)
    state["inprogress"]["nvidia_driver"] = "begun"
    _, stage, problems = driver_plan(state)
    assert (stage["action"], problems) == ("keep", [])


@pytest.mark.parametrize(
    ("named", "action"), [(["nvidia-utils-470", "dkms"], "configure"), (["nvidia-modprobe"], "repair"), (None, "repair")]
)
def test_a_run_that_was_cut_short_after_the_packages_only_ends(named: list[str] | None, action: str):
    state = gpu_host(gpus=["T4"], driver=470)
    state["inprogress"]["nvidia_driver"] = "begun"
    state["nvidia_driver"]["files"][BEFORE] = state_file(noted=state["nvidia_driver"]["packages"], requested=named or [])
    _, stage, _ = driver_plan(state)
    assert (stage["action"], bool(stage["params"]["sets"])) == (action, action == "repair")


def test_holds_of_the_user_are_named_before_they_are_released():
    state = gpu_host(gpus=["T4"], driver=390)
    state["nvidia_driver"]["packages"]["nvidia-utils-390"]["hold"] = True
    _, stage, _ = driver_plan(state, nvidia_driver_replace=True)
    assert any("held on the host" in text and text.endswith(": nvidia-utils-390.") for text in stage["warnings"])
    state["receipts"]["nvidia_driver"] = {"remember": {"packages": [], "held": ["nvidia-utils-390"]}}
    _, stage, _ = driver_plan(state, nvidia_driver_replace=True)
    assert not any("held on the host" in text for text in stage["warnings"])


@pytest.mark.parametrize(("version", "warned"), [(None, True), ("470.239.06-1", True), ("470.256.02-1", False)])
def test_machines_with_nvswitch_need_the_fabric_manager_of_the_very_version(version: str | None, warned: bool):
    state = gpu_host(gpus=["A100"], driver=470)
    state["nvidia_driver"]["switches"] = 6
    if version:
        state["nvidia_driver"]["packages"]["nvidia-fabricmanager-470"] = package(version)
    _, stage, _ = driver_plan(state)
    assert any("error 802" in text for text in stage["warnings"]) == warned


def test_switches_are_counted_and_are_no_gpus(tmp_path: Path):
    for vendor, kind in [("0x10de", "0x068000"), ("0x10de", "0x030200"), ("0x8086", "0x068000")]:
        folder = tmp_path / "sys/bus/pci/devices" / f"{vendor}{kind}"
        folder.mkdir(parents=True)
        for name, text in {"vendor": vendor, "class": kind, "device": "0x1af1"}.items():
            (folder / name).write_text(f"{text}\n")
    host = Host(str(tmp_path), {"commands": {}, "readings": {}})
    assert (gpu_probe.switches(host), len(gpu_probe.probe(host))) == (1, 1)


def test_a_gpu_that_a_virtual_machine_has_is_not_ours_to_drive():
    state = gpu_host(gpus=["A100"])
    state["gpus"][0]["driver"] = "vfio-pci"
    made, stage, problems = driver_plan(state)
    assert (made["stack"], stage["action"], problems) == ("cpu", "skip", [])
    assert "handed to virtual machines" in stage["reason"]
    _, _, (problem,) = driver_plan(state, codetr_stack="cu113")
    assert "handed to virtual machines" in problem["message"]


@pytest.mark.parametrize(("text", "write"), [
    ("", True),
    ("# deb https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2204/x86_64/ /\n", True),
    ("deb https://developer.download.nvidia.com/compute/cuda/repos/wsl-ubuntu/x86_64/ /\n", True),
    ("deb [signed-by=/k.gpg] https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2204/x86_64/ /\n", False),
])  # fmt: skip
def test_only_an_enabled_source_of_the_same_release_is_the_repository(text: str, write: bool):
    state = gpu_host("ubuntu22.04", ["T4"])
    state["nvidia_driver"]["sources"]["/etc/apt/sources.list.d/cuda.list"] = text
    _, stage, problems = driver_plan(state, nvidia_driver_source="nvidia")
    assert (problems, stage["params"]["repository"]["write"]) == ([], write)


def test_an_archive_by_an_unknown_name_is_good_where_apt_knows_the_driver():
    state = gpu_host(gpus=["T4"])
    state["nvidia_driver"]["sources"] = {"/etc/apt/sources.list": "deb https://proxy.example/art/deb-remote bookworm main non-free\n"}
    _, _, problems = driver_plan(state)
    assert ["No apt source of the Debian archive" in item["message"] for item in problems] == [True]
    state["nvidia_driver"]["candidates"] = {"nvidia-tesla-470-smi": ["470.256.02-1"], "linux-headers-cloud-amd64": ["6.1"]}
    _, stage, problems = driver_plan(state)
    assert (problems, stage["params"]["sources"]) == ([], [])


DRIVERS = (
    "nvidia-utils-535", "nvidia-open", "nvidia-open-580", "nvidia-driver-open", "libnvidia-compute", "nvidia-utils", "nvidia-dkms-open",
    "nvidia-open-kernel-dkms", "nvidia-kernel-open-dkms", "nvidia-tesla-470-kernel-dkms", "libcuda1", "cuda-drivers-550", "nvidia-dkms",
)  # fmt: skip
NOT_DRIVERS = ("nvidia-container-toolkit", "libnvidia-container1", "nvidia-settings", "nvidia-detect", "nvidia-cuda-toolkit")


def test_which_packages_are_a_driver():
    assert [name for name in DRIVERS if not re.fullmatch(nvidia_present.CORE, name)] == []
    assert [name for name in NOT_DRIVERS if re.fullmatch(nvidia_present.CORE, name)] == []


@pytest.mark.parametrize("name", ["nvidia.ko", "nvidia.ko.zst", "nvidia-current.ko", "nvidia-current-open.ko", "nvidia-tesla-470.ko.xz"])
def test_what_modules_are_called(name: str):
    assert re.fullmatch(nvidia_driver.MODULE_FILE, name)
    assert not re.fullmatch(nvidia_driver.MODULE_FILE, name.replace(".ko", "-uvm.ko"))


STRANGERS = ("nvidia-container-toolkit", "libnvidia-container1", "nvidia-cuda-toolkit", "libnvpair3linux", "libnvme1", "libcudart11.0")
OLDER = ("nvidia-utils-535", "libnvidia-compute-535", "nvidia-tesla-470-smi", "linux-modules-nvidia-535-aws", "libcuda1")


def test_what_a_driver_may_take_the_place_of():
    rule = yaml.safe_load((ROOT / "roles/nvidia_driver/vars/main.yml").read_text())["__nvidia_driver_replaceable"].strip()
    assert [name for name in STRANGERS if re.fullmatch(rule, name)] == []
    assert [name for name in OLDER if not re.fullmatch(rule, name)] == []


def test_unattended_upgrades_keep_what_is_about_a_driver_up_to_date():
    """They match each pattern at the beginning of a name."""
    rules = re.findall(r'"(.+)";', Apt().unattended_file()[1])
    assert not any(re.match(rule, name) for rule in rules for name in ("nvidia-container-toolkit", "libnvidia-container1"))
    for name in ("nvidia-utils-470", "libnvidia-compute-470", "libcuda1", "cuda-drivers"):
        assert any(re.match(rule, name) for rule in rules), name


def test_a_package_about_a_flavour_is_no_flavour():
    names = ["linux-image-extra-virtual", "linux-image-virtual", "linux-image-6.8.0-60-generic", "linux-image-unsigned-6.8.0-60-generic"]
    assert kernels.flavours(dict.fromkeys(names)) == ["virtual"]


@pytest.mark.parametrize("login", ["debian", "root", "anna"])
def test_a_capture_loses_the_login_name_and_nothing_that_is_called_the_same(login: str):
    home = "/root" if login == "root" else f"/home/{login}"
    account = {"exists": True, "uid": 1000, "group": login, "home": home, "shell": "/bin/bash"}
    found = {
        "files": {
            "/etc/os-release": "ID=debian\n",
            f"{home}/.bashrc": "conda\n",
            f"{home}-two/.bashrc": "conda\n",
            "/etc/apt/sources.list": "deb http://m/debian bookworm main\n",
        },
        "commands": {json.dumps(["ls", home]): {"rc": 0, "out": f"{home}/x\n", "err": ""}},
        "readings": {"login": login, f"account:{login}": account, "kernel": "6.1.0-56-cloud-amd64"},
    }
    instead = "root" if login == "root" else "user"
    home_now = "/root" if login == "root" else "/home/user"
    made = capture.nameless(json.loads(json.dumps(found)), login)
    assert made["files"]["/etc/os-release"] == "ID=debian\n"
    assert made["files"]["/etc/apt/sources.list"] == "deb http://m/debian bookworm main\n"
    assert made["files"][f"{home_now}/.bashrc"] == made["files"][f"{home}-two/.bashrc"] == "conda\n"
    assert made["commands"] == {json.dumps(["ls", home_now]): {"rc": 0, "out": f"{home_now}/x\n", "err": ""}}
    assert made["readings"]["login"] == instead
    assert made["readings"][f"account:{instead}"] == {**account, "group": instead, "home": home_now}
