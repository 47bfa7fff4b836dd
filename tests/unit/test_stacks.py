"""The stacks as data: which variant, Python and lock a host gets, and where torch comes from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.codetr.provision.plugins.plugin_utils import catalog
from driverfacts import gpu_host
from hostfacts import bare, plan, wanted
from stackfacts import chosen, packages_of

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "roles" / "codetr_packages"


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


def test_no_lock_names_an_index() -> None:
    for path in (ROOT / "stacks" / "locks").iterdir():
        assert "://" not in path.read_text(), path


def test_a_folder_is_all_that_is_asked() -> None:
    config = wanted(codetr_packages_folder="/srv/packages")
    stage, _ = packages_of(gpu_host(gpus=["H200"], config=config, driver=580), config)
    assert stage["params"]["index"] == ["--no-index", "--find-links", "/srv/packages"]
    assert stage["needs"] == []


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
