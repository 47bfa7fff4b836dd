"""Where mmcv-full's wheel comes from: a cache, somebody's build, or this host's compiler, and for which GPUs it is compiled."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.cuda_toolkit.wanted import minor_of
from ansible_collections.codetr.provision.plugins.plugin_utils import catalog
from driverfacts import gpu_host
from hostfacts import bare, known, plan, provisioned, wanted
from stackfacts import chosen, packages_of

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "roles" / "codetr_packages"


def test_ops_are_compiled_for_exactly_the_cards_that_are_there() -> None:
    build = chosen("H200", 580)["build"]
    assert build["archs"] == ["9.0"]
    assert build["environment"]["TORCH_CUDA_ARCH_LIST"] == "9.0"
    config = wanted()
    both = packages_of(gpu_host(gpus=["H200", "L4"], config=config, driver=580), config)[0]["params"]["build"]
    assert both["environment"]["TORCH_CUDA_ARCH_LIST"] == "8.9;9.0"


def test_for_cuda_13_the_compiler_comes_from_the_index_and_is_of_torchs_minor_version() -> None:
    build = chosen("H200", 580)["build"]
    assert build["environment"]["CUDA_HOME"].endswith("/lib/python3.12/site-packages/nvidia/cu13")
    assert build["cudart"].endswith("/lib/libcudart.so.13")
    for name in ("nvidia-cuda-nvcc", "nvidia-nvvm", "nvidia-cuda-crt", "nvidia-cuda-cccl", "nvidia-cuda-runtime"):
        assert catalog.locks()["nvcc-cu130"]["pins"][name].startswith("13.0.")
    # Two versions of one package cannot be in one environment.
    for python in ("311", "312"):
        torch = catalog.locks()[f"modern-cu130-py{python}"]["pins"]
        both = {name: version for name, version in catalog.locks()["nvcc-cu130"]["pins"].items() if name in torch}
        assert both == {name: torch[name] for name in both} != {}


def test_for_cuda_12_a_toolkit_is_installed_to_compile_with() -> None:
    config = wanted(cuda_toolkit_source="nvidia")
    state = gpu_host(gpus=["H200"], config=config, driver=570)
    made = plan(state, config)
    build, toolkit = made["stages"]["packages"]["params"]["build"], made["stages"]["cuda_toolkit"]["after"]["toolkits"]["12.8"]
    assert toolkit["path"] == build["environment"]["CUDA_HOME"] == "/usr/local/cuda-12.8"
    assert build["cuobjdump"] == "/usr/local/cuda-12.8/bin/cuobjdump"
    assert build["compiler_lock_file"] == ""


def test_for_cuda_12_with_a_wheel_no_toolkit_is_wanted() -> None:
    state = gpu_host(gpus=["H200"], driver=570)
    key = packages_of(state)[0]["params"]["key"]
    made = plan(state, wheels={key: {"path": "/cache/x.whl", "file": "x.whl", "sha256": "0" * 64}})
    assert made["problems"] == []
    assert made["stages"]["cuda_toolkit"]["action"] == "skip"
    assert made["stages"]["packages"]["params"]["source"] == "cached"


def kept(key: str) -> dict[str, str]:
    """A wheel in the controller's cache."""
    return {"path": f"/cache/{key}/x.whl", "file": "x.whl", "sha256": "0" * 64}


def test_the_key_says_whether_the_wheel_is_of_a_unity_build() -> None:
    params = chosen("H200", 580)
    assert params["key"] == params["plain_key"] + "_unity"


@pytest.mark.parametrize("built", ["key", "plain_key"])
def test_a_wheel_of_either_build_is_taken_and_stays(built: str) -> None:
    state = gpu_host(gpus=["H200"], driver=580)
    key = packages_of(state)[0]["params"][built]
    stage, _ = packages_of(state, wheels={key: kept(key), "another": kept("another")})
    assert (stage["params"]["source"], stage["params"]["cached"]["key"]) == ("cached", key)
    assert stage["remember"]["wheel"] == key
    lock = catalog.locks()["modern-cu130-py312"]["pins"]
    state["packages"].update(site="/x", dists={**lock, "mmcv-full": "1.7.2"})
    state["receipts"]["packages"] = {"remember": {"wheel": key, "extra": []}}
    stage, _ = packages_of(state)
    assert not stage["params"]["install_mmcv"]
    assert stage["remember"]["wheel"] == key


