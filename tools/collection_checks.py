#!/usr/bin/env python3
"""Check the collection as Ansible Galaxy and its reviewers do: on the tarball that would be published.

``collection_checks.py [CHECK ...]``: those, or all. All run, whatever fails, and each prints its seconds.
``--full`` has galaxy-importer run ansible-lint as well, which ``make lint`` runs on the same files already.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
# ansible-test takes these from the tree; the tarball leaves them out.
TEST_FILES = ("tests/config.yml", "tests/sanity")
# ansible-test fills its virtual environments with a get-pip.py from a server of its own, which not every network reaches. Python's own
# ensurepip brings a pip, too, and that one installs the version that is asked for. Setuptools goes, as ansible-test asks for.
GET_PIP = """\
import subprocess, sys
def pip(*arguments):
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *arguments], check=True)
subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
pip("install", *[argument for argument in sys.argv[1:] if not argument.startswith("--no-")])
pip("uninstall", "--yes", "setuptools")
"""
# The versions of pip that the supported releases of ansible-test ask for, as they stand in the name of the file.
PIP_VERSIONS = ("24_2", "25_0_1", "25_2", "25_3", "26_0", "26_0_1")


class CheckFailed(Exception):
    """A check found something; its output is the message."""


@dataclass(frozen=True)
class Shipped:
    """The collection as it would be published.

    Attributes:
        tarball: what ``ansible-galaxy collection build`` made.
        tree: the tarball unpacked below ``ansible_collections``, with the files that the tests need.
        source: the checkout's files, without what git ignores.
        home: the home directory of ansible-test, kept between runs for its virtual environments.
        tools: the folder with the programs.
        full: whether galaxy-importer runs ansible-lint.
    """

    tarball: Path
    tree: Path
    source: Path
    home: Path
    tools: Path
    full: bool = False

    @property
    def collections(self) -> Path:
        """The folder that stands in ANSIBLE_COLLECTIONS_PATH."""
        return self.tree.parents[2]


def run(tools: Path, command: list[str | Path], cwd: Path, **more: str) -> str:
    """The output of a program in the folder ``tools``."""
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}", **more}
    done = subprocess.run(command, cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise CheckFailed(done.stdout)
    return done.stdout


def source_files() -> list[str]:
    """The files of the checkout that git tracks or would track."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted({name for name in listed if name and (ROOT / name).is_file()})


def copy(names: list[str], to: Path) -> None:
    """Copy files of the checkout, with their folders."""
    for name in names:
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, to / name)


def build(folder: Path, home: Path, tools: Path, full: bool = False) -> Shipped:
    """Build the tarball, and unpack it where ansible-test wants it."""
    source, collections = folder / "source", folder / "collections"
    names = source_files()
    copy(names, source)
    run(tools, ["ansible-galaxy", "collection", "build", "--output-path", folder, source], folder)
    (tarball,) = folder.glob("*.tar.gz")
    meta = yaml.safe_load((source / "galaxy.yml").read_text())
    tree = collections / "ansible_collections" / meta["namespace"] / meta["name"]
    with tarfile.open(tarball) as packed:
        # Python 3.11.2, which Debian 12 has, knows no filters yet; the tarball is our own.
        if hasattr(tarfile, "data_filter"):
            packed.extractall(tree, filter="data")
        else:
            packed.extractall(tree)
    copy([name for name in names if name.startswith(TEST_FILES)], tree)
    return Shipped(tarball, tree, source, home, tools, full)


def sanity(shipped: Shipped) -> None:
    """ansible-test sanity, all tests that need no container."""
    cache = shipped.home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in PIP_VERSIONS:
        (cache / f"get_pip_{version}.py").write_text(GET_PIP)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    command: list[str | Path] = ["ansible-test", "sanity", "--color", "no", "--python", python]
    run(shipped.tools, command, shipped.tree, HOME=str(shipped.home))


def importer(shipped: Shipped) -> None:
    """galaxy-importer: what Galaxy itself does with an upload. Its warnings count as well."""
    lint = str(shipped.full).lower()
    command: list[str | Path] = [shipped.tools / "python", "-m", "galaxy_importer.main", shipped.tarball]
    output = run(shipped.tools, command, shipped.tarball.parent, GALAXY_IMPORTER_RUN_ANSIBLE_LINT=lint)
    complaints = [line for line in output.splitlines() if line.startswith(("WARNING", "ERROR", "CRITICAL"))]
    if complaints:
        raise CheckFailed("\n".join(complaints))


def docs(shipped: Shipped) -> None:
    """antsibull-docs: the documentation of modules, plugins and roles, and every reference in it."""
    command: list[str | Path] = ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=self", shipped.tree]
    run(shipped.tools, command, shipped.tree, ANSIBLE_COLLECTIONS_PATH=str(shipped.collections))


def changelog(shipped: Shipped) -> None:
    """antsibull-changelog: the fragments and the releases."""
    run(shipped.tools, ["antsibull-changelog", "lint"], shipped.source)
    run(shipped.tools, ["antsibull-changelog", "lint-changelog-yaml", "changelogs/changelog.yaml"], shipped.source)


def environment(shipped: Shipped) -> None:
    """ansible-builder: the execution environment's definition, and what the collection asks for in one."""
    shutil.copy2(shipped.tarball, shipped.source)
    context = shipped.tarball.parent / "context"
    run(shipped.tools, ["ansible-builder", "create", "--file", "execution-environment.yml", "--context", context], shipped.source)
    asked = run(shipped.tools, ["ansible-builder", "introspect", "--sanitize", shipped.collections], shipped.source)
    for line in [*requirements(shipped.tree / "meta" / "ee-requirements.txt"), *requirements(shipped.tree / "meta" / "ee-bindep.txt")]:
        if line not in asked:
            raise CheckFailed(f"ansible-builder does not see {line!r} in\n{asked}")


def requirements(path: Path) -> list[str]:
    """The lines of a requirements file."""
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


CHECKS: dict[str, Callable[[Shipped], None]] = {check.__name__: check for check in (changelog, environment, docs, importer, sanity)}


def report(shipped: Shipped, names: list[str]) -> list[str]:
    """Run the checks and print how each ends. Returns the names of those that failed."""
    failed = []
    for name in names:
        start = time.monotonic()
        try:
            CHECKS[name](shipped)
        except CheckFailed as problem:
            failed.append(name)
            print(problem)
        print(f"{'FAILED' if name in failed else 'ok':6} {name:12} {time.monotonic() - start:5.0f} s", flush=True)
    return failed


def main() -> None:
    """Check, and fail when a check does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=f"of {', '.join(CHECKS)}; all of them when none is named")
    parser.add_argument("--full", action="store_true", help="have galaxy-importer run ansible-lint, too")
    parser.add_argument("--tools", type=Path, default=Path(sys.executable).parent, help="the folder with the programs")
    parser.add_argument("--home", type=Path, default=ROOT / ".lab" / "ansible-test", help="ansible-test's home directory")
    given = parser.parse_args()
    if unknown := sorted(set(given.checks) - set(CHECKS)):
        parser.error(f"there is no check {', '.join(unknown)}; there are {', '.join(CHECKS)}")
    with tempfile.TemporaryDirectory(prefix="collection-checks-") as folder:
        shipped = build(Path(folder), given.home.absolute(), given.tools.absolute(), given.full)
        failed = report(shipped, given.checks or list(CHECKS))
    if failed:
        sys.exit(f"The collection is not fit for Galaxy: {', '.join(failed)} failed.")


if __name__ == "__main__":
    main()
