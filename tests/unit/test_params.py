"""Parameters of the stages: a role reads no name that its stage does not declare, and a stage declares none that nothing reads."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.codetr.provision.plugins.module_utils import planner
from ansible_collections.codetr.provision.plugins.module_utils.stages import STAGES
from driverfacts import gpu_host
from hostfacts import bare, known, provisioned, wanted

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path
    for pattern in ("roles/*/tasks/**/*", "roles/*/handlers/**/*", "roles/*/templates/**/*", "roles/*/vars/**/*", "playbooks/*.yml")
    for path in ROOT.glob(pattern)
    if path.is_file()
)
MODULE = "codetr.provision.codetr_stage"
# What plans of later stages and action plugins read: where it is read.
READ_BY_PYTHON = {
    ("env", "python"): "plugins/module_utils/stage.py",
    ("nvidia_driver", "branch"): "plugins/module_utils/nvidia_driver/plan.py",
}


def declared(stage: str) -> set[str]:
    """The names that a stage declares."""
    declaration = import_module(f"{planner.PACKAGE}.{stage}.params").Params
    return set(declaration.__required_keys__ | declaration.__optional_keys__)


def registers(node: Any) -> dict[str, str]:
    """The variables that tasks register a stage's plan in, with the stage."""
    if isinstance(node, list):
        return {name: stage for each in node for name, stage in registers(each).items()}
    if not isinstance(node, dict):
        return {}
    found = {node["register"]: node[MODULE]["stage"]} if MODULE in node and "register" in node else {}
    return {**found, **{name: stage for each in node.values() for name, stage in registers(each).items()}}


TEXTS = {path: path.read_text(encoding="utf-8") for path in FILES}
REGISTERED = {
    name: stage for path, text in TEXTS.items() if path.suffix == ".yml" for name, stage in registers(yaml.safe_load(text)).items()
}
# A role may hand its stage's plan on by another name, as codetr_datasets does to begin early.
REGISTERED |= {
    name: REGISTERED[plan]
    for text in TEXTS.values()
    for name, plan in re.findall(r"(\w+): \"\{\{ (\w+) \}\}\"", text)
    if plan in REGISTERED
}
# `__x_params: "{{ __x_stage.stage.params }}"` gives the parameters a shorter name.
ALIASES = {
    alias: REGISTERED[name]
    for text in TEXTS.values()
    for alias, name in re.findall(r"(\w+): \"\{\{ (\w+)\.stage\.params \}\}\"", text)
}
READ = {
    (stage, attribute or item): path.relative_to(ROOT).as_posix()
    for path, text in TEXTS.items()
    for stems in ({f"{name}.stage.params": stage for name, stage in REGISTERED.items()}, ALIASES)
    for stem, stage in stems.items()
    for attribute, item in re.findall(rf"\b{re.escape(stem)}(?:\.(\w+)|\[['\"](\w+)['\"]\])", text)
}


def test_every_stage_has_a_role_that_reads_its_plan() -> None:
    assert set(REGISTERED.values()) == set(STAGES)


def test_every_read_of_parameters_is_seen() -> None:
    unknown = [
        (path.relative_to(ROOT).as_posix(), name)
        for path, text in TEXTS.items()
        for name in re.findall(r"(\w+)\.stage\.params\b", text)
        if name not in REGISTERED
    ]
    assert unknown == []


def test_every_parameter_that_yaml_reads_is_declared() -> None:
    assert {name: path for name, path in READ.items() if name[1] not in declared(name[0])} == {}


@pytest.mark.parametrize("stage", STAGES)
def test_every_declared_parameter_is_read(stage: str) -> None:
    assert {name for name in declared(stage) if (stage, name) not in READ and (stage, name) not in READ_BY_PYTHON} == set()


def test_what_python_reads_is_declared_and_read_there() -> None:
    for (stage, name), path in READ_BY_PYTHON.items():
        assert name in declared(stage)
        assert re.search(rf"params(?:\.get\(|\[)\"{name}\"", (ROOT / path).read_text(encoding="utf-8")), (stage, name)


@pytest.mark.parametrize("config", [
    {}, {"codetr_stack": "cpu", "cuda_toolkit_versions": ["11.4.4", "11.8"]}, {"codetr_datasets_subset": 10, "codetr_env_manager": "venv"},
])  # fmt: skip
def test_plans_have_no_undeclared_parameter(config: dict[str, Any]) -> None:
    options = wanted(**config)
    states = [bare(options), provisioned(options), gpu_host(gpus=["T4"], config=options), gpu_host(gpus=["T4"], config=options, driver=470)]
    for state in states:
        stages = planner.build(state, options, known(options))["stages"]
        assert [(name, key) for name, stage in stages.items() for key in stage["params"] if key not in declared(name)] == []