def test_of_two_wheels_the_one_of_a_unity_build_is_taken() -> None:
    state = gpu_host(gpus=["H200"], driver=580)
    params = packages_of(state)[0]["params"]
    both = {params[built]: kept(params[built]) for built in ("plain_key", "key")}
    assert packages_of(state, wheels=both)[0]["params"]["cached"]["key"] == params["key"]


def test_for_cuda_12_with_neither_the_plan_says_so_first() -> None:
    config = wanted(cuda_toolkit_versions=[])
    _, problems = packages_of(gpu_host(gpus=["H200"], config=config, driver=570), config)
    (problem,) = problems
    assert "compiled for torch 2.10.0 and CUDA 12.8 (compute capability 9.0)" in problem["message"]
    assert "neither a CUDA 12 toolkit nor a compiled wheel" in problem["message"]
    assert 'cuda_toolkit_versions to ["12.8"]' in problem["fix"]
    assert "sm90" in problem["fix"]


@pytest.mark.parametrize(
    ("versions", "taken"),
    [
        (["11.8.0", "12.5.1", "13.0.2"], "12.5"),
        (["12.5.1", "12.8.1", "12.9.0"], "12.8"),
        (["12.2.0", "12.10.0"], "12.10"),
    ],
    ids=["the same major version", "the same minor version first", "else the newest"],
)
def test_for_cuda_12_a_toolkit_of_somebody_elses_will_do(versions: list[str], taken: str) -> None:
    config = wanted(cuda_toolkit_versions=[])
    state = gpu_host(gpus=["H200"], config=config, driver=570)
    about = {"type": "dir", "empty": False, "marker": None, "packaged": False, "nvcc": True, "target": None}
    state["cuda_toolkit"]["toolkits"] = [
        {**about, "path": f"/usr/local/cuda-{minor_of(version)}", "minor": minor_of(version), "version": version} for version in versions
    ]
    stage, problems = packages_of(state, config)
    assert problems == []
    assert stage["params"]["build"]["environment"]["CUDA_HOME"] == f"/usr/local/cuda-{taken}"


@pytest.mark.parametrize(
    ("system", "gcc", "expected"),
    [
        ("ubuntu20.04", "9.4.0", ("g++", "/usr/bin/gcc")),
        ("ubuntu22.04", "11.4.0", ("g++-10", "/usr/bin/gcc-10")),
        ("debian11", "", ("g++", "/usr/bin/gcc")),
    ],
)
def test_an_older_nvcc_gets_a_compiler_that_it_works_with(system: str, gcc: str, expected: tuple[str, str]) -> None:
    """CUDA 11.4.4 works with gcc below 11.2 only."""
    state = gpu_host(system, gpus=["T4"], driver=470)
    state["cuda_toolkit"]["gcc"] = gcc or None
    stage, _ = packages_of(state)
    assert expected[0] in stage["system_packages"]
    assert stage["params"]["build"]["environment"]["CC"] == expected[1]


def test_where_no_compiler_will_do_the_prebuilt_wheel_must_answer() -> None:
    """Debian 12 has no g++ below 11.2: there is no other way then, and its address is tried before the host is touched."""
    stage, problems = packages_of(gpu_host(gpus=["T4"], driver=470))
    assert problems == []
    assert not stage["params"]["build"]
    assert "needs a g++ below 11.2" in stage["params"]["why_not"]
    (why,) = [need["why"] for need in stage["needs"] if need["why"].startswith("mmcv-full-1.6.0-cu113-torch1.11-cp310")]
    assert "cannot be compiled here either" in why


def test_without_a_gpu_one_says_what_to_compile_for() -> None:
    config = wanted(codetr_stack="modern", nvidia_driver_without_gpu=True)
    stage, problems = packages_of(bare(config), config)
    assert "it is not known for which GPU" in problems[0]["message"]
    config = wanted(codetr_stack="modern", nvidia_driver_without_gpu=True, codetr_packages_compute_capabilities=["10.0", "9.0"])
    stage, problems = packages_of(bare(config), config)
    assert (problems, stage["params"]["build"]["archs"]) == ([], ["9.0", "10.0"])


