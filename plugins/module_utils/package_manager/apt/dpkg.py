"""What dpkg and apt have on a host, from their own files; nothing is run but one quick question to apt-cache."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host

STATUS = "/var/lib/dpkg/status"
EXTENDED = "/var/lib/apt/extended_states"
LISTS = "/var/lib/dpkg/info"
# Numbered files are changes that dpkg has not merged into its status file.
JOURNAL = "/var/lib/dpkg/updates"
LIMIT = 64 << 20
# Who maintains a package tells where it comes from, also after its source was taken away.
ORIGINS = (("nvidia", r"@nvidia\.com|cudatools"), ("distribution", r"@(?:[\w-]+\.)*(?:debian|ubuntu)\.|canonical\.com"))


def paragraphs(host: Host) -> dict[str, dict[str, str]]:
    """Every package that dpkg knows, by name: its fields ``Status``, ``Version``, ``Maintainer``, ``Architecture``, ``Essential``."""
    return host.once("dpkg", lambda: _paragraphs(host.read(STATUS, LIMIT) or ""))


def _paragraphs(text: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for block in text.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Version|Maintainer|Architecture|Essential): (.*)$", block, re.M))
        name = fields.pop("Package", "")
        if not name or (name in found and fields.get("Architecture") not in ("amd64", "all")):
            continue
        found[name] = fields
    return found


def installed(host: Host, pattern: str) -> dict[str, dict[str, Any]]:
    """The installed packages whose whole name matches: ``{"version", "hold", "auto", "origin", "whole"}`` by name.

    ``whole`` is false for one whose configuration did not finish. ``origin`` is distribution, nvidia or other.
    """
    auto = host.once("apt-auto", lambda: _auto(host.read(EXTENDED, LIMIT) or ""))
    found = {}
    for name, fields in paragraphs(host).items():
        words = fields.get("Status", "").split()
        if len(words) == 3 and words[2] not in ("not-installed", "config-files") and re.fullmatch(pattern, name):
            found[name] = {
                "version": fields.get("Version", ""),
                "hold": words[0] == "hold",
                "auto": name in auto,
                "origin": origin(fields.get("Maintainer", "")),
                "whole": words[1:] == ["ok", "installed"],
            }
    return found


def _auto(text: str) -> set[str]:
    return {match.group(1) for match in re.finditer(r"^Package: (\S+)\n(?:[A-Z].*\n)*?Auto-Installed: 1", text, re.M)}


def origin(maintainer: str) -> str:
    """Where a package comes from, by its maintainer."""
    return next((name for name, pattern in ORIGINS if re.search(pattern, maintainer, re.I)), "other")


def listed(host: Host) -> list[str]:
    """The names of packages with a list of their files."""
    return [name.rpartition(".")[0].partition(":")[0] for name in host.listdir(LISTS) if name.endswith(".list")]


def residual(host: Host) -> list[str]:
    """The packages that were removed and left their configuration."""
    return [name for name, fields in paragraphs(host).items() if fields.get("Status", "").endswith("config-files")]


def interrupted(host: Host) -> bool:
    """Whether dpkg was killed at work, so that apt refuses to do anything."""
    torn = any(" reinstreq " in fields.get("Status", "") for fields in paragraphs(host).values())
    return torn or any(name.isdigit() for name in host.listdir(JOURNAL))


def candidates(host: Host, names: list[str]) -> dict[str, list[str]]:
    """The versions that apt could install of each package, the one that it would take first; a name that apt does not know is absent."""
    if not names or not host.exists("/usr/bin/apt-cache"):
        return {}
    found: dict[str, list[str]] = {}
    name = ""
    for line in host.run(["apt-cache", "policy", *names])["out"].splitlines():
        head = re.fullmatch(r"(\S+):", line)
        entry = re.match(r"(?: \*\*\*|    ) (\S+) -?\d+$", line)
        choice = re.match(r"  Candidate: (\S+)", line)
        if head:
            name = head.group(1)
        elif choice and choice.group(1) != "(none)":
            found[name] = [choice.group(1)]
        elif entry and name in found and entry.group(1) not in found[name]:
            found[name].append(entry.group(1))
    return found


def sources(host: Host) -> dict[str, str]:
    """The text of every file that names apt sources, by path."""
    folder = "/etc/apt/sources.list.d"
    paths = ["/etc/apt/sources.list", *(f"{folder}/{name}" for name in host.listdir(folder) if name.endswith((".list", ".sources")))]
    texts = {path: host.read(path) for path in paths}
    return {path: text for path, text in texts.items() if text}
