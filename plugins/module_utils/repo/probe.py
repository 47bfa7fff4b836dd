"""A git checkout: its commit, its origin, the files that were changed in it, and whether our edits are applied."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host


def probe(host: Host, ask: dict[str, Any]) -> dict[str, Any]:
    """``{"dest": lstat, "empty", "git": bool, "commit", "origin", "changed": [paths], "files": {path: {"sha256", "find", "replace"}}}``

    For each edit of a file, in order, ``find`` and ``replace`` count the places of its old and its new text.

    Args:
        ask: ``{"dest": path, "files": {path: [{"find", "replace"}]}}``
    """
    dest = ask["dest"]
    state: dict[str, Any] = {
        "dest": host.lstat(dest),
        "empty": not host.listdir(dest),
        "git": host.exists(f"{dest}/.git"),
        "commit": None,
        "origin": None,
        "changed": [],
        "files": {},
    }
    if not state["git"]:
        return state
    git = ["git", "-c", "safe.directory=*", "--no-optional-locks", "-C", dest]
    status = host.run([*git, "status", "--porcelain=v2", "--branch", "--untracked-files=no"])
    for line in status["out"].splitlines():
        if line.startswith("# branch.oid "):
            commit = line.split()[2]
            state["commit"] = None if commit == "(initial)" else commit
        elif line[:2] in ("1 ", "u "):
            state["changed"].append(line.split(" ", 8 if line[0] == "1" else 10)[-1])
        elif line.startswith("2 "):
            state["changed"].append(line.split(" ", 9)[-1].split("\t")[0])
    if status["rc"] != 0:
        state["error"] = status["err"].strip()[-300:]
    state["origin"] = host.run([*git, "config", "--get", "remote.origin.url"])["out"].strip() or None
    for path, edits in ask.get("files", {}).items():
        text = host.read(f"{dest}/{path}", 8 << 20)
        if text is not None:
            state["files"][path] = {
                "sha256": host.sha256(f"{dest}/{path}"),
                "find": [text.count(edit["find"]) for edit in edits],
                "replace": [text.count(edit["replace"]) for edit in edits],
            }
    return state
