"""A Python environment at a prefix: what made it, and which Python it has."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host


def probe(host: Host, ask: dict[str, Any]) -> dict[str, Any]:
    """``{"prefix": lstat, "empty", "kind": conda|venv|other|None, "python": "3.10.13" or None, "base": version of the given interpreter}``

    Args:
        ask: ``{"prefix": path, "interpreter": path or ""}``; the interpreter is what a venv would be made over.
    """
    prefix, interpreter = ask["prefix"], ask.get("interpreter", "")
    kind, python = None, None
    if host.exists(f"{prefix}/bin/python"):
        conda = [re.match(r"python-(\d+\.\d+\.\d+)-", name) for name in host.listdir(f"{prefix}/conda-meta")]
        # conda writes its history last: without it, what looks like an environment is one that was cut short.
        whole = host.exists(f"{prefix}/conda-meta/history")
        config = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+\.\d+)", host.read(f"{prefix}/pyvenv.cfg") or "", re.M)
        found = next((match for match in conda if match), None)
        kind = ("conda" if whole else "other") if found else "venv" if config else "other"
        match = found or config
        python = None if found and not whole else match.group(1) if match else _ask(host, f"{prefix}/bin/python")
    return {
        "prefix": host.lstat(prefix),
        "empty": not host.listdir(prefix),
        "kind": kind,
        "python": python,
        "base": _ask(host, interpreter) if interpreter else None,
    }


def _ask(host: Host, interpreter: str) -> str | None:
    answer = host.run([interpreter, "-c", "import platform; print(platform.python_version())"])
    return answer["out"].strip() or None if answer["rc"] == 0 else None
