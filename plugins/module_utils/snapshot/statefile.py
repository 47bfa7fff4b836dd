"""Keep a stage's state file and read its receipt. What is there and cannot be read is an error, never nothing."""

from __future__ import annotations

import json
import os
import pwd
import stat
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.atomic import replace_text
from ansible_collections.codetr.provision.plugins.module_utils.snapshot.parse import (
    LIMIT,
    marker_path,
    parse,
    receipt_path,
    state_path,
    unreadable,
)
from ansible_collections.codetr.provision.plugins.module_utils.snapshot.records import Changes, State, StateError, as_dict, changes_from


def read_state(folder: str, stage: str) -> State | None:
    """The state file of a stage at work or cut short. One that no marker stands beside is of a run that had not begun.

    Raises:
        StateError: it is there and cannot be read.
    """
    path = state_path(folder, stage)
    text = _read(path, "how the host was before a run that was cut short")
    return parse(text, path) if os.path.lexists(marker_path(folder, stage)) else None


def read_receipt(folder: str, stage: str, whole: bool = True) -> dict[str, Any]:
    """What a stage's receipt remembers; empty where there is no receipt.

    Args:
        whole: whether it has to say which packages the stage brought; stages that bring none do not.

    Raises:
        StateError: it is there and cannot be read.
    """
    path = receipt_path(folder, stage)
    text = _read(path, "what the stage brought")
    if text is None:
        return {}
    try:
        remember = json.loads(text)["remember"]
        changes_from(remember)
        if whole and "packages" not in remember:
            raise StateError("it does not say which packages the stage brought")
    except (StateError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise StateError(unreadable(path, "what the stage brought", error)) from None
    return dict(remember)


def others(folder: str, stage: str) -> dict[str, tuple[Changes, frozenset[str]]]:
    """The other stages: what each brought by its receipt, and the files that it uses or is about to.

    Raises:
        StateError: one of them cannot be read, so that nobody knows what it uses.
    """
    found = {}
    endings = (".json", ".before")
    names = {name[: -len(end)] for name in _listed(folder) for end in endings if name.endswith(end)}
    # Stages' names have no dot: sbom.cdx.json beside the receipts is none of them.
    for name in sorted(each for each in names if "." not in each and each != stage):
        receipt = changes_from(read_receipt(folder, name, whole=False))
        state = read_state(folder, name)
        found[name] = (receipt, receipt.files | (state.note.files if state else frozenset()))
    return found


def write(path: str, data: Any) -> None:
    """Replace a JSON file, so that a reader sees the old one or the new one, after a power cut too."""
    replace_text(path, [json.dumps(data, indent=1, sort_keys=True), "\n"], 0o644)


def write_state(folder: str, stage: str, state: State) -> None:
    """Write a stage's state file."""
    write(state_path(folder, stage), as_dict(state))


def update_receipt(folder: str, stage: str, changes: dict[str, Any]) -> None:
    """Change what a stage's receipt remembers."""
    path = receipt_path(folder, stage)
    data = json.loads(_read(path, "what the stage brought") or "{}")
    write(path, {**data, "remember": {**data["remember"], **changes}})


def remove(folder: str, stage: str) -> list[str]:
    """Remove a stage's receipt, its state file, and last its marker; the paths that were there."""
    paths = [receipt_path(folder, stage), state_path(folder, stage), marker_path(folder, stage)]
    return [path for path in paths if remove_file(path)]


def remove_file(path: str) -> bool:
    """Remove a file; whether it was there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def make_folder(folder: str, user: str | None) -> None:
    """Make a folder and what is missing above it, owned by ``user``: the snapshot is taken before the stage makes anything."""
    if os.path.isdir(folder):
        return
    make_folder(os.path.dirname(folder), user)
    os.mkdir(folder, 0o755)
    if user:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)


def owner_of(path: str) -> str:
    """The name of who owns a path."""
    return pwd.getpwuid(os.stat(path).st_uid).pw_name


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _read(path: str, what: str) -> str | None:
    """A plain file's text; None where there is nothing. A link is not followed, and a pipe not waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(unreadable(path, what, error.strerror)) from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise StateError(unreadable(path, what, "it is no plain file"))
        with open(handle, "rb", closefd=False) as file:
            text = file.read(LIMIT + 1)
    finally:
        os.close(handle)
    if len(text) > LIMIT:
        raise StateError(unreadable(path, what, "it is too large"))
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise StateError(unreadable(path, what, error)) from None
