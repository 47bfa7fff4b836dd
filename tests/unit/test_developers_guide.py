"""What docs/developers.md says one touches to add something, done for real in a copy of the project."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.codetr.provision.plugins.module_utils import planner
from ansible_collections.codetr.provision.plugins.module_utils.gpu import table as gpu_table
from driverfacts import gpu_host
from hostfacts import known, wanted

ROOT = Path(__file__).resolve().parents[2]

PROBE = '''
from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host


def probe(host: Host, ask: dict[str, Any]) -> dict[str, Any]:
    return {"motd": host.read(ask["path"])}
'''
PLAN = '''
from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage

SYSTEM_PACKAGES: tuple[str, ...] = ()


def ask(config: dict[str, Any], ctx: Context) -> dict[str, Any]:
    return {"path": "/etc/motd"}


def plan(state: dict[str, Any], config: dict[str, Any], ctx: Context) -> Stage:
    stage = Stage("motd", version=config["codetr_motd_text"])
    if state["motd"]["motd"] != config["codetr_motd_text"]:
        stage.action, stage.reason, stage.params = "write", "the text differs", {"text": config["codetr_motd_text"]}
    return stage
'''
SPEC = {
    "argument_specs": {
        "main": {
            "short_description": "Writes the message of the day",
            "description": ["Writes /etc/motd."],
            "options": {"codetr_motd_text": {"type": "str", "default": "Co-DETR trains here.", "description": ["The text."]}},
        }
    }
}
TASKS = [
    {
        "name": "Compare this host with the plan for the message",
        "codetr.provision.codetr_stage": {"stage": "motd"},
        "register": "__codetr_motd_stage",
    }
]
META = {"galaxy_info": {"role_name": "codetr_motd", "platforms": [{"name": "Debian", "versions": ["bookworm"]}]}, "dependencies": []}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project's files, importable as the collection."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in listed:
        source = ROOT / name
        if name and source.is_file() and not source.is_symlink() and not name.startswith(("tests/", "molecule/")):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, tmp_path / name)
    link = tmp_path / "playbooks" / "collections" / "ansible_collections" / "codetr" / "provision"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../../..")
    return tmp_path


def run(copy: Path, *argv: str) -> str:
    """The output of a command in the copy."""
    folders = f"{copy / 'playbooks' / 'collections'}"
    environment = {**os.environ, "PYTHONPATH": folders, "ANSIBLE_COLLECTIONS_PATH": folders, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(argv, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_stage_is_a_package_a_role_and_a_line_in_the_list(copy: Path) -> None:
    utils, role = copy / "plugins" / "module_utils", copy / "roles" / "codetr_motd"
    (utils / "motd").mkdir()
    (utils / "motd" / "__init__.py").write_text("")
    (utils / "motd" / "probe.py").write_text(PROBE)
    (utils / "motd" / "plan.py").write_text(PLAN)
    for folder in ("tasks", "meta"):
        (role / folder).mkdir(parents=True)
    (role / "meta" / "argument_specs.yml").write_text(yaml.safe_dump(SPEC, sort_keys=False))
    (role / "meta" / "main.yml").write_text(yaml.safe_dump(META, sort_keys=False))
    (role / "tasks" / "main.yml").write_text(yaml.safe_dump(TASKS, sort_keys=False))
    stages = utils / "stages.py"
    last = '    "workspace": "codetr_workspace",\n'
    stages.write_text(stages.read_text().replace(last, last + '    "motd": "codetr_motd",\n'))

    run(copy, sys.executable, "tools/generate.py")
    site = yaml.safe_load((copy / "playbooks" / "site.yml").read_text())
    assert site[1]["roles"][-1] == {"role": "codetr.provision.codetr_motd", "tags": ["motd"]}
    assert "codetr_motd_text" in (copy / "inventory" / "group_vars" / "all.yml").read_text()
    assert (role / "README.md").is_file()
    run(copy, "ansible-playbook", "--syntax-check", "-i", "localhost,", "playbooks/site.yml")
    status = run(
        copy, "ansible-playbook", "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}",
        "-e", f"provision_prefix={copy / 'prefix'}", "playbooks/status.yml",
    )  # fmt: skip
    assert "motd" in status


def test_a_gpu_is_a_range_of_pci_ids_and_a_name() -> None:
    config = wanted()
    state = gpu_host(gpus=["T4"], config=config)
    state["gpus"][0] |= {"device": "3f10", "model": ""}
    catalog = known(config)
    table: dict[str, Any] = json.loads(json.dumps(catalog["local"]["nvidia_driver"]["gpus"]))
    table["chips"].append({"first": "3f00", "last": "3f7f", "chip": "GB999", "architecture": "blackwell", "compute_capability": "12.0"})
    table["names"]["3f10"] = "RTX 6090"
    (gpu,) = gpu_table.describe(state["gpus"], table)
    assert (gpu["name"], gpu["architecture"], gpu["capability"], gpu["open"]) == ("RTX 6090", "blackwell", "12.0", "required")
    catalog["local"]["nvidia_driver"]["gpus"] = table
    plan = planner.build(state, config, catalog)
    assert plan["stack"] == "modern"
    assert plan["problems"] == []
