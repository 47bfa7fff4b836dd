"""A stack is one file. What is wrong with one is said before any host is touched; what it asks for and cannot get is a problem."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.codetr.provision.plugins.plugin_utils import catalog, options
from driverfacts import gpu_host
from hostfacts import bare, known, plan, wanted

ROOT = Path(__file__).resolve().parents[2]
EDITED = [
    "mmdet/datasets/builder.py",
    "mmdet/models/roi_heads/mask_heads/fcn_mask_head.py",
    "projects/configs/co_dino/co_dino_5scale_r50_1x_lvis.py",
    "projects/configs/co_dino_vit/co_dino_5scale_lsj_vit_large_lvis.py",
    "projects/configs/co_dino_vit/co_dino_5scale_lsj_vit_large_lvis_instance.py",
    "projects/models/co_deformable_detr_head.py",
    "projects/models/co_dino_head.py",
    "projects/models/query_denoising.py",
]


@pytest.fixture
def stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder stacks/, in the place of the real one."""
    folder = tmp_path / "stacks"
    shutil.copytree(ROOT / "stacks", folder)
    monkeypatch.setattr(catalog, "STACKS", folder)
    monkeypatch.setattr(options, "STACKS", folder)
    monkeypatch.setattr("hostfacts.READ", {})
    return folder


def change(path: Path, **changes: Any) -> None:
    """Set keys of a stack's file; one that is None is removed."""
    data = {**yaml.safe_load(path.read_text()), **changes}
    path.write_text(yaml.safe_dump({key: value for key, value in data.items() if value is not None}))


def stack_problems(made: dict[str, Any]) -> list[dict[str, str]]:
    return [problem for problem in made["problems"] if problem["stage"] in ("stack", "repo")]


def test_a_developer_adds_a_stack(stacks: Path) -> None:
    """A new stack is a new file.

    1. ``cp stacks/cpu.yml stacks/mine.yml``, and change in it what is to differ.
    2. Where other package versions are wanted: write ``stacks/locks/mine.in``, set ``lock: mine``, and run ``make lock``.
    3. ``edits`` names groups of ``roles/codetr_repo/files/edits/``; a new edit is added there (``python tools/edits.py``).
    4. ``codetr-provision -e codetr_stack=mine``. For ``auto`` to take it, give it a ``priority`` of its own; without one it is only
       taken by name.
    """
    shutil.copy(stacks / "cpu.yml", stacks / "mine.yml")
    config = wanted(codetr_stack="mine")
    made = plan(bare(config), config)
    assert made["problems"] == []
    assert made["stack"] == "mine"
    assert sorted(made["stages"]["repo"]["params"]["apply"]) == EDITED
    assert made["stages"]["repo"]["params"]["edits"]["source"].startswith("roles/codetr_repo/files/edits/")
    assert Path(made["stages"]["packages"]["params"]["lock_file"]).name == "cpu-py310.txt"


def test_a_stack_of_ones_own_lives_anywhere(tmp_path: Path) -> None:
    own = tmp_path / "own" / "mine.yml"
    (own.parent / "locks").mkdir(parents=True)
    shutil.copy(ROOT / "stacks" / "cpu.yml", own)
    shutil.copy(ROOT / "stacks" / "locks" / "cpu-py310.txt", own.parent / "locks" / "special-py310.txt")
    change(own, lock="special", priority=None)
    config = wanted(codetr_stack=str(own))
    made = plan(bare(config), config)
    assert (made["stack"], made["problems"]) == ("mine", [])
    assert made["stages"]["packages"]["params"]["lock_file"] == str(own.parent / "locks" / "special-py310.txt")
    assert len(made["stages"]["repo"]["params"]["apply"]) == len(EDITED)


