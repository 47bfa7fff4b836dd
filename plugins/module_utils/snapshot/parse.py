"""Where a stage's state files are, and what the text of one says. Pure: plans read state files as the probe found them."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.snapshot.records import State, StateError, state_from

LIMIT = 16 << 20


def state_path(folder: str, stage: str) -> str:
    """The state file of a stage: there while the stage is at work, and after a run that was cut short."""
    return f"{folder}/{stage}.before"


def receipt_path(folder: str, stage: str) -> str:
    """The receipt of a stage."""
    return f"{folder}/{stage}.json"


def marker_path(folder: str, stage: str) -> str:
    """The in-progress marker of a stage."""
    return f"{folder}/{stage}.inprogress"


def parse(text: str | None, name: str) -> State | None:
    """A state file's text; None for no text.

    Raises:
        StateError: it is no state file; the text is a sentence that names it.
    """
    if text is None:
        return None
    try:
        return state_from(json.loads(text))
    except (StateError, ValueError, RecursionError) as error:
        raise StateError(unreadable(name, "how the host was before a run that was cut short", error)) from None


def unreadable(path: str, what: str, error: Any) -> str:
    """The sentence for a state file that is there and cannot be read."""
    return (
        f"{path} cannot be read: {error}. It says {what}, and without it nothing can be told from what was there before. "
        "Restore it from a backup, or remove it: then what the stage brought counts as the host's own."
    )
