"""The manifest of a folder: what it was extracted from. Written before the final rename, so a folder without one is not ours."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.archive import inventory
from ansible_collections.codetr.provision.plugins.module_utils.archive.members import Selection
from ansible_collections.codetr.provision.plugins.module_utils.atomic import replace_text


def identity(sha256: str, selection: Selection) -> dict[str, Any]:
    """Return what identifies the content of an extracted folder."""
    only = None
    if selection.only is not None:
        only = hashlib.sha256("\n".join(sorted(selection.only)).encode()).hexdigest()
    return {"sha256": sha256, "members": selection.below, "strip": selection.strip, "only": only}


def read(path: str) -> dict[str, Any] | None:
    """Read the manifest; None where it is missing or invalid."""
    try:
        with open(path, encoding="utf-8") as handle:
            found = json.load(handle)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write(path: str, manifest: dict[str, Any]) -> None:
    """Replace the manifest atomically; it is synced before this returns."""
    replace_text(path, (json.dumps(manifest, indent=1, sort_keys=True), "\n"))


def files_below(folder: str) -> dict[str, int]:
    """Return the size in bytes of every file below the folder, by relative path."""
    found: dict[str, int] = {}
    for base, _unused, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            found[os.path.relpath(path, folder)] = os.lstat(path).st_size
    return found


def describes(manifest: dict[str, Any] | None, expected: dict[str, Any], folder: str) -> bool:
    """Whether the folder has the expected content, and no file in it was added, removed or changed since."""
    if manifest is None or any(manifest.get(key) != value for key, value in expected.items()):
        return False
    try:
        return bool(manifest.get("fingerprint") == inventory.fingerprint(inventory.scan(folder)))
    except OSError:
        return False
