"""Files whose times are no longer those of the list: the same bytes, or not."""

from __future__ import annotations

import os
from typing import Any, Callable

from ansible_collections.codetr.provision.plugins.module_utils.archive import inventory, manifest
from ansible_collections.codetr.provision.plugins.module_utils.archive.pool import processors
from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import ours
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import DatasetRefused


def unchanged(root: str, part: dict[str, Any], on_progress: Callable[[int, int], None]) -> bool:
    """Whether the files of a part still have the bytes that were checked. Where they have, their new times are written down.

    Only files that were touched are read: after a copy, a change of owner or a restored backup all of them, otherwise few.

    Raises:
        DatasetRefused: they have not, and are somebody else's, so that they cannot be made anew.
    """
    folder, mark = os.path.join(root, part["path"]), ours(root, f"{part['name']}.json")
    known = manifest.read(mark) or {}
    recorded, now = inventory.read(inventory.beside(mark)), inventory.scan(folder, sorted(known["json"]) if known.get("json") else None)
    if recorded is None:
        if known.get("adopted"):
            fix = f"Remove {mark} to have the files validated anew"
            raise DatasetRefused(f"Files in {folder} were touched, and the list of what was validated is gone. {fix}.")
        return False
    differs, crcs = inventory.compare(recorded, now), {row.path: row.crc for row in recorded}
    affected = set(differs.touched)
    lost = [*differs.missing, *differs.resized]
    lost += inventory.recheck(folder, [row for row in recorded if row.path in affected], processors(), on_progress)
    if lost and known.get("adopted"):
        fix = f"Put them back, or move {folder} away to have it made anew"
        raise DatasetRefused(f"{len(lost)} files in {folder} are not what was validated any more, the first is {min(lost)}. {fix}.")
    if lost:
        return False
    rows = [row._replace(crc=crcs[row.path]) for row in now if row.path in crcs]
    inventory.write(inventory.beside(mark), rows)
    manifest.write(mark, {**known, "fingerprint": inventory.fingerprint(rows)})
    return True
