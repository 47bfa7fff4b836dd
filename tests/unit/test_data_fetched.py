"""What verify.yml brings to the controller of the data: once, plain files only, and nothing where there is nothing."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from test_playbooks import ROOT, Bench

from codetr_provision import data_page

TASKS = ROOT / "roles" / "codetr_verify" / "tasks"


class Host:
    """This machine as a host whose data root is a folder of the test's."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder)
        self.ours = folder / "data root" / ".codetr"
        self.samples = self.ours / "samples"
        self.samples.mkdir(parents=True)
        self.reports = folder / "reports"
        here = {"__codetr_verify_params": {"data": str(self.ours.parent)}, "__codetr_verify_reports": str(self.reports)}
        play = {"hosts": "all", "gather_facts": False, "vars": {**here, "ansible_python_interpreter": sys.executable}}
        tasks = [{"ansible.builtin.import_tasks": str(TASKS / "data.yml")}]
        self.playbook = self.bench.write("../play.yml", [{**play, "tasks": tasks}])

    def bring(self) -> int:
        """Run the tasks; returns how many of them changed something."""
        done = self.bench.run(self.playbook, "-c", "local", inventory="localhost,")
        assert done.returncode == 0, done.stdout + done.stderr
        (changed,) = re.findall(r"changed=(\d+)", done.stdout)
        return int(changed)

    def brought(self) -> list[str]:
        """Names of what is on the controller."""
        return sorted(path.name for path in self.reports.iterdir()) if self.reports.exists() else []


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_summary_and_samples_are_brought_once(host: Host) -> None:
    (host.ours / "summary.json").write_text('{"schema": 1}')
    (host.ours / "manifest.json").write_text("ours alone")
    for name in ("data-coco-01.jpg", "data-lvis-01.jpg", "other.jpg", "data-coco-01.png"):
        (host.samples / name).write_text(name)
    (host.samples / "data-fits.jpg").write_bytes(b"x" * data_page.MOST_SAMPLE_BYTES)
    (host.samples / "data-large.jpg").write_bytes(b"x" * (data_page.MOST_SAMPLE_BYTES + 1))
    secret = host.bench.folder / "secret"
    secret.write_text("secret")
    (host.samples / "data-link.jpg").symlink_to(secret)
    assert host.bring() == 2
    assert host.brought() == ["data-coco-01.jpg", "data-fits.jpg", "data-lvis-01.jpg", "data.json"]
    assert json.loads((host.reports / "data.json").read_text()) == {"schema": 1}
    assert host.bring() == 0


def test_data_of_an_older_installation(host: Host) -> None:
    (host.samples / "data-coco-01.jpg").write_text("left over")
    assert host.bring() == 0 and host.brought() == []


def test_a_summary_that_is_a_link_is_not_followed(host: Host) -> None:
    secret = host.bench.folder / "secret"
    secret.write_text("secret")
    (host.ours / "summary.json").symlink_to(secret)
    assert host.bring() == 0 and host.brought() == []


def test_it_is_brought_before_anything_that_may_fail() -> None:
    tasks = re.findall(r"^- name: .*\n +([\w.]+)", (TASKS / "report.yml").read_text(), re.MULTILINE)
    assert tasks[0] == "ansible.builtin.include_tasks" and "ansible.builtin.fail" in tasks
