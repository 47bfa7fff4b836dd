"""What holds for the driver's plan of every host: properties, and the whole table of gpus, drivers, secure boot, kernels and stacks."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.gpu import table as gpu_table
from driverfacts import GPUS, NEW_KERNEL, SYSTEMS, VERSIONS, bring, driver_plan, driver_stage, gpu_host, works
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CASES = st.fixed_dictionaries({
    "system": st.sampled_from(sorted(SYSTEMS)),
    "gpus": st.lists(st.sampled_from(sorted(GPUS)), max_size=3),
    "driver": st.sampled_from([None, *VERSIONS]),
    "whose": st.sampled_from(["distribution", "nvidia", "other", "runfile", "outside"]),
    "extra": st.sampled_from([None, NEW_KERNEL]),
    "secure": st.sampled_from([None, False, True]),
    "loaded": st.sampled_from(["same", "older", "none"]),
    "config": st.fixed_dictionaries({
        "codetr_stack": st.sampled_from(["auto", "cpu", "cu113", "modern"]),
        "nvidia_driver_branch": st.sampled_from(["auto", "470", "535", "580"]),
        "nvidia_driver_source": st.sampled_from(["auto", "distribution", "nvidia", "runfile"]),
        "nvidia_driver_replace": st.booleans(),
        "nvidia_driver_without_gpu": st.booleans(),
        "provision_reboot": st.booleans(),
    }),
})  # fmt: skip


def host_of(case: dict[str, Any]) -> dict[str, Any]:
    state = gpu_host(case["system"], case["gpus"], driver=case["driver"], whose=case["whose"], extra_kernel=case["extra"])
    here = state["nvidia_driver"]
    here["kernels"]["secure_boot"] = case["secure"]
    if here["loaded"] and case["loaded"] == "none":
        here["loaded"] = None
    elif here["loaded"] and case["loaded"] == "older":
        here["loaded"]["version"] = here["loaded"]["version"].split(".")[0] + ".0.1"
    return state


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CASES)
def test_what_holds_for_every_host(case: dict[str, Any]) -> None:
    state = host_of(case)
    made, stage, problems = driver_plan(state, **case["config"])
    touched = not problems and stage["todo"]
    branch = stage["params"].get("branch") if touched and stage["action"] in ("install", "replace", "repair") else None
    # A refusal always names a fix, in whole sentences.
    for item in problems:
        assert item["message"].endswith("."), item
        assert item["fix"].endswith("."), item
        assert len(item["fix"]) > 20
    # Never a downgrade, never a branch that a GPU of the host cannot be driven by, never a change that nobody asked for.
    if branch is not None and case["driver"] is not None:
        assert branch >= case["driver"]
        assert case["config"]["nvidia_driver_replace"] or stage["action"] == "repair"
    if branch is not None:
        assert all(works(name, branch) for name in case["gpus"])
        assert stage["params"]["choices"]
    if stage["action"] == "replace" and not problems:
        assert case["whose"] not in ("runfile", "outside")
    # Secure boot is never met with a module that it would refuse.
    if branch is not None and case["secure"] and case["gpus"]:
        assert all(each["how"] == "prebuilt" for each in stage["params"]["sets"])
    # A restart is only ever done when it was allowed.
    if stage["action"] == "restart":
        assert case["config"]["provision_reboot"]
    # Nothing happens to hosts without a GPU unless it was asked for.
    if not case["gpus"] and not case["config"]["nvidia_driver_without_gpu"]:
        assert not touched
    if made["stack"] == "cpu" and case["gpus"]:
        assert not touched


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(GPUS)), st.sampled_from(sorted(SYSTEMS)))
def test_the_plan_of_a_host_that_got_what_was_planned_is_empty(name: str, system: str) -> None:
    before = gpu_host(system, [name])
    _, stage, problems = driver_plan(before)
    assert problems == []
    branch = stage["params"]["branch"]
    after = gpu_host(system, [name])
    bring(after, f"{branch}.256.02", stage["params"]["source"], list(after["nvidia_driver"]["kernels"]["known"]))
    _, again, problems = driver_plan(after)
    assert (again["action"], problems, again["waits"]) == ("keep", [], [])


def expected(name: str, driver: int | None, option: str, secure: bool, old_kernel: bool, system: str) -> str:
    """What must become of a host with one GPU: keep, install or refuse; worked out from tables of this test alone."""
    capability = gpu_table.capability_number(GPUS[name][1])
    stack = option if option != "auto" else "cu113" if capability <= (8, 9) else "modern"
    if stack == "cpu":
        return "skip"
    if (stack == "cu113" and capability > (8, 9)) or (stack == "modern" and capability < (7, 0)):
        return "refuse"
    if driver is not None:
        least = 450 if stack == "cu113" else 570 if capability >= (10, 0) else 525
        return "keep" if driver >= least else "refuse"
    if stack == "modern" and capability < (7, 5) and works(name, 580):
        return "either"
    if secure:
        return "refuse" if system.startswith("debian") else "either"
    return "install" if old_kernel else "either"


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_whole_table(system: str) -> None:
    """Every GPU x driver x secure boot x kernel age x stack, on one system: 6,336 hosts."""
    wrong = []
    for name, driver, secure, extra, option in itertools.product(
        GPUS, [None, *VERSIONS], (None, False, True), (None, NEW_KERNEL), ("auto", "cpu", "cu113", "modern")
    ):
        if driver is not None and not works(name, driver):
            continue
        state = gpu_host(system, [name], driver=driver, extra_kernel=extra)
        state["nvidia_driver"]["kernels"]["secure_boot"] = secure
        stage, problems = driver_stage(state, codetr_stack=option)
        got = "refuse" if problems else stage.action
        want = expected(name, driver, option, bool(secure), extra is None, system)
        if got != want and not (want == "either" and got in ("install", "refuse")):
            wrong.append((name, driver, secure, extra, option, got, want, stage.reason, problems))
        for item in problems:
            if not item["fix"].endswith("."):
                wrong.append((name, item))
    assert wrong[:3] == []
