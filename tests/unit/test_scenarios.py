"""What is left of the scenarios' output when one failed: it is shown while it comes, kept, and what is wrong stands at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# A stand-in for Molecule, which fails in one scenario as Molecule does: what is wrong, then the hosts are taken away.
MOLECULE = """#!/bin/sh
case $3 in
preflight) echo 'TASK [fine]'; exit 0 ;;
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
    """A copy of the tool with two scenarios and nothing else."""
    for name in ("preflight", "up"):
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


def call(tool: Path, *names: str) -> subprocess.CompletedProcess[str]:
    path = f"{tool.parents[1] / 'bin'}:{os.environ['PATH']}"
    return subprocess.run([sys.executable, tool, *names], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)


def test_what_failed_is_said_again_at_the_end(tool: Path) -> None:
    ended = call(tool)
    assert ended.returncode == 1
    shown, _, end = ended.stdout.partition("===== what failed in up, ")
    assert shown.index("TASK [fine]") < shown.index("scenario-name up") < shown.index("the disk is full") < shown.index("TASK [destroy]")
    assert [text for text in ("the disk is full", "two of three", "a task that changes each time") if text not in end] == []
    assert "TASK" not in end and "RETRYING" not in end and "what failed in preflight" not in ended.stdout
    assert end.endswith("1 passed, 1 failed\n")
    assert "TASK [destroy]" in (tool.parents[1] / "reports" / "molecule" / "up.log").read_text()


def test_nothing_is_said_of_those_that_passed(tool: Path) -> None:
    ended = call(tool, "preflight")
    assert (ended.returncode, "what failed" in ended.stdout) == (0, False)
    assert ended.stdout.endswith("1 passed, 0 failed\n")
