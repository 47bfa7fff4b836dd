"""The stacks as data: which variant, Python and lock a host gets, and where torch and mmcv-full come from."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.codetr.provision.plugins.module_utils.cuda_toolkit.wanted import minor_of
from ansible_collections.codetr.provision.plugins.plugin_utils import catalog
from driverfacts import gpu_host
from hostfacts import bare, known, plan, provisioned, wanted

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "roles" / "codetr_packages"


def packages_of(state: dict[str, Any], config: dict[str, Any] | None = None, **changes: Any) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The stage of the packages, and what stands against it."""
    made = plan(state, config, **changes)
    return made["stages"]["packages"], [problem for problem in made["problems"] if problem["stage"] == "packages"]


def chosen(name: str, driver: int | None, **given: Any) -> dict[str, Any]:
    """The parameters of the packages for one card and driver."""
    config = wanted(**given)
    return packages_of(gpu_host(gpus=[name], config=config, **({"driver": driver} if driver else {})), config)[0]["params"]


@pytest.mark.parametrize(
    ("card", "driver", "torch", "cuda", "lock"),
    [
        ("T4", 470, "1.11.0", "11.3", "cu113-py310"),
        ("T4", 580, "1.11.0", "11.3", "cu113-py310"),
        ("H200", 580, "2.11.0", "13.0", "modern-cu130-py312"),
        ("H200", 570, "2.10.0", "12.8", "modern-cu128-py312"),
        ("H200", 535, "2.10.0", "12.8", "modern-cu128-py312"),
        ("H200", None, "2.11.0", "13.0", "modern-cu130-py312"),
        ("B200", 570, "2.10.0", "12.8", "modern-cu128-py312"),
        ("RTX 5090", 580, "2.11.0", "13.0", "modern-cu130-py312"),
    ],
)
def test_torch_is_for_a_cuda_that_the_driver_can_run(card: str, driver: int | None, torch: str, cuda: str, lock: str) -> None:
    params = chosen(card, driver)
    told = {line["code"]: line["prints"] for line in params["check"]}
    assert told["import torch; print(torch.__version__.split('+')[0])"] == torch
    assert told["import torch; print(torch.version.cuda)"] == cuda
    assert Path(params["lock_file"]).stem == lock
    assert params["pins"]["torch"].split("+")[0] == torch


def test_v100_has_code_in_the_older_torch_only() -> None:
    assert Path(chosen("V100", 580, codetr_stack="modern")["lock_file"]).stem == "modern-cu128-py312"


@pytest.mark.parametrize(
    ("here", "option", "manager", "base", "lock"),
    [
        (None, "", "conda", None, "py312"),
        ("3.11.7", "", "conda", None, "py311"),
        ("3.10.4", "", "conda", None, "py312"),
        ("3.11.7", "3.12", "conda", None, "py312"),
        (None, "", "venv", "3.11.2", "py311"),
        ("3.12.3", "", "existing", None, "py312"),
    ],
)
def test_the_python_that_is_there_stays_if_it_will_do(here: str | None, option: str, manager: str, base: str | None, lock: str) -> None:
    config = wanted(codetr_env_python_version=option, codetr_env_manager=manager, codetr_env_python="/usr/bin/python3" if base else "")
    state = gpu_host(gpus=["H200"], config=config, driver=580)
    state["env"].update(python=here, base=base)
    assert Path(packages_of(state, config)[0]["params"]["lock_file"]).stem.endswith(lock)


def test_a_python_that_the_stack_is_not_for_is_refused() -> None:
    config = wanted(codetr_env_python_version="3.9")
    (problem,) = [item for item in plan(bare(config), config)["problems"] if item["stage"] == "env"]
    assert "stack cpu is for Python 3.10" in problem["message"]


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


def test_cu113_takes_wheels_by_hash_from_records() -> None:
    params = chosen("T4", 470)
    assert [each["name"] for each in params["fetch"]] == ["torch-1.11.0-cu113-cp310", "torchvision-0.12.0-cu113-cp310"]
    assert params["fetch"][0]["dest"].endswith("/torch-1.11.0+cu113-cp310-cp310-linux_x86_64.whl")
    assert (params["source"], params["prebuilt"]["name"]) == ("prebuilt", "mmcv-full-1.6.0-cu113-torch1.11-cp310")
    assert params["pins"]["torch"] == "1.11.0+cu113"


