"""Probe the data root and the folders with existing data: manifests, files, links. Reads names, sizes and times, never the data."""

from __future__ import annotations

import os
import re
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.archive import inventory
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host


def probe(host: Host, ask: dict[str, Any]) -> dict[str, Any]:
    """``{"root": lstat of what it leads to, "choice": dict, "parts": {name: part}, "links": {path: lstat}, "archives": {name: bytes}}``,
    and ``"existing"``: ``{folder: None or {part's name: [candidate]}}``.

    A part is ``{"manifest": dict or None, "present", "leads", "links", "files", "sizes", "beside", "differs"}``. ``present`` is true for
    any link, ``leads`` only for one with a target, ``links`` where every file of the part is a link. ``files`` counts a folder of
    images, ``sizes`` has the bytes of the JSON files that the manifest or the plan names, ``beside`` the names that the archive has too
    and the manifest has not. ``differs`` is how the files differ from the manifest's list, ``{"missing", "resized", "touched", "first",
    "extra", "first_extra"}``, numbers and names; None where the fingerprint is the same.
    A candidate is ``{"path", "files", "names"}``: a folder that may hold the part, how many files it has, and which JSON files.

    Args:
        ask: ``{"root": path, "parts": [{"name", "kind", "path", "required", "names", "places"}], "links": [path below root],
            "existing": [folder]}``
    """
    root = ask["root"]
    ours = f"{root}/.codetr"
    return {
        "root": host.lstat(f"{root}/."),
        "choice": host.read_json(f"{ours}/choice/choice.json"),
        "parts": {part["name"]: _part(host, root, part) for part in ask["parts"]},
        "links": {link: host.lstat(f"{root}/{link}") for link in ask["links"]},
        "archives": {part["name"]: (host.lstat(f"{ours}/archives/{part['name']}.zip") or {}).get("size", 0) for part in ask["parts"]},
        "existing": {folder: _existing(host, folder, ask["parts"]) for folder in ask["existing"]},
    }


def _part(host: Host, root: str, part: dict[str, Any]) -> dict[str, Any]:
    path = f"{root}/{part['path']}"
    manifest = host.read_json(f"{root}/.codetr/{part['name']}.json")
    manifest = manifest if isinstance(manifest, dict) else None
    made = (manifest or {}).get("json") or {}
    names, below = sorted({*part["required"], *made}), host.listdir(path)
    images = part["kind"] == "images"
    files = [found for at in ([path] if images else [f"{path}/{name}" for name in names]) for found in [host.lstat(at)] if found]
    return {
        "manifest": manifest,
        "present": host.lstat(path) is not None,
        "leads": host.exists(path),
        "links": all(found["type"] == "link" for found in files),
        "files": len(below) if images else 0,
        "beside": [] if images else [name for name in below if name not in made and re.fullmatch(part["names"], name)],
        "sizes": {name: found["size"] for name in names for found in [_followed(host, f"{path}/{name}")] if found is not None},
        "differs": _differs(host, root, part, path, manifest) if manifest and manifest.get("fingerprint") else None,
    }


def _differs(host: Host, root: str, part: dict[str, Any], path: str, manifest: dict[str, Any]) -> dict[str, Any] | None:
    """Compare the files with the list made when they were validated; a reading, because no capture holds so many files."""

    def compare() -> dict[str, Any] | None:
        try:
            now = inventory.scan(path, sorted(manifest["json"]) if manifest.get("json") else None)
        except OSError:
            # An unmounted share or a failing disk: the data cannot be read, so it counts as missing.
            now = []
        if inventory.fingerprint(now) == manifest["fingerprint"]:
            return None
        recorded = inventory.read(f"{root}/.codetr/{part['name']}.files")
        if recorded is None:
            # Without the list, any file may have changed.
            lost = max(0, manifest["files"] - len(now))
            first = min((row.path for row in now), default="")
            return {"missing": lost, "resized": 0, "touched": len(now), "first": first, "extra": 0, "first_extra": ""}
        found = inventory.compare(recorded, now)
        return {
            "missing": len(found.missing),
            "resized": len(found.resized),
            "touched": len(found.touched),
            "first": min([*found.missing, *found.resized, *found.touched], default=""),
            "extra": len(found.extra),
            "first_extra": min(found.extra, default=""),
        }

    difference: dict[str, Any] | None = host.reading(f"data:{path}", compare)
    return difference


def _followed(host: Host, path: str) -> dict[str, Any] | None:
    """Follow one link; a relative target is relative to the link's folder."""
    found = host.lstat(path)
    if found is None or found["type"] != "link":
        return found
    target = found["target"]
    return host.lstat(target if target.startswith("/") else f"{path.rpartition('/')[0]}/{target}")


def _existing(host: Host, folder: str, parts: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]] | None:
    """List where the parts may be below a configured folder; None where the folder does not exist."""
    if host.lstat(f"{folder}/.") is None:
        return None
    return {part["name"]: [found for place in part["places"] for found in _candidate(host, os.path.normpath(f"{folder}/{place}"), part)]
            for part in parts}


def _candidate(host: Host, path: str, part: dict[str, Any]) -> list[dict[str, Any]]:
    names = host.listdir(path)
    if part["kind"] == "images":
        return [{"path": path, "files": len(names), "names": []}] if names else []
    found = [name for name in names if re.fullmatch(part["names"], name)]
    return [{"path": path, "files": len(found), "names": found}] if found else []
