"""podman as the lab uses it: runc, limits that fit this machine, and a label on everything of ours."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

from lab.settings import LABEL, lab_dir
from lab.shell import run, succeeds

LABEL_ARGUMENT = f"{LABEL}=1"
# The image that a host was made from; the one that podman runs may be another.
IMAGE = f"{LABEL}.image"


def limits() -> list[str]:
    """Return ulimits that containers may have: podman's own defaults exceed a machine that may not raise its hard limits."""
    found = []
    for name, kind, soft, ceiling in (("nofile", resource.RLIMIT_NOFILE, 1024, 1048576), ("nproc", resource.RLIMIT_NPROC, 10000, 10000)):
        hard = resource.getrlimit(kind)[1]
        hard = ceiling if hard == resource.RLIM_INFINITY else min(hard, ceiling)
        found.append(f"{name}={min(soft, hard)}:{hard}")
    return found


def config() -> Path:
    """Write the configuration of podman for the lab and return its path."""
    path = lab_dir() / "containers.conf"
    text = (
        f"[containers]\ndefault_ulimits = {json.dumps(limits())}\n"
        '[network]\nnetwork_backend = "netavark"\n'
        '[engine]\nruntime = "runc"\nevents_logger = "file"\n'
    )
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return path


def call(*arguments: str | Path, timeout: float | None = None) -> str:
    """Run podman with the lab's configuration and return what it prints."""
    return run(["podman", *arguments], environment={"CONTAINERS_CONF": str(config())}, timeout=timeout)


def exists(kind: str, name: str) -> bool:
    """Return whether podman has an object of that kind (image, container, network)."""
    return succeeds(["podman", kind, "exists", name], environment={"CONTAINERS_CONF": str(config())})


def inspect(kind: str, name: str) -> dict[str, Any]:
    """Return podman's description of an object."""
    found: dict[str, Any] = json.loads(call(kind, "inspect", name))[0]
    return found


def containers(*, everything: bool = True) -> dict[str, dict[str, Any]]:
    """Return the lab's containers by name; with everything false only the running ones."""
    listed = json.loads(call("ps", *(["--all"] if everything else []), "--filter", f"label={LABEL_ARGUMENT}", "--format", "json"))
    return {entry["Names"][0]: entry for entry in listed}


def remove_old_images(current: str) -> None:
    """Remove earlier builds of the image current, except those that a host still uses."""
    repository = current.rpartition(":")[0]
    used = {image for entry in containers().values() for image in (entry["Image"], entry["Labels"].get(IMAGE))}
    for name in call("images", "--format", "{{.Repository}}:{{.Tag}}", repository).split():
        if name != current and name.rpartition(":")[0] == repository and name not in used:
            call("rmi", name)
