#!/usr/bin/env python3
"""Write the hash-locked requirements anew: the controller's for each ansible-core, and one for each stack, CUDA and Python.

``python tools/lock.py`` keeps the versions of the locks that are there, as far as they still fit; ``--upgrade`` takes the newest.
The package index is the one that this machine is configured for; no host name is written.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import core_matrix
import yaml
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "stacks" / "locks"
# What runs on the hosts: glibc 2.28 is older than that of every system that is supported.
PLATFORM = "x86_64-manylinux_2_28"
# Locks that no stack installs into its environment, and the Python whose packages serve all others.
OTHERS = {"nvcc-cu130": "3.11", "sbom": "3.10"}
# The oldest Python of a controller, where that is another than the one that the core is tested with.
OLDEST = {"2.21": "3.12"}


@dataclass(frozen=True)
class Lock:
    """One lock file.

    Attributes:
        path: the file.
        sources: what it is compiled from.
        python: the version that it is for.
        left_out: projects whose entries are not the index's.
        records: names of the artifact records that are entered in their place.
    """

    path: Path
    sources: tuple[Path, ...]
    python: str
    left_out: tuple[str, ...] = ()
    records: tuple[str, ...] = ()


def name_of(lock: str, python: str) -> str:
    """The file of a lock for one Python, as the plan looks for it."""
    return f"{lock}-py{python.replace('.', '')}.txt"


# The tools of `make lint-collection`.
COLLECTION = Lock(ROOT / "requirements" / "collection.txt", (ROOT / "requirements" / "collection.in",), "3.11")


def locks() -> list[Lock]:
    """All locks that the stacks name."""
    found = []
    for path in sorted((ROOT / "stacks").glob("*.yml")):
        stack = yaml.safe_load(path.read_text())
        records = tuple(stack.get("wheels", []))
        given = tuple(sorted(project_of(name)[0] for name in records))
        for name in [variant["lock"] for variant in stack.get("gpu", []) if "lock" in variant] or [stack["lock"]]:
            for python in stack["python"]:
                found.append(Lock(LOCKS / name_of(name, python), (LOCKS / f"{name}.in",), python, given, records))
                if "conda" in stack:
                    conda = stack["conda"]["lock"]
                    found.append(Lock(LOCKS / name_of(conda, python), (LOCKS / f"{name}.in",), python, given))
    return found + [Lock(LOCKS / f"{name}.txt", (LOCKS / f"{name}.in",), python) for name, python in OTHERS.items()]


def controllers() -> list[Lock]:
    """The controller's locks, one for each ansible-core. Each serves the oldest Python that its core runs on, and newer ones."""
    found = []
    for pair in core_matrix.PAIRS:
        sources = (ROOT / "requirements.in", ROOT / "requirements" / f"core-{pair.core}.in")
        found.append(Lock(pair.lock, sources, OLDEST.get(pair.core, pair.python)))
    return found


def artifacts() -> dict[str, dict[str, Any]]:
    """The artifact records of role codetr_packages."""
    return dict(yaml.safe_load((ROOT / "roles" / "codetr_packages" / "files" / "artifacts.yml").read_text()))


def project_of(record: str) -> tuple[str, str]:
    """The project and version of a record's wheel, from its file name."""
    filename = urllib.parse.unquote(artifacts()[record]["urls"][0].rsplit("/", 1)[-1])
    name, version, _, _ = parse_wheel_filename(filename)
    return str(name), str(version)


def entry(record: str) -> str:
    """A record's entry in a lock."""
    name, version = project_of(record)
    return f"{name}=={version} \\\n    --hash=sha256:{artifacts()[record]['sha256']}\n    # from artifact record {record}\n"


def write(uv: Path, lock: Lock, upgrade: bool) -> None:
    """Compile one lock."""
    options = ["--quiet", "--generate-hashes", "--no-emit-index-url", "--no-header", "--python-version", lock.python]
    if lock.path.parent == LOCKS:
        options += ["--allow-unsafe", "--python-platform", PLATFORM]
    options += [part for project in lock.left_out for part in ("--no-emit-package", project)]
    options += ["--upgrade"] if upgrade else []
    sources = [str(source.relative_to(ROOT)) for source in lock.sources]
    subprocess.run([uv, "pip", "compile", *options, *sources, "--output-file", str(lock.path.relative_to(ROOT))], cwd=ROOT, check=True)
    if lock.left_out:
        text = lock.path.read_text().split("\n# The following packages", 1)[0].rstrip("\n") + "\n"
        lock.path.write_text(text + "".join(entry(record) for record in lock.records))
    print(lock.path.relative_to(ROOT), flush=True)


def main() -> None:
    """Write all locks with the newest uv, in an environment of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    upgrade = parser.parse_args().upgrade
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv"], check=True)
        for lock in [*controllers(), COLLECTION, *locks()]:
            write(Path(folder) / "bin" / "uv", lock, upgrade)


if __name__ == "__main__":
    main()
