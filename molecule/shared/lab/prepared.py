"""The image of a host on which the slow stages are done, for scenarios of the stages that follow them.

The real roles do the work on an ordinary host of the lab, and the result is kept as an image. Its tag is a hash of all that goes into it:
the base image, the roles with the plugins and stacks that they use, and the variables of the lab. Another content has another tag, so an
outdated image is never used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from lab import images, podman
from lab.settings import DEFAULT_IMAGE, HOST_PREFIX, IMAGE_PREFIX, PREPARED, LabError, lab_dir, repository

# The stages that are done, and what else decides how such a host looks.
SOURCES = ("roles/preflight", "roles/miniconda", "roles/codetr_env", "roles/codetr_packages", "plugins", "stacks")
# They change no host.
NO_SOURCES = {"__pycache__", "README.md"}


def sources(root: Path) -> Iterator[Path]:
    """Yield the files that decide how a prepared host looks, in a fixed order."""
    for source in SOURCES:
        for path in sorted((root / source).rglob("*")):
            if path.is_file() and NO_SOURCES.isdisjoint(path.parts):
                yield path


def tag() -> str:
    """Return the full name of the image for the present content of the checkout and the lab."""
    root, digest = repository(), hashlib.sha256(images.tag(DEFAULT_IMAGE).encode())
    for path in sources(root):
        digest.update(f"\0{path.relative_to(root)}\0".encode() + path.read_bytes())
    digest.update((lab_dir() / "vars.yml").read_bytes())
    return f"{IMAGE_PREFIX}/{PREPARED}:{digest.hexdigest()[:12]}"


def exists() -> bool:
    """Return whether the image is there for the present content."""
    return podman.exists("image", tag())


def keep(host: str) -> str:
    """Keep the present state of a host as the image, unless there is one, and return its full name.

    Raises:
        LabError: there is no such host, or it was not made from the bare image.
    """
    full = tag()
    if podman.exists("image", full):
        return full
    entry = podman.containers().get(HOST_PREFIX + host)
    if entry is None or entry["Image"] != images.tag(DEFAULT_IMAGE):
        raise LabError(f"{host!r} cannot become the image {full}: only a host made from {images.tag(DEFAULT_IMAGE)} can.")
    podman.call("commit", "--quiet", "--pause=false", HOST_PREFIX + host, full)
    podman.remove_old_images(full)
    return full
