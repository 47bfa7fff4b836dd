"""What the plan decides for the driver: what is kept, what is installed and from where, what is refused and with which fix."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.gpu import table as gpu_table
from ansible_collections.codetr.provision.plugins.module_utils.stack import choose as stacks
from driverfacts import GPUS, NEW_KERNEL, SYSTEMS, VERSIONS, driver_plan, gpu_host, works
from hostfacts import known, wanted


@pytest.mark.parametrize("name", GPUS)
def test_every_gpu_is_known_by_its_id(name: str) -> None:
    device, capability, first, _ = GPUS[name]
    table = known(wanted())["local"]["nvidia_driver"]["gpus"]
    (found,) = gpu_table.describe([{"address": "0000:01:00.0", "device": device, "subsystem": "10de:0000", "model": ""}], table)
    assert found["capability"] == capability
    assert device in table["names"]
    assert (found["first"] or 0) <= first
    for branch in VERSIONS:
        assert gpu_table.drives(branch, found) == works(name, branch), branch


def test_one_a100_is_in_470s_list_with_one_subsystem_only() -> None:
    table = known(wanted())["local"]["nvidia_driver"]["gpus"]
    gpus = [{"address": "a", "device": "20b5", "subsystem": subsystem, "model": ""} for subsystem in ("10de:1533", "10de:1642")]
    assert [gpu_table.drives(470, gpu) for gpu in gpu_table.describe(gpus, table)] == [True, False]


@pytest.mark.parametrize("name", GPUS)
def test_the_stack_that_is_chosen_by_itself(name: str) -> None:
    capability = gpu_table.capability_number(GPUS[name][1])
    made, _, problems = driver_plan(gpu_host(gpus=[name]))
    assert made["stack"] == ("cu113" if capability <= (8, 9) else "modern")
    assert problems == []


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("name", GPUS)
def test_without_a_driver_one_that_fits_is_installed(name: str, system: str) -> None:
    made, stage, problems = driver_plan(gpu_host(system, [name]))
    assert problems == [], problems
    assert stage["action"] == "install"
    branch = stage["params"]["branch"]
    assert works(name, branch)
    capability = gpu_table.capability_number(GPUS[name][1])
    if capability <= (8, 6) and name != "A800":
        assert branch == 470
    assert branch >= (470 if made["stack"] == "cu113" else 535)
    if name in ("B200", "GB200", "RTX 5090", "RTX PRO 6000", "GH200"):
        assert all("open" in " ".join(each["packages"]) for each in stage["params"]["sets"])


HOSTS = [case for case in itertools.product(GPUS, SYSTEMS, VERSIONS, ("auto", "470")) if works(case[0], case[2])]


@pytest.mark.parametrize(("name", "system", "driver", "option"), HOSTS)
def test_a_driver_that_can_run_the_stack_stays_whatever_is_asked_for(name: str, system: str, driver: int, option: str) -> None:
    made, stage, problems = driver_plan(gpu_host(system, [name], driver=driver), nvidia_driver_branch=option)
    capability = gpu_table.capability_number(GPUS[name][1])
    least = 450 if capability <= (8, 9) else 570 if capability >= (10, 0) else 525
    if driver >= least:
        assert (stage["action"], problems) == ("keep", []), stage["reason"]
        assert VERSIONS[driver] in stage["reason"]
        assert "is kept" in stage["reason"]
    else:
        (problem,) = problems
        assert "does not fit" in problem["message"]
        assert "nvidia_driver_replace=true" in problem["fix"]
        assert "codetr_stack=cpu" in problem["fix"]
    assert made["stages"]["nvidia_driver"]["params"].get("branch") in (None, 470, 535, 580)


@pytest.mark.parametrize("name", [name for name, entry in GPUS.items() if entry[2] > 470])
def test_470_on_a_gpu_that_it_cannot_drive_is_refused(name: str) -> None:
    _, stage, problems = driver_plan(gpu_host(gpus=[name]), nvidia_driver_branch="470")
    (problem,) = problems
    assert "Driver 470 cannot drive" in problem["message"]
    assert "auto" in problem["fix"]
    assert stage["params"] == {}


@pytest.mark.parametrize("name", [name for name, entry in GPUS.items() if gpu_table.capability_number(entry[1]) >= (9, 0)])
def test_cu113_on_a_gpu_that_it_has_no_code_for_is_refused(name: str) -> None:
    _, _, problems = driver_plan(gpu_host(gpus=[name], driver=580), codetr_stack="cu113")
    (problem,) = problems
    assert "Stack cu113 has no code for" in problem["message"]
    assert "codetr_stack=modern" in problem["fix"]


@pytest.mark.parametrize(("system", "extra", "refused"), [
    ("debian12", None, False), ("debian12", NEW_KERNEL, True), ("debian11", NEW_KERNEL, True), ("debian12", "6.8.12-amd64", False),
    ("debian12", "6.12.95+deb12-amd64", True), ("ubuntu22.04", NEW_KERNEL, False),
])  # fmt: skip
def test_a_kernel_newer_than_470_was_tested_with(system: str, extra: str | None, refused: bool) -> None:
    host = gpu_host(system, ["T4"], extra_kernel=extra)
    _, _, problems = driver_plan(host, nvidia_driver_source="distribution", nvidia_driver_branch="470")
    assert bool(problems) == refused
    if refused:
        assert f"it supports kernels up to 6.8, and this host has {extra}" in problems[0]["message"]
        # Its package was tested up to 6.13, and Debian 11 has none there.
        assert ("bookworm-backports" in problems[0]["fix"]) == (extra != NEW_KERNEL)


def test_without_a_branch_asked_for_the_next_one_that_compiles_is_taken() -> None:
    host = gpu_host("debian12", ["T4"], extra_kernel="6.12.95+deb12-amd64")
    _, stage, problems = driver_plan(host, nvidia_driver_source="distribution")
    assert (problems, stage["params"]["branch"]) == ([], 535)
    assert "Not used: 470 from the distribution (it supports kernels up to 6.8, and this host has 6.12.95+deb12-amd64)" in stage["reason"]


def test_with_backports_in_the_sources_its_package_takes_the_newer_kernel() -> None:
    state = gpu_host("debian12", ["T4"], extra_kernel="6.12.95+deb12-amd64")
    state["nvidia_driver"]["sources"]["/etc/apt/sources.list"] += "deb http://archive.example/debian/ bookworm-backports main\n"
    _, stage, problems = driver_plan(state, nvidia_driver_source="distribution")
    assert problems == []
    assert [each["suite"] for each in stage["params"]["sets"]] == ["bookworm-backports"]


@pytest.mark.parametrize(("system", "mok", "candidates", "how"), [
    ("debian12", None, False, None), ("debian12", False, False, None), ("debian12", True, False, "dkms"),
    ("ubuntu22.04", None, False, "prebuilt"), ("ubuntu22.04", None, True, "prebuilt"), ("ubuntu22.04", True, False, "prebuilt"),
])  # fmt: skip
def test_secure_boot_takes_signed_modules_or_nothing(system: str, mok: bool | None, candidates: bool, how: str | None) -> None:
    state = gpu_host(system, ["T4"])
    state["nvidia_driver"]["kernels"].update(secure_boot=True, mok=mok)
    if candidates:
        release = state["nvidia_driver"]["kernels"]["running"]
        names = [f"linux-modules-nvidia-470-server-{release}", "linux-modules-nvidia-470-server-aws"]
        state["nvidia_driver"]["candidates"] = {name: ["1"] for name in names}
    _, stage, problems = driver_plan(state, nvidia_driver_source="distribution")
    if how is None:
        (problem,) = problems
        assert "secure boot is on" in problem["message"]
        assert "mokutil --import" in problem["fix"]
    else:
        assert problems == []
        assert stage["params"]["sets"][0]["how"] == how


def test_ubuntu_without_prebuilt_modules_for_the_kernel_takes_dkms() -> None:
    state = gpu_host("ubuntu22.04", ["T4"])
    state["nvidia_driver"]["candidates"] = {"nvidia-dkms-470-server": ["470.256.02"]}
    _, stage, _ = driver_plan(state)
    assert [each["how"] for each in stage["params"]["sets"]] == ["dkms"]


def test_runfile_under_packages_is_refused() -> None:
    _, _, problems = driver_plan(gpu_host(gpus=["T4"], driver=390, whose="runfile"), nvidia_driver_replace=True)
    assert any("runfile" in item["message"] and "nvidia-uninstall" in item["fix"] for item in problems)


@pytest.mark.parametrize("users", [[{"pid": "4711", "command": "python3"}], []])
def test_a_gpu_in_use_keeps_its_driver(users: list[dict[str, str]]) -> None:
    state = gpu_host(gpus=["T4"], driver=390)
    state["nvidia_driver"]["users"] = users
    state["nvidia_driver"]["loaded"]["references"] = 3
    _, _, problems = driver_plan(state, nvidia_driver_replace=True)
    (problem,) = problems
    assert ("python3 (process 4711)" if users else "a process of another user") in problem["message"]


def test_the_persistence_daemon_and_other_modules_are_nobody() -> None:
    state = gpu_host(gpus=["T4"], driver=390)
    state["nvidia_driver"]["loaded"].update(references=3, holders=["nvidia_modeset", "nvidia_uvm"])
    state["nvidia_driver"]["persistence"]["running"] = True
    _, stage, problems = driver_plan(state, nvidia_driver_replace=True)
    assert problems == []
    assert (stage["action"], stage["params"]["branch"]) == ("replace", 470)


@pytest.mark.parametrize(("gpus", "option", "part"), [
    (["K80", "H100"], "auto", "No one stack serves all GPUs"),
    (["T4", "H100"], "cu113", "Stack cu113 has no code for H100"),
    (["K80", "L4"], "auto", "No driver drives all GPUs"),
])  # fmt: skip
def test_mixed_gpus_that_nothing_serves(gpus: list[str], option: str, part: str) -> None:
    _, _, problems = driver_plan(gpu_host(gpus=gpus), codetr_stack=option)
    (problem,) = problems
    assert part in problem["message"]
    assert "provision_ignore_gpus" in problem["fix"] or "codetr_stack=modern" in problem["fix"]


@pytest.mark.parametrize("ignored", ["10de:102d", "102D", "0000:00:1e.0"])
def test_a_gpu_that_is_left_out_does_not_count(ignored: str) -> None:
    made, stage, problems = driver_plan(gpu_host(gpus=["K80", "L4"]), provision_ignore_gpus=[ignored])
    assert (problems, made["stack"], stage["params"]["branch"]) == ([], "cu113", 535)


def test_mixed_gpus_that_one_stack_serves() -> None:
    made, stage, problems = driver_plan(gpu_host(gpus=["T4", "H100"]))
    assert (problems, made["stack"], stage["params"]["branch"]) == ([], "modern", 580)


def test_a_driver_from_outside_is_kept_and_called_not_ours() -> None:
    state = gpu_host(gpus=["H200"], driver=580, whose="outside")
    state["nvidia_driver"]["kernels"].update(ours=False, known={})
    _, stage, problems = driver_plan(state)
    assert (stage["action"], problems) == ("keep", [])
    assert "(from outside this system)" in stage["reason"]


def test_a_container_with_a_gpu_and_no_driver_is_told_where_it_belongs() -> None:
    state = gpu_host(gpus=["T4"])
    state["machine"]["container"] = "docker"
    state["nvidia_driver"]["kernels"].update(ours=False, known={})
    _, _, problems = driver_plan(state)
    (problem,) = problems
    assert "must be installed on the host below it" in problem["message"]


@pytest.mark.parametrize(("config", "action", "part"), [
    ({}, "skip", "no NVIDIA GPU on the PCI bus"),
    ({"nvidia_driver_without_gpu": True}, "install", "requested without a GPU"),
    ({"nvidia_driver_without_gpu": True, "nvidia_driver_manage": False}, "skip", "nvidia_driver_manage is false"),
    ({"codetr_stack": "cpu"}, "skip", "no NVIDIA GPU"),
])  # fmt: skip
def test_a_host_without_a_gpu(config: dict[str, Any], action: str, part: str) -> None:
    _, stage, problems = driver_plan(gpu_host(), **config)
    assert (stage["action"], problems) == (action, [])
    assert part in stage["reason"]


def test_a_finished_host_waits_for_a_restart_or_restarts_when_told() -> None:
    state = gpu_host(gpus=["T4"], driver=470)
    state["nvidia_driver"]["loaded"]["version"] = "470.239.06"
    _, stage, _ = driver_plan(state)
    assert stage["action"] == "keep"
    assert "Driver/library version mismatch" in stage["waits"][0]
    assert "provision_reboot=true" in stage["waits"][1]
    _, stage, _ = driver_plan(state, provision_reboot=True)
    assert stage["action"] == "restart"
    state["connection"] = "local"
    _, stage, _ = driver_plan(state, provision_reboot=True)
    assert stage["action"] == "keep"
    assert "by hand" in stage["waits"][1]


def test_nouveau_has_the_gpu_until_a_restart() -> None:
    state = gpu_host(gpus=["T4"], driver=470)
    state["nvidia_driver"].update(loaded=None, nouveau={"loaded": True, "off": ""})
    _, stage, _ = driver_plan(state)
    assert stage["action"] == "keep"
    assert "nouveau uses the GPU" in stage["waits"][0]


def test_an_installed_module_is_loaded_without_a_restart() -> None:
    state = gpu_host(gpus=["T4"], driver=470)
    state["nvidia_driver"]["loaded"] = None
    _, stage, problems = driver_plan(state)
    assert (stage["action"], problems) == ("load", [])


def test_a_vgpu_is_not_given_a_driver_that_cannot_drive_it() -> None:
    state = gpu_host(gpus=["A10"])
    state["gpus"][0]["virtual"] = True
    _, _, problems = driver_plan(state)
    (problem,) = problems
    assert "is a vGPU of a hypervisor" in problem["message"]


def test_only_warnings_for_the_host_do_not_wave_a_stack_through() -> None:
    _, _, problems = driver_plan(gpu_host(gpus=["H100"], driver=580), codetr_stack="cu113", preflight_only_warn=True)
    (problem,) = problems
    assert problem["stage"] == "stack"


def test_the_distribution_has_no_such_branch() -> None:
    _, _, problems = driver_plan(gpu_host("debian12", ["T4"]), nvidia_driver_branch="510")
    (problem,) = problems
    assert "No known source has driver 510" in problem["message"]


def test_an_image_is_baked_where_apt_has_its_lists_and_no_kernel_is_installed() -> None:
    state = gpu_host()
    state["machine"]["container"] = "podman"
    state["nvidia_driver"].update(kernel_packages={}, candidates={"dkms": ["3.0.10"]})
    state["nvidia_driver"]["kernels"].update(ours=False, known={})
    _, stage, problems = driver_plan(state, nvidia_driver_without_gpu=True)
    assert problems == []
    assert "linux-headers-amd64" in stage["params"]["choices"][0]["packages"]


def test_a_gpu_can_need_a_newer_driver_than_the_stack():
    """CUDA 12 runs from 525 on, and on Blackwell from 570, the first branch that drives it."""
    stack = known(wanted())["stacks"]["modern"]
    hopper, blackwell = {"capability": "9.0"}, {"capability": "10.0"}
    assert stacks.variant_for(stack, [hopper], "525.60.13")["cuda"] == "12.8"
    assert stacks.variant_for(stack, [blackwell], "565.57.01") is None
    assert stacks.variant_for(stack, [hopper, blackwell], "565.57.01") is None
    assert stacks.variant_for(stack, [blackwell], "570.86.10")["cuda"] == "12.8"
    assert stacks.variant_for(stack, [hopper, blackwell], "580.65.06")["cuda"] == "13.0"
    assert (stacks.least_driver(stack, [hopper]), stacks.least_driver(stack, [blackwell])) == ("525", "570")