def test_a_record_that_is_changed_changes_the_locks_hash() -> None:
    url = "http://mirror.test/torch-1.11.0%2Bcu113-cp310-cp310-linux_x86_64.whl"
    config = wanted(provision_artifacts={"torch-1.11.0-cu113-cp310": {"urls": [url], "sha256": "9" * 64}})
    rehash = packages_of(gpu_host(gpus=["T4"], config=config, driver=470), config)[0]["params"]["rehash"]
    assert rehash["a68c33657a546131eb9bc44e2a98d2fa704aafae861460b051b82813852ccb44"] == "9" * 64
    assert [key for key, value in rehash.items() if key == value] == ["a1cb063876bdebb1dc64657ed68983ff1307b9f9a88b5eba620d87afe48485f1"]


def test_the_index_torch_of_another_stack_is_no_torch_for_cu113() -> None:
    state = gpu_host(gpus=["T4"], driver=470)
    lock = catalog.locks()["cu113-py310"]["pins"]
    state["packages"].update(site="/x", dists={**lock, "torch": "1.11.0", "mmcv-full": "1.6.0"})
    assert packages_of(state)[0]["before"] == {"torch": "1.11.0"}


def test_an_unpublished_hash_is_a_warning() -> None:
    stage, _ = packages_of(gpu_host(gpus=["T4"], driver=470))
    warning = "No published sha256 for mmcv-full-1.6.0-cu113-torch1.11-cp310; downloaded unverified."
    assert warning in stage["warnings"]


def test_by_conda_torch_is_the_guides_with_what_makes_it_work_today() -> None:
    config = wanted(codetr_torch_source="conda")
    state = gpu_host(gpus=["T4"], config=config, driver=470)
    stage, problems = packages_of(state, config)
    argv = stage["params"]["conda"]
    assert problems == []
    assert argv[:6] == ["/opt/codetr/miniconda3/bin/conda", "install", "--yes", "--quiet", "--prefix", "/opt/codetr/miniconda3/envs/codetr"]
    assert "--override-channels" in argv
    assert [argv[at + 1] for at, word in enumerate(argv) if word == "--channel"] == ["pytorch", "conda-forge"]
    assert {"cudatoolkit=11.3", "mkl<2024.1", "numpy=1.23.5"} <= set(argv)
    assert not any("pytorch-cuda" in word for word in argv)
    assert "torch" not in stage["params"]["pins"]
    assert stage["params"]["fetch"] == []
    assert stage["after"]["torch"] == "1.11.0"


def test_conda_is_asked_once() -> None:
    config = wanted(codetr_torch_source="conda")
    state = gpu_host(gpus=["T4"], config=config, driver=470)
    lock = catalog.locks()["cu113-conda-py310"]["pins"]
    state["packages"].update(site="/x", dists={**lock, "torch": "1.11.0", "torchvision": "0.12.0", "mmcv-full": "1.6.0"})
    assert packages_of(state, config)[0]["params"]["conda"]
    state["packages"]["conda"]["pytorch"] = "1.11.0-py3.10_cuda11.3_cudnn8.2.0_0"
    assert not packages_of(state, config)[0]["params"]["conda"]


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"codetr_stack": "cpu"}, "conda has no torch 1.11.0 for stack cpu"),
        ({"codetr_stack": "modern"}, "for stack modern"),
        ({"codetr_env_manager": "existing"}, "codetr_env_manager is existing"),
    ],
)
def test_conda_where_it_cannot_be_is_refused(given: dict[str, str], part: str) -> None:
    config = wanted(codetr_torch_source="conda", **given)
    card = "H200" if given.get("codetr_stack") == "modern" else "T4"
    _, problems = packages_of(gpu_host(gpus=[card], config=config, driver=580), config)
    assert any(part in problem["message"] for problem in problems)


