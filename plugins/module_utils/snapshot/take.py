"""Read a host into a snapshot: the package manager's own files, folders and links; nothing is run."""

from __future__ import annotations

import glob
import os
from typing import Iterable

from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.package_manager import managers
from ansible_collections.codetr.provision.plugins.module_utils.snapshot.records import KERNEL, SOURCE, Snapshot, Source

MODULES = "/lib/modules"


def take(watch: Iterable[str] = (), links: Iterable[str] = (), root: str = "/") -> Snapshot:
    """The host as it is.

    Args:
        watch: paths, or patterns of paths, whose existence counts.
        links: paths whose target counts.
    """
    host = Host(root)
    manager = managers.of(host)
    found = manager.installed(host, ".*")
    kernels = [name for name in host.listdir(MODULES) if KERNEL.fullmatch(name)]
    seen = {path: host.lstat(path) for path in links}
    return Snapshot(
        packages=frozenset(found),
        residual=frozenset(manager.residual(host)),
        auto=frozenset(name for name, entry in found.items() if entry["auto"]),
        held=frozenset(name for name, entry in found.items() if entry["hold"]),
        kernels=frozenset(kernels),
        indexes=frozenset(name for name in kernels if host.exists(f"{MODULES}/{name}/modules.dep")),
        files=frozenset(path for pattern in watch for path in _matching(host, pattern)),
        sources={path: Source(text, _mode(host, path)) for path, text in manager.sources(host).items() if SOURCE.fullmatch(path)},
        links={path: entry["target"] if entry and entry["type"] == "link" else None for path, entry in seen.items()},
    )


def _matching(host: Host, pattern: str) -> list[str]:
    if not glob.has_magic(pattern):
        return [pattern] if host.lstat(pattern) is not None else []
    root = "" if host.root == "/" else host.root.rstrip("/")
    return [path[len(root) :] for path in glob.glob(root + pattern) if os.path.lexists(path)]


def _mode(host: Host, path: str) -> str:
    entry = host.lstat(path)
    # The mode of a link is not that of the file.
    return f"0{entry['mode'] & 0o777:03o}" if entry and entry["type"] == "file" else "0644"
