"""Take back on a host what a Restore lists."""

from __future__ import annotations

import glob
import os
import re
import shutil
from dataclasses import dataclass, field

from ansible_collections.codetr.provision.plugins.module_utils.atomic import replace_text
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.package_manager import managers
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.manager import Run
from ansible_collections.codetr.provision.plugins.module_utils.snapshot.changes import Restore
from ansible_collections.codetr.provision.plugins.module_utils.snapshot.records import Source
from ansible_collections.codetr.provision.plugins.module_utils.snapshot.take import MODULES

# DKMS's own folder in that of a kernel: what is left in it after its packages is nobody's.
BUILT = re.compile(r"updates(?:/dkms)?/nvidia[\w-]*\.ko(?:\.\w+)?$")
ALTERNATIVES = "/etc/alternatives/"


@dataclass
class Done:
    """What was taken back, and the packages that stay because others need them."""

    packages: list[str] = field(default_factory=list)
    needed: dict[str, list[str]] = field(default_factory=dict)
    auto: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    kernels: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)


def removable(plan: Restore, run: Run) -> tuple[list[str], dict[str, list[str]]]:
    """Ask the package manager which of the packages can go.

    Raises:
        PackageManagerFailed: it cannot tell.
    """
    host = Host()
    return managers.of(host).removable(run, host, plan.packages)


def perform(plan: Restore, run: Run) -> Done:
    """Take back everything, packages first: what they bring and remove on their own is corrected after them.

    Raises:
        PackageManagerFailed: it could not; what was done until then stays done, and the state files tell the rest to the next run.
        OSError: a file could not be written or removed.
    """
    done, manager = Done(), managers.of(Host())
    manager.unhold(run, plan.held)
    done.held = sorted(plan.held)
    done.packages, done.needed = removable(plan, run)
    done.files = [path for path in sorted(plan.files) if _remove_file(path)]
    done.sources = [path for path, source in sorted(plan.sources.items()) if _restore_source(path, source)]
    manager.purge(run, done.packages, plan.keep_configuration & frozenset(done.packages))
    there = manager.installed(Host(), ".*")
    done.auto = sorted(name for name in plan.auto if name in there)
    manager.mark_auto(run, done.auto)
    done.kernels = [name for name in sorted(plan.kernels | plan.indexes) if _restore_kernel(name, name in plan.kernels, there)]
    # In a container that had no kernel, packages made the folder of all of them.
    if plan.kernels and os.path.isdir(MODULES) and not os.listdir(MODULES):
        os.rmdir(MODULES)
    done.links = [path for path, target in sorted(plan.links.items()) if restore_link(path, target)]
    return done


def _remove_file(path: str) -> bool:
    if not os.path.lexists(path) or (os.path.isdir(path) and not os.path.islink(path)):
        return False
    os.unlink(path)
    return True


def _restore_source(path: str, source: Source | None) -> bool:
    """Write a file of sources back as it was, with its owner; where there was none, remove it."""
    if source is None:
        return _remove_file(path)
    # Through a link, the file that it leads to was edited.
    path = os.path.realpath(path)
    seen = os.stat(path)
    # Nobody but root and its group ever had a reason to write here.
    replace_text(path, [source.text], int(source.mode, 8) & 0o775, (seen.st_uid, seen.st_gid))
    return True


def _restore_kernel(name: str, came: bool, installed: dict) -> bool:
    """Remove a kernel's folder, or the index of its modules, unless the kernel, its headers or modules of somebody else are there."""
    folder = f"{MODULES}/{name}"
    if os.path.islink(folder) or not os.path.isdir(folder):
        return False
    foreign = [path for path in _modules(folder) if not BUILT.match(path)]
    if (
        foreign
        or f"linux-image-{name}" in installed
        or f"linux-image-unsigned-{name}" in installed
        or os.path.exists(f"/boot/vmlinuz-{name}")
    ):
        return False
    if came and not os.path.exists(f"{folder}/build"):
        shutil.rmtree(folder)
        return True
    index = glob.glob(glob.escape(folder) + "/modules.*")
    for path in index:
        os.unlink(path)
    return bool(index)


def _modules(folder: str) -> list[str]:
    found = []
    for parent, _unused, files in os.walk(folder):
        found += [os.path.relpath(f"{parent}/{name}", folder) for name in files if re.search(r"\.ko(?:\.\w+)?$", name)]
    return found


def restore_link(path: str, target: str | None) -> bool:
    """Point a link where it is to point. One of the system's alternatives is theirs to keep, and what is no link is somebody's own."""
    current = os.readlink(path) if os.path.islink(path) else None
    if current == target or (current is None and os.path.lexists(path)) or (target or "").startswith(ALTERNATIVES):
        return False
    if target is None:
        os.unlink(path)
        return True
    part = f"{path}.codetr-part"
    if os.path.lexists(part):
        os.unlink(part)
    os.symlink(target, part)
    os.replace(part, path)
    return True
