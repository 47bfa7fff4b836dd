"""tools/collection_checks.py with programs that only note how they were called, and with the real ansible-galaxy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import collection_checks  # noqa: E402
from collection_checks import CheckFailed, Shipped  # noqa: E402

PROGRAM = """\
#!{python}
import json, os, sys
from pathlib import Path
here = Path({folder!r})
with (here / "calls").open("a") as calls:
    calls.write(json.dumps([Path(sys.argv[0]).name, *sys.argv[1:], os.getcwd(), os.environ["HOME"]]) + "\\n")
if (here / "print").exists():
    print((here / "print").read_text())
sys.exit((here / "fail").exists())
"""


@pytest.fixture
def shipped(tmp_path: Path) -> Shipped:
    """A collection with nothing in it, and programs that note their arguments, folder and home."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("ansible-test", "antsibull-docs", "antsibull-changelog", "ansible-builder", "python"):
        (tools / name).write_text(PROGRAM.format(python=sys.executable, folder=str(tmp_path)))
        (tools / name).chmod(0o755)
    tree = tmp_path / "collections" / "ansible_collections" / "codetr" / "provision"
    (tree / "meta").mkdir(parents=True)
    for name in ("ee-requirements.txt", "ee-bindep.txt"):
        (tree / "meta" / name).write_text("# a comment\n")
    (tmp_path / "source").mkdir()
    (tmp_path / "collection.tar.gz").write_bytes(b"")
    return Shipped(tmp_path / "collection.tar.gz", tree, tmp_path / "source", tmp_path / "home", tools)


def calls(shipped: Shipped) -> list[list[str]]:
    """How the programs were called."""
    path = shipped.tarball.parent / "calls"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_sanity_runs_in_the_tree_with_a_home_of_its_own(shipped: Shipped) -> None:
    collection_checks.sanity(shipped)
    ((program, *arguments, folder, home),) = calls(shipped)
    assert (program, arguments[0], folder, home) == ("ansible-test", "sanity", str(shipped.tree), str(shipped.home))
    assert (shipped.home / ".ansible" / "test" / "cache" / "get_pip_24_2.py").is_file()


def test_the_bootstrap_leaves_pip_and_no_setuptools(tmp_path: Path) -> None:
    """The script that ansible-test runs in an empty virtual environment; there is no index, so pip stays as it is."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "empty"], check=True)
    python = tmp_path / "empty" / "bin" / "python"
    (tmp_path / "get_pip.py").write_text(collection_checks.GET_PIP)
    command = [python, tmp_path / "get_pip.py", "--disable-pip-version-check", "pip", "--no-setuptools", "--no-wheel"]
    subprocess.run(command, env={**os.environ, "PIP_NO_INDEX": "1"}, check=True)
    listed = subprocess.run([python, "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=True).stdout
    assert {each["name"] for each in json.loads(listed)} == {"pip"}


def test_a_failing_program_shows_what_it_printed(shipped: Shipped) -> None:
    (shipped.tarball.parent / "fail").touch()
    (shipped.tarball.parent / "print").write_text("ERROR: plugins/modules/x.py:1:1: nothing fits")
    for check in collection_checks.CHECKS.values():
        with pytest.raises(CheckFailed, match="nothing fits"):
            check(shipped)


def test_a_warning_of_the_importer_fails(shipped: Shipped) -> None:
    collection_checks.importer(shipped)
    (shipped.tarball.parent / "print").write_text("Importing\nWARNING: No changelog found.\nImporter processing completed successfully")
    with pytest.raises(CheckFailed, match=r"^WARNING: No changelog found\.$"):
        collection_checks.importer(shipped)


def test_an_environment_that_misses_a_requirement_fails(shipped: Shipped) -> None:
    collection_checks.environment(shipped)
    (shipped.tree / "meta" / "ee-bindep.txt").write_text("# ssh\nopenssh-client [platform:dpkg]\n")
    with pytest.raises(CheckFailed, match="does not see 'openssh-client"):
        collection_checks.environment(shipped)
    (shipped.tarball.parent / "print").write_text("system:\n  - openssh-client [platform:dpkg]  # from codetr.provision")
    collection_checks.environment(shipped)


def test_every_check_runs_whatever_fails(shipped: Shipped, capsys: pytest.CaptureFixture[str]) -> None:
    (shipped.tarball.parent / "fail").touch()
    names = list(collection_checks.CHECKS)
    assert collection_checks.report(shipped, names) == names
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [words[1] for words in printed if words[:1] == ["FAILED"]] == names


def test_an_unknown_check_is_refused() -> None:
    command = [sys.executable, str(ROOT / "tools" / "collection_checks.py"), "sanitiy"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "there is no check sanitiy" in done.stderr


def test_the_tarball_holds_the_collection_and_nothing_that_develops_it(tmp_path: Path) -> None:
    shipped = collection_checks.build(tmp_path, tmp_path / "home", Path(sys.executable).parent)
    with tarfile.open(shipped.tarball) as packed:
        tops = {member.name.split("/")[0] for member in packed.getmembers()}
    assert tops == {
        *("CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "README.md", "FILES.json", "MANIFEST.json"),
        *("changelogs", "docs", "inventory", "meta", "playbooks", "plugins", "requirements.yml", "roles", "stacks"),
    } - ({"CHANGELOG.md"} if not (ROOT / "CHANGELOG.md").exists() else set())
    assert shipped.tarball.stat().st_size < 20_000_000
    assert (shipped.tree / "tests" / "config.yml").is_file()
    assert (shipped.tree / "tests" / "sanity").is_dir()
