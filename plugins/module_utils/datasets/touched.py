"""Re-check files whose times differ from the inventory."""

from __future__ import annotations

import os
from typing import Any, Callable

from ansible_collections.codetr.provision.plugins.module_utils.archive import inventory, manifest
from ansible_collections.codetr.provision.plugins.module_utils.archive.pool import cpus
from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import ours
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import DatasetRefused


def unchanged(root: str, part: dict[str, Any], on_progress: Callable[[int, int], None]) -> bool:
    """Whether the files of a part still have the validated content. If so, their new times are recorded.

    Only touched files are read: all of them after a copy, a change of owner or a restored backup, otherwise few.

    Raises:
        DatasetRefused: the content differs, and the files are adopted, so they are not replaced.
    """
    folder, manifest_path = os.path.join(root, part["path"]), ours(root, f"{part['name']}.json")
    known = manifest.read(manifest_path) or {}
    recorded = inventory.read(inventory.beside(manifest_path))
    now = inventory.scan(folder, sorted(known["json"]) if known.get("json") else None)
    if recorded is None:
        if known.get("adopted"):
            fix = f"Remove {manifest_path} to validate the files again"
            raise DatasetRefused(f"Files in {folder} were touched, and the inventory of the validated files is missing. {fix}.")
        return False
    differs, crcs = inventory.compare(recorded, now), {row.path: row.crc for row in recorded}
    affected = set(differs.touched)
    lost = [*differs.missing, *differs.resized]
    lost += inventory.recheck(folder, [row for row in recorded if row.path in affected], cpus(), on_progress)
    if lost and known.get("adopted"):
        fix = f"Restore them, or move {folder} away to have it extracted again"
        raise DatasetRefused(f"{len(lost)} files in {folder} have changed since they were validated, first {min(lost)}. {fix}.")
    if lost:
        return False
    rows = [row._replace(crc=crcs[row.path]) for row in now if row.path in crcs]
    inventory.write(inventory.beside(manifest_path), rows)
    manifest.write(manifest_path, {**known, "fingerprint": inventory.fingerprint(rows)})
    return True
