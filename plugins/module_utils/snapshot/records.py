"""The one format of what a stage writes down for removal: a snapshot, a note of what is about to change, and the changes in a receipt.

A state file is read as data that anybody may have written: every name and path in it is checked here, before anything goes by it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any, Callable, Mapping

from ansible_collections.codetr.provision.plugins.module_utils.package_manager.managers import MANAGERS

SCHEMA = 1
# Not an option of the command that it is handed to.
PACKAGE = re.compile(r"[A-Za-z0-9][\w+.~:-]*")
# A folder below /lib/modules: one name that leads nowhere else.
KERNEL = re.compile(r"(?!\.+$)[\w.+~-]+")
PATH = re.compile(r"(?!.*/\.{1,2}(?:/|$))/[^\x00-\x1f\x7f]+")
SOURCE = re.compile("|".join(each.source_files for each in MANAGERS.values()))
MODE = re.compile(r"0?[0-7]{3}")


class StateError(Exception):
    """A state file or receipt that cannot be read; the text is a sentence."""


@dataclass(frozen=True)
class Source:
    """A file that names repositories: an apt source."""

    text: str
    mode: str = "0644"


@dataclass(frozen=True)
class Edit:
    """A changed file of sources: as it was before our first change (None for no file), and each text that we wrote or meant to."""

    before: Source | None
    after: tuple[str, ...]


@dataclass(frozen=True)
class Link:
    """A link that was moved: its target before our first change (None for no link), and the target that we set."""

    before: str | None
    after: str


@dataclass(frozen=True)
class Snapshot:
    """A host at one moment.

    Attributes:
        packages: installed, whole or half.
        residual: removed by somebody who kept the configuration.
        auto, held: marks of installed packages.
        kernels: folders in /lib/modules; ``indexes`` are those with a modules.dep.
        files: those that exist of the paths and patterns asked for.
        sources: all files that name repositories.
        links: targets of the links asked for, None where there is none.
    """

    packages: frozenset[str] = frozenset()
    residual: frozenset[str] = frozenset()
    auto: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    kernels: frozenset[str] = frozenset()
    indexes: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    sources: Mapping[str, Source] = field(default_factory=dict)
    links: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Note:
    """What a stage is about to change, written down before it does.

    Attributes:
        packages: all that will be installed, ``requested`` those that are asked for by name.
        held: packages that will be held.
        files: our files, which stay when the stage has ended; ``leftovers`` are gone by then.
        uninstall: programs that an installer brings and that take its work back.
        sources: files of sources that will be edited.
    """

    packages: frozenset[str] = frozenset()
    requested: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    leftovers: frozenset[str] = frozenset()
    uninstall: frozenset[str] = frozenset()
    sources: Mapping[str, Edit] = field(default_factory=dict)


@dataclass(frozen=True)
class Changes:
    """What a stage brought: the part of a receipt that removal goes by.

    Attributes:
        packages: brought by the stage; ``requested`` those that it asked for by name.
        residual: packages among them whose configuration was there before.
        auto: packages of the host that lost their mark as installed for others.
        held: packages that the stage holds.
        kernels, indexes: folders in /lib/modules that came, and those that got an index of modules.
        files, uninstall, sources: as in a note.
        links: links that the stage moved.
    """

    packages: frozenset[str] = frozenset()
    requested: frozenset[str] = frozenset()
    residual: frozenset[str] = frozenset()
    auto: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    kernels: frozenset[str] = frozenset()
    indexes: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    uninstall: frozenset[str] = frozenset()
    sources: Mapping[str, Edit] = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """A state file: how the host was before the first run of a stage that has not ended, and what runs since have noted.

    Attributes:
        start: the packages when the current run began.
    """

    before: Snapshot = field(default_factory=Snapshot)
    note: Note = field(default_factory=Note)
    start: frozenset[str] = frozenset()


NAMES = {
    **dict.fromkeys(("packages", "requested", "residual", "auto", "held", "start"), PACKAGE),
    **dict.fromkeys(("kernels", "indexes"), KERNEL),
    **dict.fromkeys(("files", "leftovers", "uninstall"), PATH),
}


def snapshot_from(data: Any) -> Snapshot:
    """A snapshot from JSON.

    Raises:
        StateError: it is none.
    """
    return Snapshot(
        **_sets(data, Snapshot), sources=_mapping(data, "sources", SOURCE, _source), links=_mapping(data, "links", PATH, _target)
    )


def note_from(data: Any) -> Note:
    """A note from JSON.

    Raises:
        StateError: it is none.
    """
    return Note(**_sets(data, Note), sources=_mapping(data, "sources", SOURCE, _edit))


def changes_from(data: Any) -> Changes:
    """The changes in a receipt's ``remember``, which may hold more than that.

    Raises:
        StateError: they are none.
    """
    return Changes(**_sets(data, Changes), sources=_mapping(data, "sources", SOURCE, _edit), links=_mapping(data, "links", PATH, _link))


def state_from(data: Any) -> State:
    """A state file from JSON.

    Raises:
        StateError: it is none, or of another format.
    """
    if not isinstance(data, dict) or data.get("schema") != SCHEMA or "before" not in data or "note" not in data:
        raise StateError(f"it is no state file of format {SCHEMA}")
    return State(snapshot_from(data["before"]), note_from(data["note"]), _names(data, "start"))


def as_dict(record: Any) -> Any:
    """A record as JSON-able data, sorted, so that equal records are equal texts."""
    if isinstance(record, frozenset):
        return sorted(record)
    if isinstance(record, tuple):
        return list(record)
    if isinstance(record, Mapping):
        return {key: as_dict(record[key]) for key in sorted(record)}
    if isinstance(record, (Source, Edit, Link, Snapshot, Note, Changes, State)):
        found = {each.name: as_dict(getattr(record, each.name)) for each in fields(record)}
        return {"schema": SCHEMA, **found} if isinstance(record, State) else found
    return record


def _sets(data: Any, kind: type) -> dict[str, frozenset[str]]:
    if not isinstance(data, dict):
        raise StateError(f"a {kind.__name__.lower()} is not an object")
    return {each.name: _names(data, each.name) for each in fields(kind) if each.name in NAMES}


def _names(data: dict[str, Any], key: str) -> frozenset[str]:
    found = data.get(key, [])
    if not isinstance(found, list):
        raise StateError(f"{key} is not a list")
    for name in found:
        if not isinstance(name, str) or NAMES[key].fullmatch(name) is None:
            raise StateError(f"{key} has {_shown(name)}, which is no such name")
    return frozenset(found)


def _mapping(data: dict[str, Any], key: str, pattern: re.Pattern[str], value: Callable[[Any], Any]) -> dict[str, Any]:
    found = data.get(key, {})
    if not isinstance(found, dict):
        raise StateError(f"{key} is not an object")
    for name in found:
        if pattern.fullmatch(name) is None:
            raise StateError(f"{key} has {_shown(name)}, which is no such path")
    return {name: value(entry) for name, entry in found.items()}


def _source(data: Any) -> Source:
    if not isinstance(data, dict) or not isinstance(data.get("text"), str):
        raise StateError("a file of sources has no text")
    mode = data.get("mode", "0644")
    if not isinstance(mode, str) or MODE.fullmatch(mode) is None:
        raise StateError(f"a file of sources has mode {_shown(mode)}")
    return Source(data["text"], mode)


def _edit(data: Any) -> Edit:
    texts = data.get("after") if isinstance(data, dict) else None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise StateError("a change of a file of sources has no texts")
    return Edit(None if data.get("before") is None else _source(data["before"]), tuple(texts))


def _target(data: Any) -> str | None:
    if data is not None and (not isinstance(data, str) or not data or re.search(r"[\x00-\x1f\x7f]", data)):
        raise StateError(f"a link has the target {_shown(data)}")
    return data


def _link(data: Any) -> Link:
    if not isinstance(data, dict) or not isinstance(data.get("after"), str):
        raise StateError("a change of a link has no target")
    return Link(_target(data.get("before")), str(_target(data["after"])))


def _shown(value: Any) -> str:
    return repr(value)[:80]
