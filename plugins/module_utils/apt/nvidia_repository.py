"""NVIDIA's apt repositories: which one a distribution uses, what it carries, and the files that make apt believe it.

Two roles share one source. A repository that the host has already is used as it is: a second entry for the same URL with another
Signed-By stops apt altogether.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ansible_collections.codetr.provision.plugins.module_utils.apt.entries import names_url
from ansible_collections.codetr.provision.plugins.module_utils.distribution import Release
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context
from ansible_collections.codetr.provision.plugins.module_utils.version import numbers

BASE = "https://developer.download.nvidia.com/compute/cuda/repos"
KEY = "nvidia-cuda-apt-key"
KEY_FILE = "3bf863cc.pub"
APT = ("ca-certificates", "gpg")
SOURCE = "/etc/apt/sources.list.d/codetr-nvidia-cuda.sources"
KEYRING = "/usr/share/keyrings/codetr-nvidia-cuda.asc"
PREFERENCES = "/etc/apt/preferences.d"


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


def sources(state: dict[str, Any], url: str) -> list[str]:
    """The apt sources that name it; one that is switched off, or for another release, does not count."""
    texts = state["nvidia_driver"]["sources"]
    return [path for path, text in texts.items() if names_url(text, url, deb822=path.endswith(".sources"))]


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
        ``write`` is false where a source of somebody else's is used, ``preferences`` is None where its priority stays too; ``files``
        is what removal takes back, ``needs`` as in a stage.
    """
    url = url_of(ctx.release, config)
    record = ctx.artifacts[KEY]
    own = [f"{url}/{KEY_FILE}"] if config["cuda_toolkit_repository"] else []
    preferences = f"{PREFERENCES}/codetr-nvidia-cuda-{user.replace('_', '-')}"
    write = not [path for path in sources(state, url) if path != SOURCE]
    # Somebody else's source has somebody's priority for all of its packages; only packages that are asked for by name get another one.
    pin = write or names != "*"
    key = {**record, "urls": list(dict.fromkeys([*own, *record["urls"]]))}
    return {
        "url": url,
        "write": write,
        "source": {"path": SOURCE, "text": source_text(url)},
        "keyring": KEYRING,
        "key": key,
        "fingerprint": str(record.get("fingerprint") or "").replace(" ", "").upper(),
        "preferences": {"path": preferences, "text": preferences_text(url, priority, names)} if pin else None,
        "files": [*([SOURCE, KEYRING] if write else []), *([preferences] if pin else [])],
        "needs": [
            {"url": f"{url}/Packages.gz" if url.startswith("http") else url, "why": "NVIDIA's packages"},
            *({"url": each, "why": "the key of NVIDIA's packages"} for each in (key["urls"] if write else [])),
        ],
    }


def source_text(url: str) -> str:
    """The apt source, flat as NVIDIA's are."""
    return f"# Written by codetr-provision.\nTypes: deb\nURIs: {url}/\nSuites: /\nSigned-By: {KEYRING}\n"


def preferences_text(url: str, priority: int, names: str) -> str:
    """The priority of packages from the repository's host."""
    return (
        "# Written by codetr-provision: whose packages are taken where NVIDIA and the distribution both have them.\n"
        f'Package: {names}\nPin: origin "{urlsplit(url).hostname or ""}"\nPin-Priority: {priority}\n'
    )