def test_ada_gets_code_that_the_old_compiler_knows() -> None:
    config = wanted()
    state = gpu_host(gpus=["L4"], config=config, driver=535, system="ubuntu20.04")
    assert packages_of(state, config)[0]["params"]["build"]["archs"] == ["8.6"]


KEYS = {
    "card": lambda: chosen("B200", 580)["key"],
    "driver": lambda: chosen("H200", 570)["key"],
    "python": lambda: chosen("H200", 580, codetr_env_python_version="3.11")["key"],
    "system": lambda: packages_of(gpu_host(gpus=["H200"], driver=580, system="ubuntu24.04"))[0]["params"]["key"],
    "stack": lambda: packages_of(bare())[0]["params"]["key"],
}


@pytest.mark.parametrize("what", KEYS)
def test_a_wheel_is_taken_only_for_what_it_was_compiled_for(what: str) -> None:
    assert KEYS[what]() != chosen("H200", 580)["key"]


def test_other_edits_make_another_wheel() -> None:
    stacks = copy.deepcopy(known(wanted())["stacks"])
    stacks["modern"]["mmcv"]["edits"]["digest"] = "f" * 64
    state = gpu_host(gpus=["H200"], driver=580)
    assert packages_of(state, stacks=stacks)[0]["params"]["key"] != packages_of(state)[0]["params"]["key"]


def test_a_second_card_makes_the_installed_wheel_a_wrong_one() -> None:
    one = chosen("H200", 580)["key"]
    config = wanted()
    state = gpu_host(gpus=["H200", "B200"], config=config, driver=580)
    lock = catalog.locks()["modern-cu130-py312"]["pins"]
    state["packages"].update(site="/x", dists={**lock, "mmcv-full": "1.7.2"})
    state["receipts"]["packages"] = {"remember": {"wheel": one, "extra": []}}
    stage, _ = packages_of(state, config)
    assert stage["params"]["install_mmcv"]
    assert stage["before"] == {"mmcv-full": "1.7.2"}


def test_nvcc_of_the_index_gets_a_compiler_that_it_works_with() -> None:
    """nvcc 13.0 works with g++ up to 15, nvcc 12.8 up to 14."""
    state = gpu_host(gpus=["H200"], driver=580)
    state["cuda_toolkit"]["gcc"] = "16.1.0"
    stage, _ = packages_of(state)
    assert stage["params"]["build"]["environment"]["CXX"] == "/usr/bin/g++-12"
    assert "g++-12" in stage["system_packages"]


def test_a_compiler_that_is_there_is_not_installed_again() -> None:
    state = gpu_host("ubuntu22.04", gpus=["T4"], driver=470)
    state["cuda_toolkit"]["gcc"] = "11.4.0"
    assert "g++-10" in state["system_packages"]
    state["system_packages"]["g++-10"] = "10.5.0"
    assert "g++-10" not in packages_of(state)[0]["system_packages"]


def test_a_cached_wheel_is_taken_and_not_compiled() -> None:
    key = packages_of(bare())[0]["params"]["key"]
    assert packages_of(bare())[0]["params"]["source"] == "build"
    params = packages_of(bare(), wheels={key: kept(key)})[0]["params"]
    assert (params["source"], params["cached"]) == ("cached", {**kept(key), "key": key})


def test_a_finished_host_asks_for_no_toolkit_and_no_compiler() -> None:
    stage, problems = packages_of(provisioned())
    assert (stage["action"], problems) == ("keep", [])


def test_capabilities_are_in_order_of_numbers() -> None:
    config = wanted(codetr_stack="modern", codetr_packages_compute_capabilities=["12.0", "8.9", "10.0"])
    stage, _ = packages_of(gpu_host(gpus=["H200"], config=config, driver=580), config)
    assert stage["params"]["build"]["archs"] == ["8.9", "10.0", "12.0"]
