"""The plan on tables of states: what is kept, what is done, what is refused and with which way out."""

from __future__ import annotations

import pytest
from ansible_collections.codetr.provision.plugins.module_utils import planner
from ansible_collections.codetr.provision.plugins.module_utils.preflight import plan as preflight
from ansible_collections.codetr.provision.plugins.module_utils.stage import Stage
from ansible_collections.codetr.provision.plugins.plugin_utils.base import refusal
from driverfacts import gpu_host
from hostfacts import GB, bare, directory, known, plan, provisioned, wanted

CORE = ("preflight", "miniconda", "env", "packages", "repo")


def stage_of(state, name):
    """One stage of a plan as an object."""
    stage = plan(state)["stages"][name]
    return Stage(name, action=stage["action"], disk=stage["disk"])


def test_a_bare_host_gets_everything():
    made = plan(bare())
    assert made["problems"] == []
    assert {name: made["stages"][name]["action"] for name in CORE} == {
        "preflight": "prepare",
        "miniconda": "install",
        "env": "create",
        "packages": "install",
        "repo": "clone",
    }
    assert made["stack"] == "cpu"
    assert {need["why"] for need in planner.needs(made)} >= {"the conda installer", "the repository", "Python packages"}


def test_folders_are_made_where_they_are_missing_or_differ():
    state = provisioned()
    assert preflight.folders_to_make(state, "/opt/codetr") == []
    state["disks"]["/opt/codetr/log"]["self"] = None
    state["disks"]["/opt/codetr/cache"]["self"] = {**directory(), "uid": 0}
    assert preflight.folders_to_make(state, "/opt/codetr") == ["/opt/codetr/cache", "/opt/codetr/log"]
    assert len(preflight.folders_to_make(bare(), "/opt/codetr")) == 4


def test_a_finished_host_gets_nothing():
    made = plan(provisioned())
    assert made["problems"] == []
    assert {name: made["stages"][name]["action"] for name in CORE} == dict.fromkeys(CORE, "keep")
    assert not [need for need in planner.needs(made) if need["stage"] in CORE]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"os__id": "fedora", "os__name": "Fedora Linux 44"}, "Fedora Linux 44 is not supported"),
        ({"os__version": "13", "os__name": "Debian GNU/Linux 13 (trixie)"}, "Debian GNU/Linux 13 (trixie) is not supported"),
        ({"machine__arch": "aarch64"}, "architecture aarch64 is not supported"),
        ({"machine__memory__total": GB}, "0.9 GiB of memory"),
        ({"machine__epoch": 1.8e9 + 7200}, "7200 s ahead"),
        ({"machine__epoch": 1.8e9 - 400}, "400 s behind"),
        ({"unfinished": ["mysql-server-8.0"]}, "was interrupted on this host: mysql-server-8.0 is not configured"),
        ({"user__owner": {"name": "nobody-here", "exists": False}}, "no user nobody-here"),
    ],
)
def test_preflight_refuses_with_a_fix(changes, part):
    problems = plan(bare(**changes))["problems"]
    assert len(problems) == 1
    assert part in problems[0]["message"]
    assert len(problems[0]["fix"]) > 15


def test_all_problems_come_at_once():
    problems = plan(bare(os__id="fedora", machine__arch="aarch64", machine__memory__total=GB))["problems"]
    assert len(problems) == 3


def test_only_warn_turns_preflight_problems_into_warnings():
    config = wanted(preflight_only_warn=True)
    made = plan(bare(config, machine__memory__total=GB), config)
    assert made["problems"] == []
    assert any("GiB of memory" in warning for warning in made["warnings"])


def test_a_gpu_host_with_stack_cpu_asked_for_goes_on():
    config = wanted(codetr_stack="cpu")
    made = plan(gpu_host(gpus=["T4"], config=config), config)
    assert made["problems"] == []


@pytest.mark.parametrize(
    ("self_", "parent_type", "part"),
    [
        ({**directory(), "type": "file"}, "file", "is a file, not a folder"),
        (None, "file", "is in the way"),
    ],
)
def test_a_prefix_that_cannot_be_a_folder(self_, parent_type, part):
    state = bare()
    state["disks"]["/opt/codetr"].update(self=self_, parent_type=parent_type, resolves=self_ is not None)
    assert any(part in problem["message"] for problem in plan(state)["problems"])


def test_a_read_only_disk():
    state = bare()
    state["disks"]["/opt/codetr"]["room"]["read_only"] = True
    assert any("read-only" in problem["message"] for problem in plan(state)["problems"])


def test_a_full_disk_is_refused_with_figures():
    state = bare()
    for disk in state["disks"].values():
        disk["room"]["free"] = 1 * GB
    (problem,) = plan(state)["problems"]
    assert "1.0 GB free" in problem["message"]
    assert "packages 4.5 GB" in problem["message"]
    assert problem["fix"] == "Free some space, or put provision_prefix or codetr_datasets_root on a larger disk."


