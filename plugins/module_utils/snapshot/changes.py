"""Compare snapshots: what a stage brought, and what removal may take back. Pure.

Two rules hold everywhere. What was there before is never taken back. What somebody else installed or changed since is left alone.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from typing import Collection, Iterable, Mapping

from ansible_collections.codetr.provision.plugins.module_utils.snapshot.records import Changes, Edit, Link, Note, Snapshot, Source, State


@dataclass(frozen=True)
class Restore:
    """What removal takes back.

    Attributes:
        packages: to purge; ``keep_configuration`` are those of them whose configuration was there before.
        kept: packages that stay although the stage brought them, and why.
        auto: packages to mark as installed for others again.
        held: packages to release.
        files: to remove.
        shared: our files that another stage still uses.
        sources: files of sources to write back; None removes the file.
        foreign_sources: those that somebody changed since, which stay.
        kernels: folders in /lib/modules to remove, ``indexes`` those to take the index from.
        uninstall: programs that take an installer's work back.
        links: targets that links get; None for no link.
    """

    packages: frozenset[str] = frozenset()
    keep_configuration: frozenset[str] = frozenset()
    kept: Mapping[str, str] = field(default_factory=dict)
    auto: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    sources: Mapping[str, Source | None] = field(default_factory=dict)
    foreign_sources: frozenset[str] = frozenset()
    kernels: frozenset[str] = frozenset()
    indexes: frozenset[str] = frozenset()
    uninstall: frozenset[str] = frozenset()
    links: Mapping[str, str | None] = field(default_factory=dict)


def names(packages: Iterable[str]) -> frozenset[str]:
    """Package names without the version, suite or architecture that the package manager takes with them."""
    return frozenset(re.sub(r"[=/:].*", "", name) for name in packages)


def note(state: State, now: Snapshot, coming: Note, texts: Mapping[str, str] | None = None) -> State:
    """Add what is about to change to a state.

    Args:
        coming: what this step of the run will bring.
        texts: files of sources that it will write, with their new text.

    Returns:
        The state, in which every package that this run has brought so far is noted, too: tools that it needed for itself.
    """
    requested = names(coming.requested)
    fresh = replace(coming, packages=names(coming.packages) | requested | (now.packages - state.start), requested=requested)
    noted = {each: getattr(state.note, each) | getattr(fresh, each) for each in _SETS}
    return replace(state, note=Note(**noted, sources={**state.note.sources, **_edits(state.note.sources, now, texts or {})}))


_SETS = ("packages", "requested", "held", "files", "leftovers", "uninstall")


def _edits(noted: Mapping[str, Edit], now: Snapshot, texts: Mapping[str, str]) -> dict[str, Edit]:
    """The edits of source files; one that somebody has changed since our last edit is theirs as it is now."""
    found = {}
    for path, text in texts.items():
        found[path] = _joined(noted.get(path), Edit(now.sources.get(path), (text,)))
    return found


def changes(state: State, after: Snapshot, earlier: Changes) -> Changes:
    """What the stage brought, for its receipt.

    Args:
        state: the host before, and what was noted. A package counts only where it was noted: others may install something at the same time.
        after: the host now.
        earlier: what the stage's receipt says already.
    """
    before, noted = state.before, state.note
    packages = (earlier.packages & (after.packages | after.residual)) | ((after.packages - before.packages) & noted.packages)
    demoted = (before.auto - after.auto) & noted.requested
    mine = packages | noted.held | earlier.held
    return Changes(
        packages=packages,
        requested=(earlier.requested | noted.requested) & packages,
        residual=(earlier.residual | before.residual) & packages,
        auto=((earlier.auto | demoted) & after.packages) - packages,
        held=((after.held - before.held) | (earlier.held & after.held)) & mine,
        kernels=(earlier.kernels & after.kernels) | (after.kernels - before.kernels),
        indexes=(earlier.indexes & after.indexes) | (after.indexes - before.indexes),
        files=(earlier.files | noted.files) & after.files,
        uninstall=(earlier.uninstall | (noted.uninstall - before.files)) & after.files,
        sources={**earlier.sources, **{path: _joined(earlier.sources.get(path), edit) for path, edit in noted.sources.items()}},
        links=earlier.links,
    )


def _joined(earlier: Edit | None, edit: Edit) -> Edit:
    """Two edits of one file as one, unless somebody changed the file between them."""
    if earlier is None or edit.before is None or edit.before.text not in earlier.after:
        return edit
    return Edit(earlier.before, tuple(dict.fromkeys((*earlier.after, *edit.after))))


def restorable(
    receipt: Changes,
    state: State | None,
    now: Snapshot,
    others: Collection[str] = (),
    allowed: Collection[str] = (),
    own: Collection[str] = (),
) -> Restore:
    """What removal takes back.

    Args:
        receipt: what the stage's receipt says; empty where there is none.
        state: the state file of a run that was cut short, or None.
        now: the host as it is.
        others: files that other stages use.
        allowed: patterns of the files that may be removed, whatever a receipt says.
        own: folders of ours that a link may lead to.
    """
    found = changes(state, now, receipt) if state else receipt
    files = (found.files | (state.note.leftovers - state.before.files if state else frozenset())) & now.files
    files = frozenset(path for path in files if any(re.fullmatch(pattern, path) for pattern in allowed))
    # What we did not ask for came as installed for others. Marked otherwise, it is what somebody asked for.
    by_name = {name for name in found.packages & now.packages if name not in now.auto and name not in found.requested}
    packages = (found.packages & (now.packages | now.residual)) - by_name - (found.residual - now.packages)
    unchanged = {path for path, edit in found.sources.items() if path in now.sources and now.sources[path].text in edit.after}
    return Restore(
        packages=packages,
        keep_configuration=found.residual & packages,
        kept={name: "somebody installed it by name since" for name in sorted(by_name)},
        auto=(found.auto & now.packages) - now.auto,
        held=found.held & now.held,
        files=files - frozenset(others),
        shared=files & frozenset(others),
        sources={path: found.sources[path].before for path in unchanged if found.sources[path].before != now.sources[path]},
        foreign_sources=frozenset(
            path for path in found.sources if path in now.sources and path not in unchanged and _differs(found, now, path)
        ),
        kernels=found.kernels & now.kernels,
        indexes=found.indexes & now.indexes,
        uninstall=found.uninstall & now.files,
        links={path: _target(path, target, found.links.get(path), state, own) for path, target in now.links.items()},
    )


def _differs(found: Changes, now: Snapshot, path: str) -> bool:
    """Whether a source file is neither as we found it nor as we wrote it."""
    before = found.sources[path].before
    return before is None or now.sources[path].text != before.text


def _target(path: str, current: str | None, link: Link | None, state: State | None, own: Collection[str]) -> str | None:
    """Where a link is to point: where it did, if it leads to what is ours, and where it does now otherwise."""
    if current is None:
        return None
    ours = {*own, *([link.after] if link else [])}
    if not any(same(path, current, folder) for folder in ours):
        return current
    return link.before if link else state.before.links.get(path) if state else None


def same(path: str, one: str, other: str) -> bool:
    """Whether two targets of the link at ``path`` are one place, however they are written."""
    folder = os.path.dirname(path)
    return os.path.normpath(os.path.join(folder, one)) == os.path.normpath(os.path.join(folder, other))


def handed_over(kept: Mapping[str, Collection[str]], requested: Collection[str], others: Mapping[str, Changes]) -> dict[str, Changes]:
    """Receipts of other stages that take over packages which cannot go yet.

    Args:
        kept: the packages that stay, with those that need them.
        requested: those that the stage asked for by name.
        others: the receipts of other stages.

    Returns:
        The receipts that change: what needs a package and is brought by another stage takes the package along when it goes.
    """
    found = {}
    for stage, receipt in others.items():
        taken = frozenset(name for name, needing in kept.items() if receipt.packages & frozenset(needing))
        if taken - receipt.packages:
            by_name = taken & frozenset(requested)
            found[stage] = replace(receipt, packages=receipt.packages | taken, requested=receipt.requested | by_name)
    return found
