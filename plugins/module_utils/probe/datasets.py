"""What lies at the data root: manifests, the parts' folders and files, links. Names and sizes only: 20 GB are not read."""

from __future__ import annotations

from typing import Any

from .host import Host


def probe(host: Host, ask: dict[str, Any]) -> dict[str, Any]:
    """``{"root": lstat of what it leads to, "choice": dict, "parts": {name: part}, "links": {path: lstat}, "archives": {name: bytes}}``

    A part is ``{"manifest": dict or None, "there": bool, "files": number, "sizes": {JSON file: bytes}}``; ``files`` counts a folder of
    pictures, ``sizes`` has the JSON files that the manifest or the plan names.

    Args:
        ask: ``{"root": path, "parts": [{"name", "kind", "path", "required"}], "links": [path below root]}``
    """
    root = ask["root"]
    ours = f"{root}/.codetr"
    return {
        "root": host.lstat(f"{root}/."),
        "choice": host.read_json(f"{ours}/choice/choice.json"),
        "parts": {part["name"]: _part(host, root, part) for part in ask["parts"]},
        "links": {link: host.lstat(f"{root}/{link}") for link in ask["links"]},
        "archives": {part["name"]: (host.lstat(f"{ours}/archives/{part['name']}.zip") or {}).get("size", 0) for part in ask["parts"]},
    }


def _part(host: Host, root: str, part: dict[str, Any]) -> dict[str, Any]:
    path = f"{root}/{part['path']}"
    manifest = host.read_json(f"{root}/.codetr/{part['name']}.json")
    manifest = manifest if isinstance(manifest, dict) else None
    names = sorted({*part["required"], *((manifest or {}).get("json") or {})})
    return {
        "manifest": manifest,
        "there": host.lstat(path) is not None,
        "files": len(host.listdir(path)) if part["kind"] == "images" else 0,
        "sizes": {name: found["size"] for name in names for found in [_followed(host, f"{path}/{name}")] if found is not None},
    }


def _followed(host: Host, path: str) -> dict[str, Any] | None:
    """What a path leads to, over one link; the link's own target where it is relative is beside it."""
    found = host.lstat(path)
    if found is None or found["type"] != "link":
        return found
    target = found["target"]
    return host.lstat(target if target.startswith("/") else f"{path.rpartition('/')[0]}/{target}")