def test_only_what_is_carried_out_needs_room():
    """A role alone, or a run with tags, is not refused for the data that it does not bring."""
    config = wanted()
    state = bare(config)
    for disk in state["disks"].values():
        if disk.get("room"):
            disk["room"]["free"] = 3 * GB
    whole = [problem["message"] for problem in planner.build(state, config, known(config))["problems"]]
    assert any("GB are needed" in what and "datasets" in what for what in whole)
    assert planner.build(state, config, known(config), ["miniconda", "env"])["problems"] == []
    (small,) = planner.build(state, config, known(config), ["packages"])["problems"]
    assert "packages" in small["message"]
    assert "datasets" not in small["message"]


def test_a_full_disk_of_the_system_names_what_can_be_moved():
    state = gpu_host(gpus=["T4"])
    for disk in state["disks"].values():
        disk["room"]["free"] = 1 * GB
    (problem,) = preflight.check_space([stage_of(state, "nvidia_driver")], state)
    assert problem["fix"] == "Free some space."
    (problem,) = preflight.check_space([stage_of(state, "cuda_toolkit")], state)
    assert problem["fix"] == "Free some space, or put cuda_toolkit_prefix or cuda_toolkit_tmpdir on a larger disk."


def test_reach_one_of_several_addresses_is_enough():
    needs = [{"url": "http://a", "why": "x", "stage": "s"}, {"url": "http://b", "why": "x", "stage": "s"}]
    assert preflight.check_reachable({"http://a": "silent"}, needs) == []
    (problem,) = preflight.check_reachable({"http://a": "silent", "http://b": "gone"}, needs)
    assert "http://b: gone" in problem["message"]


@pytest.mark.parametrize(
    ("have", "action"),
    [("24.11.1", "keep"), ("23.1.0", "upgrade"), ("25.3.1", "keep")],
)
def test_conda_is_upgraded_and_never_downgraded(have, action):
    state = provisioned()
    state["miniconda"]["conda"] = have
    assert plan(state)["stages"]["miniconda"]["action"] == action


def test_a_cut_short_conda_is_repaired_and_cleaned():
    state = provisioned()
    state["miniconda"].update(conda=None, condarc=None)
    state["inprogress"] = {"miniconda": {}}
    stage = plan(state)["stages"]["miniconda"]
    assert stage["action"] == "repair"
    assert stage["params"]["clean"]


def test_a_folder_that_is_no_conda_is_not_touched():
    state = bare()
    state["miniconda"].update(prefix=directory(), empty=False)
    problems = plan(state)["problems"]
    assert any("is no conda" in problem["message"] for problem in problems)


def test_anaconda_channels_need_the_terms():
    config = wanted(miniconda_channels=["defaults"])
    assert any("terms of service" in problem["message"] for problem in plan(bare(config), config)["problems"])
    agreed = wanted(miniconda_channels=["defaults"], miniconda_accept_anaconda_terms="yes")
    assert plan(bare(agreed), agreed)["problems"] == []


def test_conda_create_names_its_channels_and_no_other():
    argv = plan(bare())["stages"]["env"]["params"]["argv"]
    assert argv == [
        "/opt/codetr/miniconda3/bin/conda",
        "create",
        "--yes",
        "--quiet",
        "--prefix",
        "/opt/codetr/miniconda3/envs/codetr",
        "--override-channels",
        "--channel",
        "conda-forge",
        "python=3.10",
        "pip",
    ]


@pytest.mark.parametrize(
    ("receipt", "cache"),
    [
        ({"remember": {"installer": "miniconda3"}}, "/opt/codetr/miniconda3/pkgs"),
        ({"remember": {}}, ""),
        (None, ""),
    ],
)
def test_a_cut_short_env_is_made_anew_without_what_our_conda_was_unpacking(receipt, cache):
    state = provisioned()
    state["inprogress"] = {"env": {}}
    state["receipts"]["miniconda"] = receipt
    stage = plan(state)["stages"]["env"]
    assert (stage["action"], stage["params"]["clean"], stage["params"]["cache"]) == ("repair", True, cache)


def test_a_new_env_leaves_the_package_cache_alone():
    state = bare()
    state["receipts"]["miniconda"] = {"remember": {"installer": "miniconda3"}}
    assert plan(state)["stages"]["env"]["params"]["cache"] == ""


def test_an_env_with_another_python_stays():
    state = provisioned()
    state["env"]["python"] = "3.8.20"
    (problem,) = plan(state)["problems"]
    assert "has Python 3.8.20" in problem["message"]
    assert "codetr_env_name" in problem["fix"]


@pytest.mark.parametrize(
    ("given", "base", "part"),
    [
        ({"codetr_env_manager": "venv"}, None, "names no interpreter"),
        ({"codetr_env_manager": "venv", "codetr_env_python": "/usr/bin/python3.10"}, None, "does not run"),
        ({"codetr_env_manager": "venv", "codetr_env_python": "/usr/bin/python3"}, "3.11.2", "is Python 3.11.2"),
        ({"codetr_env_manager": "existing", "codetr_env_prefix": "/home/me/env"}, None, "there is no Python 3.10"),
    ],
)
def test_an_interpreter_that_does_not_fit(given, base, part):
    config = wanted(**given)
    state = bare(config, env__base=base)
    assert any(part in problem["message"] for problem in plan(state, config)["problems"])


