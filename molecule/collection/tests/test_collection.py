"""What the installed collection made, and what was packed into it."""

from __future__ import annotations

from pathlib import Path

from testinfra.host import Host

INSTALLED = Path(__file__).resolve().parents[3] / "reports" / "collection" / "installed" / "ansible_collections" / "codetr" / "provision"


def test_the_host_has_a_python_of_ours(host: Host) -> None:
    assert host.check_output("/opt/codetr/miniconda3/envs/codetr/bin/python --version").startswith("Python 3.10.")


def test_the_collection_holds_what_it_needs_and_nothing_of_the_workshop() -> None:
    packed = {path.name for path in INSTALLED.iterdir()}
    assert {"playbooks", "roles", "plugins", "stacks", "README.md", "LICENSE"} <= packed
    assert not packed & {".venv", ".venvs", ".git", ".lab", "molecule", "tests", "report", "reports"}
    assert not (INSTALLED / "playbooks" / "collections").exists()
