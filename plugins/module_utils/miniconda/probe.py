"""A conda installation at a prefix, read from its own metadata."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host


def probe(host: Host, ask: dict[str, Any]) -> dict[str, Any]:
    """``{"prefix": lstat, "empty", "conda": version or None, "condarc": text, "shell_init": bool, or None where it cannot be seen}``

    Args:
        ask: ``{"prefix": path, "home": the owner's home or None}``
    """
    prefix = ask["prefix"]
    return {
        "prefix": host.lstat(prefix),
        "empty": not host.listdir(prefix),
        "conda": conda_version(host, prefix),
        "condarc": host.read(f"{prefix}/.condarc"),
        "shell_init": shell_init(host, prefix, ask.get("home")),
    }


def shell_init(host: Host, prefix: str, home: str | None) -> bool | None:
    """Whether ``conda init bash`` was run for the prefix; None where the home belongs to somebody else who shows it to nobody."""
    text = host.read(f"{home}/.bashrc") if home else ""
    if text is None:
        return None if host.lstat(f"{home}/.") is None and host.lstat(str(home)) is not None else False
    return f"{prefix}/etc/profile.d/conda.sh" in text


def conda_version(host: Host, prefix: str) -> str | None:
    """The version of the package ``conda`` in a prefix, or None where there is none that could run."""
    if not host.exists(f"{prefix}/bin/conda") or not host.exists(f"{prefix}/conda-meta/history"):
        return None
    for name in host.listdir(f"{prefix}/conda-meta"):
        match = re.match(r"conda-(\d[^-]*)-[^-]+\.json$", name)
        if match:
            return match.group(1)
    return None
