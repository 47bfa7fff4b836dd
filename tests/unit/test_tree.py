"""What must hold for the files of the project themselves."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
# Written in pieces, so that this file does not name what no file may name.
REGISTRIES = ["py" + "pi.org", "python" + "hosted.org", "deb.deb" + "ian.org", "security.deb" + "ian.org", "registry.npm" + "js"]
PATHS = ["/root/" + ".pyenv", "/" + "work/main", "/" + "work/shared"]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())


def tracked() -> list[Path]:
    """The files that git tracks, links left out; all files where this is no checkout."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [path for name in listed if name and (path := ROOT / name).is_file() and not path.is_symlink()]


def test_no_file_names_a_package_registry_or_a_path_of_one_machine():
    files = tracked()
    assert len(files) > 100
    bad = re.compile("|".join(map(re.escape, [*REGISTRIES, *PATHS])))
    hits = [f"{path.relative_to(ROOT)}: {match[0]}" for path in files if (match := bad.search(path.read_text(errors="replace")))]
    assert hits == []


def test_generated_files_are_up_to_date():
    done = subprocess.run([sys.executable, "tools/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("role", ROLES)
def test_each_role_is_whole(role):
    for part in ("tasks/main.yml", "meta/main.yml", "meta/argument_specs.yml", "defaults/main.yml", "README.md"):
        assert (ROOT / "roles" / role / part).is_file(), part
    assert (ROOT / "molecule" / role / "molecule.yml").is_file()
    assert list((ROOT / "molecule" / role / "tests").glob("test_*.py"))


def tasks_of(nodes):
    """Every task of a tasks file, those in blocks too."""
    for node in nodes or []:
        yield node
        for part in ("block", "rescue", "always"):
            yield from tasks_of(node.get(part))


@pytest.mark.parametrize("role", ROLES)
def test_no_result_of_one_task_hides_another_tasks_variable(role):
    """What is registered or set as a fact stays for all that follows, and wins over a task's own vars of the same name."""
    paths = [path for folder in ("tasks", "handlers") for path in (ROOT / "roles" / role / folder).glob("*.yml")]
    tasks = [task for path in paths for task in tasks_of(yaml.safe_load(path.read_text()))]
    vars_file = ROOT / "roles" / role / "vars" / "main.yml"
    own = set(yaml.safe_load(vars_file.read_text()) or {}) if vars_file.exists() else set()
    own |= {name for task in tasks for name in task.get("vars", {})}
    stay = {name for task in tasks for name in task.get("ansible.builtin.set_fact", {})} | {task.get("register") for task in tasks}
    assert sorted(stay & own) == []


@pytest.mark.parametrize("path", sorted((ROOT / "molecule").glob("*/molecule.yml")), ids=lambda path: path.parent.name)
def test_each_step_of_a_scenario_has_its_playbook(path):
    """Molecule passes over a side effect without one."""
    config = yaml.safe_load(path.read_text()) or {}
    steps = [step.split() for step in config.get("scenario", {}).get("test_sequence", [])]
    for step, *files in steps:
        if step == "side_effect":
            default = config["ansible"]["playbooks"]["side_effect"]
            assert [name for name in files or [default] if not (path.parent / name).is_file()] == []


def test_no_knob_is_set_in_group_vars():
    assert yaml.safe_load((ROOT / "inventory" / "group_vars" / "all.yml").read_text()) is None


def test_every_variable_is_used_by_the_code():
    specs = [yaml.safe_load(path.read_text()) for path in (ROOT / "roles").glob("*/meta/argument_specs.yml")]
    names = {name for spec in specs for name in spec["argument_specs"]["main"]["options"]}
    code = "\n".join(path.read_text() for path in (ROOT / "plugins").rglob("*.py"))
    tasks = "\n".join(path.read_text() for path in (ROOT / "roles").glob("*/tasks/*.yml"))
    used = {name for name in names if re.search(rf"[\"']{name}[\"']", code) or re.search(rf"\w\.{name}\b", tasks)}
    assert sorted(names - used) == []


def test_locks_pin_everything_by_hash():
    for lock in [ROOT / "requirements.txt", *(ROOT / "stacks" / "locks").glob("*.txt")]:
        entries = re.findall(r"^[A-Za-z0-9][^\n]*==(?:[^\n]*\\\n)*[^\n]*", lock.read_text(), re.M)
        assert len(entries) > (5 if lock.stem == "nvcc-cu130" else 30)
        assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_collection_finds_itself_in_place():
    link = ROOT / "playbooks" / "collections" / "ansible_collections" / "codetr" / "provision"
    assert link.is_symlink()
    assert link.resolve() == ROOT
