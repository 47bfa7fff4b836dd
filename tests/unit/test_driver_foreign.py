"""Drivers that the role did not install and that lack a module: completed with the same kind, or refused, never taken over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import replayed
from statefiles import state_file

KERNEL = "5.15.0-153-generic"
RECEIPTS = "/opt/codetr/receipts"
FOREIGN = ("libnvidia-compute-470", "nvidia-dkms-470", "nvidia-driver-470", "nvidia-utils-470")
HEADERS = ["dkms", f"linux-headers-{KERNEL}", "linux-headers-generic"]


def planned(name: str, folder: Path, **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The plan of a replayed host with some of its parts changed, and its stage for the driver."""
    replay = replayed.read(name)
    for key, change in changes.items():
        replay[key] = {**replay.get(key, {}), **change} if isinstance(change, dict) else change
    made, _ = replayed.plan(replay, folder)
    return made, made["stages"]["nvidia_driver"]


@pytest.mark.parametrize(
    "files",
    [
        # An earlier run brought headers for another kernel; one that was cut short found the driver there.
        {f"{RECEIPTS}/nvidia_driver.json": json.dumps({"remember": {"packages": ["linux-headers-5.15.0-151-generic"]}})},
        {f"{RECEIPTS}/nvidia_driver.inprogress": "{}", f"{RECEIPTS}/nvidia_driver.before": state_file(packages=FOREIGN)},
    ],
)
def test_headers_for_a_driver_that_the_role_did_not_install_do_not_make_it_ours(files: dict[str, str], tmp_path: Path) -> None:
    made, stage = planned("new-kernel-without-headers", tmp_path, files=files)
    assert made["problems"] == []
    (each,) = stage["params"]["sets"]
    assert [*each["packages"], *each["headers"]] == stage["params"]["choices"][0]["packages"] == HEADERS
    assert not stage["params"]["ours"]


def test_what_a_run_of_ours_brought_is_repaired_as_ours(tmp_path: Path) -> None:
    files = {f"{RECEIPTS}/nvidia_driver.json": json.dumps({"remember": {"packages": list(FOREIGN)}})}
    _, stage = planned("new-kernel-without-headers", tmp_path, files=files)
    assert stage["action"] == "repair"
    # What is there and works stays of the version that it is.
    assert stage["params"]["choices"][0]["packages"] == HEADERS
    assert stage["params"]["ours"]


def test_prebuilt_modules_are_completed_by_prebuilt_ones(tmp_path: Path) -> None:
    dpkg = f"""\
ii  linux-image-{KERNEL}                         5.15.0-153.163                amd64
ii  linux-image-generic                          5.15.0.153.150                amd64
ii  libnvidia-compute-535                        535.261.03-0ubuntu0.22.04.1   amd64
ii  linux-modules-nvidia-535-5.15.0-151-generic  5.15.0-151.161+1              amd64
ii  nvidia-utils-535                             535.261.03-0ubuntu0.22.04.1   amd64"""
    replay = replayed.read("new-kernel-without-headers")
    gone = ("/usr/lib/x86_64-linux-gnu/libcuda.so.470.256.02", "/var/lib/dkms/nvidia")
    files = {path: entry for path, entry in replay["files"].items() if path not in gone}
    files["/usr/lib/x86_64-linux-gnu/libcuda.so.535.261.03"] = ""
    files["/var/lib/dpkg/status"] = replayed.status(dpkg, replay["maintainer"])
    made, _ = replayed.plan({**replay, "files": files, "commands": {}}, tmp_path)
    stage = made["stages"]["nvidia_driver"]
    assert stage["action"] == "repair", replayed.said(made)
    assert [each["packages"] for each in stage["params"]["sets"]] == [[f"linux-modules-nvidia-535-{KERNEL}"]]
    assert [each["changes"] for each in stage["params"]["sets"]] == [False]
    assert [each["leave"] for each in stage["params"]["choices"]] == [True]


def test_a_kernel_that_the_drivers_package_was_not_tested_with_is_not_tried(tmp_path: Path) -> None:
    release = "6.12.48+deb12-amd64"
    replay = replayed.read("kernel-too-new-for-470-auto")
    dpkg = f"{replay['dpkg']}ii  nvidia-tesla-470-kernel-dkms  470.256.02-1~deb12u1  amd64\n"
    files = {
        **replay["files"],
        "/var/lib/dpkg/status": replayed.status(dpkg, replay["maintainer"]),
        "/usr/lib/x86_64-linux-gnu/nvidia/tesla-470/libcuda.so.470.256.02": "",
        "/var/lib/dkms/nvidia-tesla-470": {"dir": True},
    }
    made, _ = replayed.plan({**replay, "files": files, "commands": {"dkms status": "nvidia-tesla-470/470.256.02: added\n"}}, tmp_path)
    (problem,) = made["problems"]
    assert f"has no module for kernel {release}, and none can be added: it supports kernels up to 6.8" in problem["message"]
    assert f"this host has {release}" in problem["message"]


def test_a_new_gpu_that_the_loaded_driver_does_not_take_counts(tmp_path: Path) -> None:
    l4 = "0000:00:1f.0 3D controller [0302]: NVIDIA Corporation AD104GL [L4] [10de:27b8] (rev a1)"
    replay = replayed.read("packages-held-one-by-one")
    replay["files"].update(replayed.gpus(l4))
    made, _ = replayed.plan(replay, tmp_path)
    (problem,) = made["problems"]
    assert "it cannot drive L4" in problem["message"]


@pytest.mark.parametrize(("said", "problems"), [("is already enrolled", 0), ("is not enrolled", 1)])
def test_dkmss_own_key_counts_where_it_is_enrolled(said: str, problems: int, tmp_path: Path) -> None:
    key = "/var/lib/dkms/mok.pub"
    made, _ = planned("secure-boot-debian", tmp_path, files={key: ""}, commands={f"mokutil --test-key {key}": f"{key} {said}\n"})
    assert len(made["problems"]) == problems, replayed.said(made)
    if problems:
        assert f"`sudo mokutil --import {key}`" in made["problems"][0]["fix"]
