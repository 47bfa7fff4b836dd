"""The package managers, by the name that distributions.yml gives them."""

from __future__ import annotations

from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.apt.apt import Apt
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.manager import PackageManager

MANAGERS: dict[str, PackageManager] = {each.name: each for each in (Apt(),)}


# What a repository with a key of its own needs, whatever the host turns out to have.
REPOSITORY_NEEDS = tuple(sorted({name for each in MANAGERS.values() for name in each.repository_needs}))
# Likewise the folders that packages are downloaded to.
CACHES = tuple(each.cache for each in MANAGERS.values())


def named(name: str) -> PackageManager:
    """The package manager of a release; a release that is not in the table has none, and is judged as if it had the first."""
    return MANAGERS.get(name) or next(iter(MANAGERS.values()))


def of(host: Host) -> PackageManager:
    """The package manager that a host has; the first where it has none, which then finds nothing installed."""
    return next((each for each in MANAGERS.values() if each.present(host)), named(""))
