"""Probe CUDA toolkits, the target of ``/usr/local/cuda``, the host's compiler, and the files that announce a toolkit."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.package_manager import managers
from ansible_collections.codetr.provision.plugins.module_utils.snapshot import parse
from ansible_collections.codetr.provision.plugins.module_utils.version import minor_of

FOLDER = re.compile(r"cuda(?:-\d+\.\d+(?:\.\d+)?)?$")
MARKER = ".codetr-provision.json"
LD_FOLDER = "/etc/ld.so.conf.d"
LD_FILES = f"{LD_FOLDER}/cuda-*.conf"


def probe(host: Host, ask: dict[str, Any]) -> dict[str, Any]:
    """``{"toolkits": [...], "default", "gcc", "files": {path: text}, "env": {path: text}, "ldconf": [...], "before"}``

    Args:
        ask: ``{"prefix": where toolkits are, "folder": ours, "default": path of the link, "files": [...], "before": path}``
    """
    folder = ask["folder"]
    return {
        "toolkits": toolkits(host, ask["prefix"]),
        "default": host.lstat(ask["default"]),
        "gcc": compiler(host),
        "files": {path: host.read(path) for path in ask["files"]},
        "env": {f"{folder}/{name}": host.read(f"{folder}/{name}") for name in host.listdir(folder) if re.match(r"cuda-[\d.]+\.env$", name)},
        "ldconf": [f"{LD_FOLDER}/{name}" for name in host.listdir(LD_FOLDER) if re.match(r"cuda-\d+-\d+\.conf$", name)],
        "before": host.read(ask["before"], parse.LIMIT),
    }


def toolkits(host: Host, prefix: str) -> list[dict[str, Any]]:
    """Every folder of a toolkit's name below the prefix, whole or not; a ``cuda`` that is only a link to one of them is none."""
    packaged = {
        match.group(1).replace("-", ".")
        for name in managers.of(host).names(host)
        for match in [re.match(r"cuda-[a-z-]+-(\d+-\d+)$", name)]
        if match
    }
    found = []
    for name in host.listdir(prefix):
        path = f"{prefix.rstrip('/')}/{name}"
        status = host.lstat(path)
        if not FOLDER.match(name) or status is None or (name == "cuda" and status["type"] == "link"):
            continue
        inside = host.listdir(path)
        version = version_of(host, path)
        minor = minor_of(version or name[5:])
        found.append(
            {
                "path": path,
                "type": status["type"],
                # A folder that cannot be read belongs to the user and counts as not empty.
                "empty": host.exists(f"{path}/.") and not [entry for entry in inside if entry != MARKER],
                "version": version,
                "minor": minor,
                "nvcc": host.exists(f"{path}/bin/nvcc"),
                # NVIDIA's packages know this place only.
                "packaged": minor in packaged and path == f"/usr/local/cuda-{minor}",
                "marker": host.read_json(f"{path}/{MARKER}"),
            }
        )
    return found


def version_of(host: Host, path: str) -> str | None:
    """What a toolkit says of itself: version.json, version.txt before 11.1, or else cuda.h, which knows no patch."""
    data = host.read_json(f"{path}/version.json")
    version = data.get("cuda", {}).get("version") if isinstance(data, dict) else None
    if isinstance(version, str) and re.match(r"\d+\.\d+", version):
        return version
    text = re.search(r"CUDA Version (\d+\.\d+\S*)", host.read(f"{path}/version.txt") or "")
    if text:
        return text.group(1)
    header = re.search(r"^#define CUDA_VERSION (\d+)(\d\d)\d\s*$", host.read(f"{path}/include/cuda.h", 64 << 10) or "", re.M)
    return f"{header.group(1)}.{int(header.group(2))}" if header else None


def compiler(host: Host) -> str | None:
    """The version of the host's g++, or else of its gcc; nvcc takes what PATH has."""
    for name in ("g++", "gcc"):
        answer = host.run([name, "-dumpfullversion"])
        if answer["rc"] == 0 and re.match(r"\d+", answer["out"].strip()):
            return str(answer["out"].strip())
    return None