def test_venv_and_existing_need_no_conda():
    config = wanted(codetr_env_manager="venv", codetr_env_python="/usr/bin/python3.10")
    made = plan(bare(config, env__base="3.10.12"), config)
    assert made["stages"]["miniconda"]["action"] == "skip"
    assert made["stages"]["env"]["params"]["python"] == "/opt/codetr/envs/codetr/bin/python"


def test_one_package_that_differs_is_found():
    state = provisioned()
    state["packages"]["dists"]["numpy"] = "2.2.6"
    stage = plan(state)["stages"]["packages"]
    assert stage["action"] == "update"
    assert stage["before"] == {"numpy": "2.2.6"}
    assert not stage["params"]["install_mmcv"]


@pytest.mark.parametrize(
    ("dists", "folders", "editable", "name"),
    [
        ({"mmcv": "2.1.0"}, ["mmcv"], {}, "mmcv 2.1.0"),
        ({"mmdet": "3.3.0"}, ["mmdet"], {}, "mmdet 3.3.0"),
        ({"projects": "0.1"}, ["projects"], {}, "projects 0.1"),
        ({}, ["projects"], {}, "projects"),
        ({}, [], {"mmdet": "/home/me/other"}, "mmdet"),
    ],
)
def test_foreign_packages_are_named(dists, folders, editable, name):
    state = provisioned()
    state["packages"]["dists"].update(dists)
    state["packages"]["folders"] = folders
    state["packages"]["editable"].update(editable)
    (problem,) = plan(state)["problems"]
    assert name in problem["message"]
    config = wanted(codetr_packages_remove_foreign=True)
    assert plan(state, config)["stages"]["packages"]["params"]["foreign"] == [name]


def test_mmcv_full_own_folder_is_not_foreign():
    state = provisioned()
    state["packages"]["folders"] = ["mmcv"]
    assert plan(state)["problems"] == []


def test_users_work_in_the_checkout_is_left_alone_and_named():
    state = provisioned()
    state["repo"]["changed"].append("README.md")
    made = plan(state)
    assert made["stages"]["repo"]["action"] == "keep"
    assert any("README.md" in warning for warning in made["warnings"])


def test_users_work_stops_a_checkout_of_another_commit():
    state = provisioned()
    state["repo"]["changed"].append("README.md")
    state["repo"]["commit"] = "0" * 40
    (problem,) = plan(state)["problems"]
    assert "README.md" in problem["message"]
    assert "stash" in problem["fix"]


def test_our_own_edits_are_not_dirt():
    state = provisioned()
    state["repo"]["commit"] = "0" * 40
    made = plan(state)
    assert made["problems"] == []
    assert len(made["stages"]["repo"]["params"]["revert"]) == len(state["repo"]["files"]) > 0


def test_an_edited_file_that_somebody_changed_too_is_kept_where_our_edits_stand():
    state = provisioned()
    path = sorted(state["repo"]["files"])[0]
    state["repo"]["files"][path]["sha256"] = "f" * 64
    made = plan(state)
    assert made["problems"] == []
    assert made["stages"]["repo"]["action"] == "keep"


def test_a_file_to_edit_that_somebody_changed_stops_the_run():
    state = provisioned()
    path = sorted(state["repo"]["files"])[0]
    entry = state["repo"]["files"][path]
    entry.update(sha256="f" * 64, find=[1] * len(entry["find"]), replace=[0] * len(entry["replace"]))
    assert any(path in problem["message"] for problem in plan(state)["problems"])


def test_a_commit_without_a_list_of_edits_is_refused():
    config = wanted(codetr_repo_commit="1" * 40)
    assert any("no list of source edits" in problem["message"] for problem in plan(bare(config), config)["problems"])


def test_another_remote_folder_is_not_taken_for_ours():
    state = bare()
    state["repo"].update(dest=directory(), empty=False)
    assert any("not a git checkout" in problem["message"] for problem in plan(state)["problems"])


def test_a_fix_that_serves_several_problems_is_said_once():
    said = {"repo": "A is silent.", "datasets": "B is silent."}
    shared = [{"stage": stage, "message": what, "fix": "Check it."} for stage, what in said.items()]
    message = refusal([*shared, {"stage": "preflight", "message": "C is small.", "fix": "Grow it."}])
    assert message.splitlines() == [
        "3 problems found. Nothing was changed:",
        "  - repo: A is silent.",
        "  - datasets: B is silent. For all of these: Check it.",
        "  - preflight: C is small. Grow it.",
    ]


def test_an_env_from_a_stand_in_channel_carries_the_mark():
    config = wanted(provision_artifacts={"conda-forge": {"urls": ["http://lab/conda-forge"], "stand_in": True}})
    assert plan(bare(config), config)["stages"]["env"]["stand_in"]
    assert not plan(bare())["stages"]["env"]["stand_in"]
    kept = provisioned(config)
    kept["receipts"]["env"] = {"stand_in": True}
    assert plan(kept, config)["stages"]["env"]["stand_in"]