def test_what_conda_is_to_bring_is_not_there_because_pip_brought_it() -> None:
    config = wanted(codetr_torch_source="conda")
    state = gpu_host(gpus=["T4"], config=config, driver=470)
    lock = catalog.locks()["cu113-conda-py310"]["pins"]
    state["packages"].update(site="/x", dists={**lock, "torch": "1.11.0", "torchvision": "0.12.0", "mmcv-full": "1.6.0"})
    stage, _ = packages_of(state, config)
    assert (stage["action"], sorted(stage["before"])) == ("update", ["torch", "torchvision"])


def test_a_folder_takes_the_place_of_records_too() -> None:
    config = wanted(codetr_packages_folder="/srv/packages")
    params = packages_of(gpu_host("ubuntu20.04", gpus=["T4"], config=config, driver=470), config)[0]["params"]
    assert (params["fetch"], params["source"], params["prebuilt"]) == ([], "build", {})


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


def test_no_lock_names_an_index() -> None:
    for path in (ROOT / "stacks" / "locks").iterdir():
        assert "://" not in path.read_text(), path


def test_a_folder_is_all_that_is_asked() -> None:
    config = wanted(codetr_packages_folder="/srv/packages")
    stage, _ = packages_of(gpu_host(gpus=["H200"], config=config, driver=580), config)
    assert stage["params"]["index"] == ["--no-index", "--find-links", "/srv/packages"]
    assert stage["needs"] == []


def test_a_cached_wheel_is_taken_and_not_compiled() -> None:
    key = packages_of(bare())[0]["params"]["key"]
    assert packages_of(bare())[0]["params"]["source"] == "build"
    params = packages_of(bare(), wheels={key: kept(key)})[0]["params"]
    assert (params["source"], params["cached"]) == ("cached", {**kept(key), "key": key})


def test_a_finished_host_asks_for_no_toolkit_and_no_compiler() -> None:
    stage, problems = packages_of(provisioned())
    assert (stage["action"], problems) == ("keep", [])


@pytest.mark.parametrize("path", sorted((ROOT / "stacks").glob("*.yml")), ids=lambda path: path.stem)
def test_every_lock_of_a_stack_is_there_and_pins_what_it_says(path: Path) -> None:
    stack, locks = yaml.safe_load(path.read_text()), catalog.locks()
    for variant in stack.get("gpu") or [{}]:
        expect = {**stack["expect"], **variant.get("expect", {})}
        for python in stack["python"]:
            pins = locks[f"{variant.get('lock') or stack['lock']}-py{python.replace('.', '')}"]["pins"]
            assert {name: pins[name].split("+")[0] for name in ("torch", "torchvision")} == {
                name: expect[name] for name in ("torch", "torchvision")
            }
            assert {"pip", "setuptools", "wheel", "ninja", "lvis", "yapf", "addict", "fairscale"} <= set(pins)
            # each of these is known to break something (docs/stacks.md)
            assert int(pins["setuptools"].split(".")[0]) < 82 and pins["setuptools"] != "70.0.0"
            assert pins["yapf"] == "0.40.1"


def test_every_hash_of_a_record_is_the_locks() -> None:
    records = yaml.safe_load((PACKAGES / "files" / "artifacts.yml").read_text())
    lock = (ROOT / "stacks" / "locks" / "cu113-py310.txt").read_text()
    for project in ("torch", "torchvision"):
        (record,) = [record for name, record in records.items() if name.startswith(f"{project}-")]
        entry = re.search(rf"^{project}==(\S+) \\\n    --hash=sha256:(\w+)\n", lock, re.M)
        assert entry and (entry.group(1), entry.group(2)) == (record["version"], record["sha256"])
        assert record["urls"][0].endswith(f"{project}-{record['version'].replace('+', '%2B')}-cp310-cp310-linux_x86_64.whl")


def test_a_record_without_a_hash_keeps_none() -> None:
    text = json.dumps(yaml.safe_load((PACKAGES / "files" / "artifacts.yml").read_text())["mmcv-full-1.6.0-cu113-torch1.11-cp310"])
    assert '"sha256": null' in text


def test_capabilities_are_in_order_of_numbers() -> None:
    config = wanted(codetr_stack="modern", codetr_packages_compute_capabilities=["12.0", "8.9", "10.0"])
    stage, _ = packages_of(gpu_host(gpus=["H200"], config=config, driver=580), config)
    assert stage["params"]["build"]["archs"] == ["8.9", "10.0", "12.0"]
