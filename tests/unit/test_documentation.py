"""What users and Galaxy's reviewers read about the collection: modules, action plugins, roles, ignored sanity errors, workflows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
ACTIONS = sorted(path.stem for path in (ROOT / "plugins" / "action").glob("*.py"))
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
# The collection requirements: errors that no collection may ignore.
NEVER_IGNORED = {
    "doc-choices-do-not-match-spec",
    "doc-default-does-not-match-spec",
    "doc-missing-type",
    "doc-required-mismatch",
    "mutually_exclusive-unknown",
    "no-log-needed",
    "nonexistent-parameter-documented",
    "parameter-list-no-elements",
    "parameter-type-not-in-doc",
}


def documents(path: Path) -> dict:
    """DOCUMENTATION, EXAMPLES and RETURN of a module, read and not imported."""
    found = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant):
            found[node.targets[0].id] = node.value.value
    return {name: yaml.safe_load(found[name]) for name in ("DOCUMENTATION", "EXAMPLES", "RETURN")}


@pytest.mark.parametrize("name", MODULES)
def test_each_module_is_documented(name):
    texts = documents(ROOT / "plugins" / "modules" / f"{name}.py")
    doc = texts["DOCUMENTATION"]
    assert doc["module"] == name
    assert {"short_description", "description", "version_added", "author", "seealso"} <= set(doc)
    for attribute in ("check_mode", "diff_mode", "platform"):
        assert doc["attributes"][attribute]["support"] in ("full", "partial", "none")
    assert texts["EXAMPLES"]
    assert all(f"codetr.provision.{name}" in task and task["name"] for task in texts["EXAMPLES"])
    assert texts["RETURN"]
    for value in texts["RETURN"].values():
        assert {"description", "returned", "type", "sample"} <= set(value)


@pytest.mark.parametrize("name", MODULES)
def test_examples_only_use_options_that_exist(name):
    texts = documents(ROOT / "plugins" / "modules" / f"{name}.py")
    options = set(texts["DOCUMENTATION"].get("options") or {})
    for task in texts["EXAMPLES"]:
        assert set(task[f"codetr.provision.{name}"] or {}) <= options


@pytest.mark.parametrize("name", ACTIONS)
def test_each_action_is_documented_by_the_module_of_its_name(name):
    source = (ROOT / "plugins" / "action" / f"{name}.py").read_text()
    assert "DOCUMENTATION" not in source
    module = ROOT / "plugins" / "modules" / f"{name}.py"
    options = documents(module)["DOCUMENTATION"].get("options") or {}
    # Options of an action with a real module of its name are checked by ansible-test, against the module.
    assert "def main(" in module.read_text() or [option for option in options if f'"{option}"' not in source] == []


@pytest.mark.parametrize("role", ROLES)
def test_each_role_is_documented(role):
    spec = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]
    assert {"short_description", "description", "version_added", "author", "options"} <= set(spec)
    assert [name for name, option in spec["options"].items() if not option.get("description") or not option.get("type")] == []


def test_each_supported_core_has_its_ignored_errors():
    bounds = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["requires_ansible"]
    low, high = re.fullmatch(r">=2\.(\d+)\.0,<2\.(\d+)\.0", bounds).groups()
    files = {path.name for path in (ROOT / "tests" / "sanity").glob("ignore-*.txt")}
    assert files == {f"ignore-2.{minor}.txt" for minor in range(int(low), int(high))}


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "sanity").glob("ignore-*.txt")), ids=lambda path: path.stem)
def test_an_ignored_error_has_a_reason_and_may_be_ignored(path):
    licensed = re.findall(r"^plugins/modules/(\w+)\.py validate-modules:missing-gplv3-license ", path.read_text(), re.M)
    assert licensed == MODULES
    for line in path.read_text().splitlines():
        entry, _, reason = line.partition(" # ")
        name, error = entry.split()
        assert len(reason.split()) > 2, line
        assert (ROOT / name).is_file(), line
        assert error.partition(":")[2] not in NEVER_IGNORED, line


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit(path):
    used = re.findall(r"uses: (.*)", path.read_text())
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []


def test_all_versions_agree():
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    version = galaxy["version"]
    tarball = f"codetr-provision-{version}.tar.gz"
    definition = (ROOT / "execution-environment.yml").read_text()
    assert definition.count(tarball) == len(re.findall(r"codetr-provision-\d", definition)) == 2
    assert f'\nversion = "{version}"\n' in (ROOT / "pyproject.toml").read_text()
