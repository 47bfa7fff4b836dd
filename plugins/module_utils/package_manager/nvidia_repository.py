"""NVIDIA's repositories: which one a distribution uses, what it carries, and the files that make the package manager use it.

Two roles share one source. A repository that the host has already is used as it is: a second entry for the same URL with another
key stops apt altogether.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.distribution import Release
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.manager import PackageManager
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context
from ansible_collections.codetr.provision.plugins.module_utils.version import numbers

BASE = "https://developer.download.nvidia.com/compute/cuda/repos"
KEY = "nvidia-cuda-apt-key"
KEY_FILE = "3bf863cc.pub"
NAME = "codetr-nvidia-cuda"


def own_files(manager: PackageManager, user: str) -> list[str]:
    """The files that a user of the repository may have written, and that removal may take back."""
    files = manager.repository(NAME, "", user, 0, "")
    return [files.source[0], files.keyring, *([files.priority[0]] if files.priority else [])]


def carries(release: Release, minor: str) -> bool | None:
    """Whether the repository for a release has the toolkit ``X.Y``; None where it is not known."""
    repository = release.nvidia_repository
    if not repository or numbers(minor) < numbers(repository["first_toolkit"]):
        return False
    return True if repository["exact"] else None


def base_url(config: dict[str, Any]) -> str:
    """NVIDIA's, or the mirror's."""
    return str(config["cuda_toolkit_repository"] or BASE).rstrip("/")


def url_of(release: Release, config: dict[str, Any]) -> str:
    """The repository of the host's own release."""
    return f"{base_url(config)}/{release.nvidia_name}/x86_64"


def sources(state: dict[str, Any], ctx: Context, url: str) -> list[str]:
    """The host's sources that name it; one that is switched off, or for another release, does not count."""
    manager = ctx.release.manager
    return [path for path, text in state["nvidia_driver"]["sources"].items() if manager.names_url(path, text, url)]


def params(
    state: dict[str, Any], config: dict[str, Any], ctx: Context, user: str, priority: int = 100, names: str = "*"
) -> dict[str, Any]:
    """What ``tasks/repository.yml`` of role cuda_toolkit needs.

    Args:
        user: who asks, for the name of the file with the priority.
        priority: of the repository's packages. At 100, installing a toolkit never makes ``apt upgrade`` take NVIDIA's driver
            in the place of the distribution's.
        names: patterns of the packages that it is for. Of two users who say ``*``, apt heeds the first file only; names come before ``*``.

    Returns:
        ``write`` is false where a source of somebody else's is used, ``priority`` is None where its priority stays too; ``files``
        is what removal takes back, ``needs`` as in a stage.
    """
    url = url_of(ctx.release, config)
    record = ctx.artifacts[KEY]
    own = [f"{url}/{KEY_FILE}"] if config["cuda_toolkit_repository"] else []
    files = ctx.release.manager.repository(NAME, url, user, priority, names)
    write = not [path for path in sources(state, ctx, url) if path != files.source[0]]
    # Somebody else's source has somebody's priority for all of its packages; only packages that are asked for by name get another one.
    pin = files.priority if write or names != "*" else None
    key = {**record, "urls": list(dict.fromkeys([*own, *record["urls"]]))}
    return {
        "url": url,
        "write": write,
        "source": dict(zip(("path", "text"), files.source)),
        "keyring": files.keyring,
        "key": key,
        "fingerprint": str(record.get("fingerprint") or "").replace(" ", "").upper(),
        "priority": dict(zip(("path", "text"), pin)) if pin else None,
        "files": [*([files.source[0], files.keyring] if write else []), *([pin[0]] if pin else [])],
        "needs": [
            {"url": f"{url}/{files.index}" if url.startswith("http") else url, "why": "NVIDIA's packages"},
            *({"url": each, "why": "the key of NVIDIA's packages"} for each in (key["urls"] if write else [])),
        ],
    }
