"""The command itself: its usage, what it hides, what it tells Ansible, and whole runs over a small project of our own."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils import planner
from rich.console import Console

from codetr_provision import cli, redact, wording
from codetr_provision.display import Display, _doing, _stage_line, describe
from codetr_provision.model import StageResult
from codetr_provision.project import DEFAULT_COLLECTIONS, PROGRESS_FORMAT, Project, find
from codetr_provision.reducer import Progress, Reducer, RunningTask

SRC = str(Path(cli.__file__).parents[1])
ACTION = "from ansible.plugins.action import ActionBase\nclass ActionModule(ActionBase):\n    def run(self, tmp=None, task_vars=None):\n"
PLUGINS = {
    "codetr_stage": 'return {"changed": True, "todo": True, "stage": {"stage": self._task.args["stage"], "action": "install"}}',
    "codetr_wait": """from ansible.utils.display import Display
        Display().display('codetr-progress {"host": "one", "label": "ops", "done": 1, "total": 2}')
        return {"changed": True}""",
    "codetr_confirm": 'return {"changed": True, "confirmed": self._task.args["stage"]}',
}
SITE = """
- name: Provision
  hosts: all
  gather_facts: false
  tasks:
    - name: Compare
      codetr.provision.codetr_stage:
        stage: env
    - name: Watch
      codetr.provision.codetr_wait:
    - name: Wait
      ansible.builtin.command: sleep {{ nap | default(0) }}
    - name: Refuse
      ansible.builtin.fail:
        msg: The disk is full. Free 4 GB.
      when: inventory_hostname == bad | default('')
    - name: Settle
      codetr.provision.codetr_confirm:
        stage: env
"""
VERIFY = """
- name: Verify
  hosts: all
  gather_facts: false
  tasks:
    - name: Make the folder
      ansible.builtin.file:
        path: "{{ provision_report_dir }}/{{ inventory_hostname }}"
        state: directory
    - name: Write the result
      ansible.builtin.copy:
        dest: "{{ provision_report_dir }}/{{ inventory_hostname }}/verify.json"
        content: '{"schema": 1, "host": "x", "stack": "cpu", "level": "ops", "passed": true, "checks": [{"name": "ops", "status": "ok"}]}'
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    plugins = root / "playbooks/collections/ansible_collections/codetr/provision/plugins"
    for name, body in PLUGINS.items():
        for folder, text in (("action", ACTION + f"        {body}\n"), ("modules", "")):
            (plugins / folder).mkdir(parents=True, exist_ok=True)
            (plugins / folder / f"{name}.py").write_text(text)
    (root / "playbooks/site.yml").write_text(SITE)
    (root / "playbooks/verify.yml").write_text(VERIFY)
    host = "ansible_connection: local, ansible_python_interpreter: '{{ ansible_playbook_python }}'"
    (root / "hosts.yml").write_text(f"all: {{hosts: {{one: {{{host}}}, two: {{{host}}}}}}}\n")
    return root


def command(project: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "codetr_provision", "up", "--project", str(project), "-i", "hosts.yml", "--report", "out", *arguments]


def environment(tmp: Path) -> dict[str, str]:
    # PATH without the virtual environment: the command has to find ansible-playbook all the same.
    return {"PATH": os.defpath, "PYTHONPATH": SRC, "HOME": str(tmp), "TMPDIR": str(tmp), "SECRET_TOKEN": "t0psecret", "LC_ALL": "C.UTF-8"}


def run(project: Path, tmp: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(project, *arguments), cwd=project, env=environment(tmp), capture_output=True, text=True, check=False)


def written(project: Path) -> str:
    return "".join(path.read_text() for path in sorted((project / "out").rglob("*")) if path.is_file())


