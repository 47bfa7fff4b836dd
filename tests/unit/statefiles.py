"""State files of stages that were cut short, as text, for tests."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from ansible_collections.codetr.provision.plugins.module_utils.snapshot.records import Note, Snapshot, State, as_dict


def state_file(
    packages: Collection[str] = (),
    files: Collection[str] = (),
    links: Mapping[str, str | None] | None = None,
    noted: Collection[str] = (),
    requested: Collection[str] = (),
    uninstall: Collection[str] = (),
) -> str:
    """The host had these packages, files and links; the stage noted these packages, asked for some, and used these installers."""
    before = Snapshot(packages=frozenset(packages), files=frozenset(files), links=links or {})
    note = Note(packages=frozenset(noted), requested=frozenset(requested), uninstall=frozenset(uninstall))
    return json.dumps(as_dict(State(before, note, before.packages)))
