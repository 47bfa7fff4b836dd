"""The settings of this machine's apt and pip, for the lab's hosts: the archive, proxies, package indexes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass

from lab.settings import LabError
from lab.shell import run

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
FIELDS = ("ORIGIN", "REPO_URI", "CODENAME", "COMPONENT")
# Settings without which the machine's archive may not be usable from a host: proxies, and a frozen archive's old dates.
APT_SETTINGS = ("Acquire::http::Proxy", "Acquire::https::Proxy", "Acquire::Check-Valid-Until", "Acquire::Check-Date")
PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout")


@dataclass(frozen=True)
class Archive:
    """One suite of the Debian archive, as this machine reaches it."""

    uri: str
    suite: str
    components: tuple[str, ...]

    def deb822(self) -> str:
        """Return the stanza of this archive for a .sources file."""
        return f"Types: deb\nURIs: {self.uri}\nSuites: {self.suite}\nComponents: {' '.join(self.components)}\nSigned-By: {KEYRING}\n"


def parse_targets(text: str, codename: str) -> list[Archive]:
    """Return the Debian archives among apt's index targets, for the release codename whatever release this machine has.

    Args:
        text: one line per index, FIELDS joined by "|".
        codename: the release that the hosts get.
    """
    found: dict[tuple[str, str], dict[str, None]] = {}
    for line in text.splitlines():
        parts = line.split("|")
        if len(parts) != len(FIELDS) or parts[0] != "Debian":
            continue
        _, uri, release, component = parts
        _, dash, pocket = release.partition("-")
        found.setdefault((uri, codename + dash + pocket), {})[component] = None
    return [Archive(uri, suite, tuple(components)) for (uri, suite), components in found.items()]


def archives(codename: str) -> list[Archive]:
    """Return the Debian archives that this machine's apt uses, for the release codename.

    Raises:
        LabError: apt knows none, because it has no index yet or the machine is no Debian.
    """
    format_ = "|".join(f"$({field})" for field in FIELDS)
    found = parse_targets(run(["apt-get", "indextargets", "--format", format_, "Created-By: Packages"]), codename)
    if not any(archive.suite == codename for archive in found):
        raise LabError(
            "apt on this machine knows no Debian archive to build the hosts from: run `apt-get update`. "
            "If that does not help, the lab needs another machine, with Debian 12."
        )
    return found


def apt_settings() -> str:
    """Return the lines for the hosts' apt.conf.d."""
    lines = run(["apt-config", "dump"]).splitlines()
    return "".join(f"{line}\n" for line in lines if line.split(" ", 1)[0] in APT_SETTINGS and not line.endswith('"";'))


def parse_pip(text: str) -> dict[str, str]:
    """Return what `pip config list` says of indexes and proxies, later lines winning; folders of this machine are left out."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        name = key.rpartition(".")[2]
        if not equals or name not in PIP_SETTINGS:
            continue
        words = [word for word in " ".join(shlex.split(value)).split() if not word.startswith(("/", "file:"))]
        if words:
            found["timeout" if name == "default-timeout" else name] = " ".join(words)
    return found


def pip_settings() -> str:
    """Return the hosts' pip.conf; an empty text where this machine has nothing to pass on."""
    asked = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False, timeout=30)
    found = parse_pip(asked.stdout) if asked.returncode == 0 else {}
    return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in sorted(found.items())) if found else ""


def proxies(no_proxy: str) -> dict[str, str]:
    """Return this machine's proxy variables for the hosts, with the lab's own network (no_proxy, a CIDR and addresses) kept direct."""
    found = {name: value for name in ("http_proxy", "https_proxy") if (value := os.environ.get(name) or os.environ.get(name.upper()))}
    if found:
        machine = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
        found["no_proxy"] = ",".join(part for part in (machine, no_proxy) if part)
    return found
