"""tools/scenarios.py: which scenarios run together, and what is shown and kept of their output."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# A stand-in for Molecule that fails in one scenario as Molecule does: errors first, then the hosts are removed. Each notes when it runs.
MOLECULE = """#!/bin/sh
echo "begin $3" >> times
case $3 in
codetr_packages) for turn in $(seq ${WAIT:-0}); do grep -q "end preflight" times && break; sleep 0.1; done ;;
esac
echo "end $3" >> times
case $3 in
miniconda) ;;
*) echo "TASK [fine] $3"; exit 0 ;;
esac
bar='  \\033[2m│\\033[0m '
printf "$bar"'FAILED - RETRYING: [host]: a task that takes its time\\n'
printf "$bar"'\\033[31mfatal: [host]: FAILED! =>\\033[0m\\n'
printf "$bar"'\\033[31m    msg: the disk is full\\033[0m\\n'
printf "$bar\\n$bar"'TASK [another]\\n'
printf "$bar"'E   AssertionError: two of three\\n'
printf '\\033[31mCRITICAL\\033[0m Idempotence test failed because of the following tasks:\\n* role : a task that changes each time\\n'
printf "\\n$bar"'TASK [destroy]\\n'
exit 3
"""


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """A copy of the tool with four scenarios and nothing else."""
    for name in ("miniconda", "preflight", "codetr_packages", "codetr_repo"):
        folder = tmp_path / "molecule" / name
        folder.mkdir(parents=True)
        (folder / "molecule.yml").write_text("")
    (tmp_path / "tools").mkdir()
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "molecule"
    program.write_text(MOLECULE)
    program.chmod(0o755)
    copy = tmp_path / "tools" / "scenarios.py"
    copy.write_bytes((ROOT / "tools" / "scenarios.py").read_bytes())
    return copy


def call(tool: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{tool.parents[1] / 'bin'}:{os.environ['PATH']}", **environment}
    return subprocess.run([sys.executable, tool, *arguments], env=environment, capture_output=True, text=True, check=False)


def times(tool: Path) -> list[str]:
    return (tool.parents[1] / "times").read_text().splitlines()


def test_the_errors_of_a_failed_scenario_are_repeated_at_the_end(tool: Path) -> None:
    ended = call(tool, "--jobs", "1")
    assert ended.returncode == 1
    shown, _, end = ended.stdout.partition("===== errors in miniconda, ")
    order = ("scenario-name miniconda", "the disk is full", "TASK [destroy]", "miniconda: FAILED (exit status 3)")
    assert [shown.index(text) for text in order] == sorted(shown.index(text) for text in order)
    assert [text for text in ("the disk is full", "two of three", "a task that changes each time") if text not in end] == []
    assert "TASK" not in end and "RETRYING" not in end and "errors in preflight" not in ended.stdout
    assert end.endswith("3 passed, 1 failed\n")
    assert "TASK [destroy]" in (tool.parents[1] / "reports" / "molecule" / "miniconda.log").read_text()


def test_nothing_is_repeated_of_those_that_passed(tool: Path) -> None:
    ended = call(tool, "preflight")
    assert (ended.returncode, "errors in" in ended.stdout, "TASK [fine] preflight" in ended.stdout) == (0, False, True)
    assert ended.stdout.endswith("1 passed, 0 failed\n")


def test_two_run_at_a_time_and_their_output_goes_to_their_logs(tool: Path) -> None:
    # The slow one ends only after the last of those that run beside it.
    ended = call(tool, "--jobs", "2", WAIT="600")
    assert "TASK [fine]" not in ended.stdout
    assert "TASK [fine] preflight" in (tool.parents[1] / "reports" / "molecule" / "preflight.log").read_text()
    order = times(tool)
    # The slow one starts among the first two, others run beside it, and what needs its result waits.
    started = [line for line in ended.stdout.splitlines() if line.endswith(": started")]
    assert any("codetr_packages" in line for line in started[:2])
    assert order.index("end preflight") < order.index("end codetr_packages") < order.index("begin codetr_repo")


def test_one_that_needs_the_slow_one_runs_without_it_when_asked_for_alone(tool: Path) -> None:
    assert call(tool, "codetr_repo").returncode == 0
    assert times(tool) == ["begin codetr_repo", "end codetr_repo"]


def test_an_unknown_scenario_is_refused(tool: Path) -> None:
    ended = call(tool, "nosuch")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "There is no scenario nosuch; choose from " in ended.stderr