def test_a_stack_that_does_not_exist_is_refused_with_those_that_do(stacks: Path, tmp_path: Path) -> None:
    shutil.copy(stacks / "cpu.yml", stacks / "mine.yml")
    with pytest.raises(options.OptionError, match="must be one of auto, cpu, cu113, mine, modern, or a path; it is mien"):
        wanted(codetr_stack="mien")
    with pytest.raises(options.OptionError, match=r"must name a \.yml file that exists on the controller"):
        wanted(codetr_stack=str(tmp_path / "none.yml"))
    shutil.copy(stacks / "cpu.yml", tmp_path / "cpu.yml")
    with pytest.raises(catalog.CatalogError, match="has the name of a stack of the collection"):
        known(wanted(codetr_stack=str(tmp_path / "cpu.yml")))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edits": None}, "The key edits is missing."),
        ({"priorty": 5}, "The key priorty is unknown. Did you mean priority?"),
        ({"priority": "high"}, "priority must be a whole number; it is 'high'."),
        ({"compute": "tpu"}, "compute must be one of cpu, cuda; it is tpu."),
        ({"compute": "cuda"}, "With compute: cuda, the key gpu is needed."),
        ({"python": [3.1]}, 'python must list versions in quotes, such as "3.10"; it is [3.1].'),
        ({"lock": "none"}, "The lock file none-py310.txt does not exist."),
        ({"lock": None}, "The key lock is missing, in the stack or in each entry of gpu."),
        ({"expect": {"torch": "1.11.0", "torchvision": 0.12, "mmcv": "1.6.0", "mmdet": "2.25.3"}}, "expect: torchvision must be a version"),
        ({"expect": {"torch": "1.11.0"}}, "expect has no mmcv."),
        ({"mmcv": {"project": "mmcv-full", "version": 1.6, "sha256": "0", "environment": {}}}, "mmcv: version must be text; it is 1.6."),
        ({"mmcv": {"project": "mmcv-full"}}, "mmcv: The key version is missing."),
        ({"wheels": ["torch-9"]}, "There is no artifact record torch-9."),
        ({"gpu": [{"cuda": "11.3"}]}, "gpu[0]: The key driver is missing."),
        ({"conda": {"lock": "x", "channels": []}}, "conda: The key packages is missing."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_file_is_refused_before_any_host_is_touched(stacks: Path, changes: dict[str, Any], message: str) -> None:
    shutil.copy(stacks / "cpu.yml", stacks / "mine.yml")
    change(stacks / "mine.yml", **changes)
    with pytest.raises(catalog.CatalogError) as caught:
        known(wanted(codetr_stack="mine"))
    lines = str(caught.value).splitlines()
    assert lines[0] == "A stack's file is wrong; nothing was changed:"
    assert any(line.startswith("  - ") and f"mine.yml: {message}" in line for line in lines[1:]), lines


def test_a_file_that_is_no_yaml_or_no_mapping_is_named(stacks: Path) -> None:
    (stacks / "broken.yml").write_text("compute: [")
    (stacks / "empty.yml").write_text("")
    with pytest.raises(catalog.CatalogError) as caught:
        known(wanted())
    assert "broken.yml: It cannot be read" in str(caught.value)
    assert "empty.yml: It is no mapping of keys." in str(caught.value)


def test_auto_needs_a_stack_for_a_host_without_a_gpu(stacks: Path) -> None:
    change(stacks / "cpu.yml", priority=None)
    with pytest.raises(catalog.CatalogError, match="No stack has both compute: cpu and a priority"):
        known(wanted())
    config = wanted(codetr_stack="cpu")
    assert plan(bare(config), config)["problems"] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edits": []}, "Stack mine has edits_required: true and names no groups of edits."),
        ({"edits": ["device", "newer"]}, "Stack mine names the group of edits newer, which the list for commit 26653521e471 lacks."),
    ],
    ids=["none", "unknown"],
)
def test_edits_that_cannot_be_had_are_a_problem_with_a_fix(stacks: Path, changes: dict[str, Any], message: str) -> None:
    shutil.copy(stacks / "cpu.yml", stacks / "mine.yml")
    change(stacks / "mine.yml", **changes)
    config = wanted(codetr_stack="mine")
    (problem,) = stack_problems(plan(bare(config), config))
    assert problem["message"] == message
    assert "stack's file" in problem["fix"]


def test_edits_that_are_not_required_are_a_warning_where_there_is_no_list(stacks: Path) -> None:
    shutil.copy(stacks / "cpu.yml", stacks / "mine.yml")
    change(stacks / "mine.yml", edits_required=False)
    config = wanted(codetr_stack="mine", codetr_repo_commit="1" * 40)
    made = plan(bare(config), config)
    assert stack_problems(made) == []
    assert "repo: There is no list of source edits for commit 111111111111; stack mine goes without device, lvis." in made["warnings"]
    config["codetr_workspace_print_arguments"] = True
    (problem,) = stack_problems(plan(bare(config), config))
    assert problem["message"].endswith("and codetr_workspace_print_arguments needs one.")


def test_auto_takes_the_highest_priority_and_no_stack_without_one(stacks: Path) -> None:
    shutil.copy(stacks / "cu113.yml", stacks / "mine.yml")
    change(stacks / "mine.yml", priority=None)
    state = gpu_host(gpus=["T4"], driver=470)
    assert plan(state)["stack"] == "cu113"
    for priority, expected in ((19, "cu113"), (21, "mine")):
        change(stacks / "mine.yml", priority=priority)
        catalog_ = known(wanted(provision_mirror=f"http://mirror.test/{priority}"))
        made = plan(state, stacks=catalog_["stacks"])
        assert (made["stack"], stack_problems(made)) == (expected, [])


def test_two_stacks_of_one_priority_are_not_chosen_between_by_their_names(stacks: Path) -> None:
    shutil.copy(stacks / "cpu.yml", stacks / "mine.yml")
    (problem,) = stack_problems(plan(bare()))
    assert problem["message"] == "Stacks cpu and mine both serve this host and have the same priority, 10."
    assert problem["fix"] == "Set codetr_stack to one of them, or change or remove the priority in stacks/mine.yml."
    assert stack_problems(plan(gpu_host(gpus=["T4"], driver=470))) == []


def test_a_list_of_edits_that_still_names_stacks_is_refused(tmp_path: Path) -> None:
    ours = yaml.safe_load((ROOT / catalog.REPO_EDITS / "sense-x-co-detr-26653521.yml").read_text())
    mine = tmp_path / "edits.yml"
    mine.write_text(yaml.safe_dump({**ours, "stacks": {"cpu": ["device"]}}))
    with pytest.raises(catalog.CatalogError, match="has the unknown key stacks"):
        known(wanted(codetr_repo_edits=str(mine)))
