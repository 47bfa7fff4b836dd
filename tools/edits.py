#!/usr/bin/env python3
"""Check a list of counted source edits against the sources, and write the hashes of the files before and after.

``python tools/edits.py LIST SOURCE``: SOURCE is a folder or a .tar.gz of sources, or a git repository, from which the commit is read
that the list names. ``--check`` writes nothing and fails when a hash differs.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "playbooks" / "collections"))

from ansible_collections.codetr.provision.plugins.module_utils.edits import EditError, edited  # noqa: E402

HASH = re.compile(r"^( +sha256_(before|after): ).*$", re.MULTILINE)


class Sources:
    """Files of a folder, of an archive of sources, or of one commit of a git repository."""

    def __init__(self, source: Path, document: dict[str, Any]) -> None:
        """Raises EditError for an archive that is another one than the list is for."""
        self.source, self.commit = source, document.get("commit", "")
        self.git = source / ".git" if (source / ".git").exists() else source
        self.is_git = bool(self.commit) and (self.git != source or (source / "objects").is_dir())
        if source.is_file() and digest(source.read_bytes()) != document["sdist_sha256"]:
            raise EditError(f"{source.name} is not the archive that the list is for: its sha256 is {digest(source.read_bytes())}.")

    def read(self, path: str) -> bytes:
        """The bytes of a file. Raises EditError where there is none."""
        if self.is_git:
            command = ["git", f"--git-dir={self.git}", "cat-file", "blob", f"{self.commit}:{path}"]
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode:
                raise EditError(f"{path}: {done.stderr.decode().strip()}")
            return done.stdout
        if self.source.is_dir():
            if not (self.source / path).is_file():
                raise EditError(f"{path} is not there.")
            return (self.source / path).read_bytes()
        with tarfile.open(self.source) as archive:
            names = [name for name in archive.getnames() if name.partition("/")[2] == path]
            member = archive.extractfile(names[0]) if names else None
            if member is None:
                raise EditError(f"{path} is not in the archive.")
            return member.read()


def digest(data: bytes) -> str:
    """The sha256 in hex."""
    return hashlib.sha256(data).hexdigest()


def hashes(entry: dict[str, Any], data: bytes) -> tuple[str, str]:
    """The file's sha256 before and after its edits. Raises EditError when they do not fit it or could not be taken back."""
    text = data.decode()
    for edit in entry["edits"]:
        places = text.count(edit["find"])
        if places != edit["count"]:
            raise EditError(f"{entry['path']}: {edit['find']!r} stands in {places} places, the list of edits says {edit['count']}.")
        text = text.replace(edit["find"], edit["replace"])
    before, after = digest(data), digest(text.encode())
    edited(text.encode(), {**entry, "sha256_before": before, "sha256_after": after}, back=True)
    return before, after


def main(arguments: list[str] | None = None) -> int:
    """Return 0 when every edit fits and, with ``--check``, every hash is right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("list", type=Path)
    parser.add_argument("source", type=Path)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args(arguments)
    text = given.list.read_text()
    document = yaml.safe_load(text)
    entries = [entry for group in document["groups"].values() for entry in group["files"]]
    found: list[str] = []
    wrong: list[str] = []
    try:
        sources = Sources(given.source, document)
        for entry in entries:
            try:
                found += hashes(entry, sources.read(entry["path"]))
            except EditError as error:
                wrong.append(str(error))
    except EditError as error:
        wrong.append(str(error))
    if not wrong:
        # The hashes stand in the list in the order in which YAML reads them, so the text around them stays as it is.
        written = iter(found)
        new = HASH.sub(lambda match: match[1] + next(written), text)
        if new != text and given.check:
            wrong.append(f"{given.list}: the hashes are not those of the sources. Run it again without --check.")
        elif new != text:
            given.list.write_text(new)
    print("\n".join(wrong) or f"{len(entries)} files fit", file=sys.stderr if wrong else sys.stdout)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