def test_good_run_keeps_no_log_and_no_environment(project: Path, tmp_path: Path) -> None:
    done = run(project, tmp_path, "-e", "my_password=hunter2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 hosts ready and verified" in done.stdout
    assert sorted(path.name for path in (project / "out").iterdir()) == ["hosts", "index.html", "run.json"]
    assert "t0psecret" not in written(project) and "hunter2" not in written(project)
    assert not list(tmp_path.glob("codetr-provision-*"))


def test_failed_host_is_told_and_the_other_is_verified(project: Path, tmp_path: Path) -> None:
    done = run(project, tmp_path, "-e", "bad=one")
    assert done.returncode == 1
    assert "one, stage env: Refuse\n  The disk is full. Free 4 GB." in done.stdout
    assert (project / "out/hosts/two/verify.json").exists() and not (project / "out/hosts/one").exists()
    log = project / "out/ansible.log"
    assert log.stat().st_mode & 0o777 == 0o600
    assert "TASK [Watch]" in log.read_text() and "codetr-progress" not in log.read_text() + done.stdout
    assert "t0psecret" not in written(project)


def test_limit_that_matches_nothing_is_not_a_success(project: Path, tmp_path: Path) -> None:
    done = run(project, tmp_path, "--limit", "nobody")
    assert done.returncode == 1 and "leaves us with no hosts to target" in done.stdout


def test_check_changes_nothing_and_does_not_verify(project: Path, tmp_path: Path) -> None:
    done = run(project, tmp_path, "--check")
    assert done.returncode == 0 and "would install" in done.stdout and "a run would change 2 stages" in done.stdout


def test_interrupt_ends_ansible_and_says_how_to_go_on(project: Path, tmp_path: Path) -> None:
    nap = "86399.25"
    # A session of its own, as a terminal gives it; only the command gets the signal.
    child = subprocess.Popen(
        command(project, "-v", "-e", f"nap={nap}"), cwd=project, env=environment(tmp_path), stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    )
    while not sleeping(nap):
        assert child.poll() is None
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    output, _ = child.communicate()
    assert child.returncode == 130
    assert "Run the same command again" in output and "interrupted" in output
    assert not sleeping(nap)
    assert not list(tmp_path.glob("codetr-provision-*"))


def sleeping(nap: str) -> list[str]:
    return [path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if _argv(path) == ["sleep", nap]]


def _argv(path: Path) -> list[str]:
    try:
        return path.read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []


@pytest.mark.parametrize(("arguments", "record"), [
    (["-i", "nofile"], "there is no such file"), (["-e", "novalue"], "expected KEY=VALUE"), (["-e", "@nofile"], "there is no file nofile"),
    (["--upstreams", "nofile"], "cannot be used"), (["--become-password-file", "nofile"], "there is no such file"),
    (["--forks", "0"], "1 or more"), (["--report", "/proc/x"], "cannot be written"), (["--bogus"], "unrecognized"),
])
def test_wrong_usage_is_2_and_says_why(arguments: list[str], record: str, project: Path, tmp_path: Path) -> None:
    done = run(project, tmp_path, *arguments)
    assert done.returncode == 2 and record in done.stderr and "Traceback" not in done.stderr


def test_project_must_hold_the_playbooks(tmp_path: Path) -> None:
    assert cli.main(["up", "--project", str(tmp_path)]) == 2
    with pytest.raises(cli.UsageError, match=r"no playbooks/site\.yml"):
        find(str(tmp_path))


def test_environment_puts_ours_first_and_keeps_the_check_of_host_keys(tmp_path: Path) -> None:
    ours = f"{tmp_path}/playbooks/collections"
    plain = Project(tmp_path).environment({"PATH": "/bin"})
    assert plain["ANSIBLE_COLLECTIONS_PATH"] == f"{ours}:{DEFAULT_COLLECTIONS}"
    assert plain["ANSIBLE_HOST_KEY_CHECKING"] == "True" and "ANSIBLE_CONFIG" not in plain
    assert plain[PROGRESS_FORMAT] == "json"
    assert plain["PATH"] == f"{Path(sys.executable).parent}:/bin"
    (tmp_path / "ansible.cfg").write_text("[defaults]\nhost_key_checking = false\n")
    record = Project(tmp_path).environment({"ANSIBLE_COLLECTIONS_PATH": "/mine"})
    assert record["ANSIBLE_COLLECTIONS_PATH"] == f"{ours}:/mine"
    assert record["ANSIBLE_HOST_KEY_CHECKING"] == "false" and record["ANSIBLE_CONFIG"] == f"{tmp_path}/ansible.cfg"
    assert "ANSIBLE_HOST_KEY_CHECKING" not in Project(tmp_path).environment({"ANSIBLE_HOST_KEY_CHECKING": "False"})


def test_playbooks_are_named_in_full_when_installed() -> None:
    assert Project(None).playbook("site") == "codetr.provision.site"
    assert "ANSIBLE_COLLECTIONS_PATH" not in Project(None).environment({})


@pytest.mark.parametrize(("argv", "shown"), [
    (["up", "-e", "codetr_stack=cpu"], "up -e codetr_stack=cpu"), (["up", "-e", "db_password=x y"], "up -e 'db_password=(hidden)'"),
    (["up", "-eapi_token=x"], "up '-eapi_token=(hidden)'"), (["up", "--extra-vars=secret=x"], "up '--extra-vars=secret=(hidden)'"),
    (["up", "-e", '{"a": "x"}'], "up -e '(hidden)'"), (["up", "-e", "a=1 pass=x b=2"], "up -e 'a=1 pass=(hidden) b=2'"),
    (["up", "-e", "proxy=http://u:p@h:1"], "up -e 'proxy=http://(hidden)@h:1'"), (["up", "-e", "@x.yml"], "up -e @x.yml"),
])
def test_published_command_hides_secrets(argv: list[str], shown: str) -> None:
    assert redact.command(argv) == shown


def test_slow_task_gets_a_line_every_15_seconds() -> None:
    now, record = [1000.0], io.StringIO()
    reducer = Reducer()
    progress = Progress("packages: compiling ops", "packages: compiling ops 12/67", 12, 67, 1000.0, 300.0)
    reducer.running["one"] = RunningTask("Wait", "codetr_wait", 1000.0, progress)
    display = Display(Console(file=record, width=120), reducer, clock=lambda: now[0])
    for second in range(1, 46):
        now[0] = 1000.0 + second
        display.tick()
    lines = record.getvalue().splitlines()
    assert [line.partition("one  ")[2] for line in lines] == [
        f"packages: compiling ops 12/67 ({seconds} s, about 5 min left)" for seconds in (15, 30, 45)
    ]


def test_the_stage_is_named_once() -> None:
    progress = Progress("packages: compiling", "packages: compiling 3/9", 3, 9, 1000.0)
    task = RunningTask("Wait for the build", "codetr_wait", 990.0, progress)
    assert describe(task, 1020.0, "packages") == "packages: compiling 3/9 (20 s)"
    assert _doing(task, "packages") == "compiling 3/9"


def test_a_task_without_figures_is_what_is_being_done() -> None:
    task = RunningTask("Write the SBOM", "copy", 1000.0)
    assert describe(task, 1016.0, "packages") == "packages: writing the SBOM (16 s)"


@pytest.mark.parametrize(("name", "shown"), [
    ("Check that no process uses a GPU", "checking that no process uses a GPU"), ("Run verify", "running verify"),
    ("Set the hold", "setting the hold"), ("Free the GPU", "freeing the GPU"), ("Gathering Facts", "Gathering Facts"),
    ("meta", "meta"), ("apt-get update", "apt-get update"), ("Read the receipt", "reading the receipt"), ("", ""),
])
def test_what_is_being_done(name: str, shown: str) -> None:
    assert wording.doing(name) == shown


@pytest.mark.parametrize(("value", "shown"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (3725, "1 h 02 min")])
def test_seconds(value: float, shown: str) -> None:
    assert wording.seconds(value) == shown


def test_name_of_every_stage_leaves_a_gap() -> None:
    for name in ("plan", *planner.STAGES, "recheck"):
        for check, action in ((False, "skip"), (True, "replace")):
            line = _stage_line(StageResult(name, action, todo=True, status="done", seconds=5400), check).plain
            assert line.split(maxsplit=1)[0] == name and "  1 h 30 min" in line, line


def test_raw_progress_lines_are_never_shown() -> None:
    record = io.StringIO()
    display = Display(Console(file=record, width=120), Reducer(), verbose=1)
    display.feed({"event": "verbose", "created": None, "stdout": textwrap.dedent('codetr-progress {"host": "one"}\nkept')})
    assert record.getvalue() == "kept\n"
