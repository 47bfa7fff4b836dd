"""The workspace's files, and what of ours is in the checkout."""

from __future__ import annotations

import os
import re
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils import jsonc
from ansible_collections.codetr.provision.plugins.module_utils import notebook as notebooks
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host

EXCLUDE_BEGIN = "# BEGIN codetr-provision"
EXCLUDE_END = "# END codetr-provision"


def probe(host: Host, ask: dict[str, Any]) -> dict[str, Any]:
    """The section ``workspace`` of the state.

    Args:
        ask: ``{"files": [paths], "folders": [paths], "trees": [folders], "weights": [paths], "links": [paths], "sources": [paths],
            "launch": path, "entry": name, "settings": path, "key": key, "notebook": path, "repo": path, "config": path}``

    Returns:
        ``files`` and ``trees`` with ``{"sha256", "uid", "mode"}`` or None by path, ``folders`` and ``links`` with lstat by path,
        ``sources`` with whether they exist, ``weights`` with ``{"sha256", "size"}`` or None, ``entry`` and ``interpreter`` with
        ``{"error", "value"}``, ``notebook`` with ``{"digest", "marker"}`` or None, ``exclude`` with the lines of our block,
        ``git`` with the lstat of ``.git``, ``config`` with ``{"found", "missing"}``.
    """
    trees = [path for folder in ask["trees"] for path in _walk(host, folder)]
    return {
        "files": {path: _file(host, path) for path in ask["files"]},
        "trees": {path: _file(host, path) for path in trees},
        "folders": {path: host.lstat(path) for path in ask["folders"]},
        "links": {path: host.lstat(path) for path in ask["links"]},
        "sources": {path: host.exists(path) for path in ask["sources"]},
        "weights": {path: _weight(host, path) for path in ask["weights"]},
        "entry": _jsonc(host, ask["launch"], lambda root: _entry(root, ask["entry"])),
        "interpreter": _jsonc(host, ask["settings"], lambda root: root.get(ask["key"])),
        "notebook": _notebook(host, ask["notebook"]),
        "git": host.lstat(ask["repo"] + "/.git"),
        "exclude": _exclude(host.read(ask["repo"] + "/.git/info/exclude") or ""),
        "config": _config(host, ask["repo"], ask["config"]),
    }


def _file(host: Host, path: str) -> dict[str, Any] | None:
    status = host.lstat(path)
    if status is None or status["type"] != "file":
        return None
    return {"sha256": host.sha256(path), "uid": status["uid"], "mode": status["mode"]}


def _walk(host: Host, folder: str) -> list[str]:
    """All files below a folder but compiled Python."""
    found = []
    for name in host.listdir(folder):
        path = f"{folder}/{name}"
        status = host.lstat(path) or {}
        if status.get("type") == "dir" and name != "__pycache__":
            found += _walk(host, path)
        elif status.get("type") != "dir":
            found.append(path)
    return found


def _weight(host: Host, path: str) -> dict[str, Any] | None:
    status = host.lstat(path)
    return {"sha256": host.sha256(path), "size": status["size"]} if status and status["type"] == "file" else None


def _jsonc(host: Host, path: str, pick: Any) -> dict[str, Any]:
    """``error`` says why the file cannot be edited; ``value`` is what ``pick`` finds in it, None where it has none."""
    text = host.read(path, 8 << 20)
    if text is None:
        return {"error": "it cannot be read" if host.exists(path) else "", "value": None}
    if "\ufffd" in text:
        return {"error": "it is not UTF-8", "value": None}
    try:
        root = jsonc.load(text)
        if not isinstance(root, dict):
            raise jsonc.JsoncError("its outermost value is not an object")
        return {"error": "", "value": pick(root)}
    except jsonc.JsoncError as error:
        return {"error": str(error), "value": None}


def _entry(root: dict[str, Any], name: str) -> Any:
    entries = root.get("configurations", [])
    if not isinstance(entries, list):
        raise jsonc.JsoncError("'configurations' is not a list")
    return next((entry for entry in entries if isinstance(entry, dict) and entry.get("name") == name), None)


def _notebook(host: Host, path: str) -> dict[str, Any] | None:
    if not host.exists(path):
        return None
    notebook = host.read_json(path)
    metadata = notebook.get("metadata") if isinstance(notebook, dict) else None
    marker = metadata.get(notebooks.MARKER) if isinstance(metadata, dict) else None
    return {"digest": notebooks.cells_digest(notebook), "marker": marker.get("cells") if isinstance(marker, dict) else None}


def _exclude(text: str) -> list[str]:
    lines = text.splitlines()
    if EXCLUDE_BEGIN not in lines or EXCLUDE_END not in lines:
        return []
    return lines[lines.index(EXCLUDE_BEGIN) + 1 : lines.index(EXCLUDE_END)]


def _config(host: Host, repo: str, config: str) -> dict[str, Any]:
    """Whether the config exists, and which weights below ``models/`` it names that do not."""
    text = host.read(os.path.join(repo, config))
    named = sorted(set(re.findall(r"""['"](models/[^'"]+\.pth)['"]""", text or "")))
    return {"found": text is not None, "missing": [path for path in named if not host.exists(f"{repo}/{path}")]}
