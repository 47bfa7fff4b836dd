"""apt and dpkg."""

from __future__ import annotations

import re
from typing import ClassVar, Collection, Mapping
from urllib.parse import urlsplit

from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.apt import dpkg, entries, removal, texts
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.manager import (
    Installed,
    PackageManager,
    RepositoryFiles,
    Run,
    Simulation,
)

# A package's configuration file that somebody changed stays as it is.
INSTALL = [
    "-y", "--no-install-recommends", "--allow-change-held-packages", "-o", "DPkg::Lock::Timeout=600",
    "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold",
]  # fmt: skip


class Apt(PackageManager):
    """apt and dpkg. It is read from dpkg's and apt's own files; nothing is run for that but one quick question to apt-cache."""

    name = "apt"
    program = "/usr/bin/apt-get"
    environment: ClassVar[Mapping[str, str]] = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    cache = "/var/cache/apt/archives"
    # apt waits for dpkg's lock, and not for the one that an unattended upgrade holds while it downloads.
    locked = "Could not get lock|Unable to lock directory"
    source_files = r"/etc/apt/sources\.list(?:\.d/(?!\.+$)[^/\x00-\x1f\x7f]+)?"
    installing = "Setting up "
    explain_refresh = texts.REFRESH
    explain_install = texts.INSTALL
    explain_held = "Held packages are released with `apt-mark unhold`."
    repository_needs = ("ca-certificates", "gpg")

    def present(self, host: Host) -> bool:
        return super().present(host) or host.exists(dpkg.STATUS)

    def installed(self, host: Host, pattern: str) -> Installed:
        return dpkg.installed(host, pattern)

    def names(self, host: Host) -> list[str]:
        return dpkg.listed(host)

    def residual(self, host: Host) -> list[str]:
        return dpkg.residual(host)

    def candidates(self, host: Host, names: list[str]) -> dict[str, list[str]]:
        return dpkg.candidates(host, names)

    def sources(self, host: Host) -> dict[str, str]:
        return dpkg.sources(host)

    def names_url(self, path: str, text: str, url: str) -> bool:
        return entries.names_url(text, url, deb822=path.endswith(".sources"))

    def interrupted(self, host: Host) -> bool:
        return dpkg.interrupted(host)

    def refresh(self) -> list[str]:
        return ["apt-get", "-o", "DPkg::Lock::Timeout=600", "-o", "APT::Update::Error-Mode=any", "update"]

    def install(self, names: Collection[str], suite: str = "") -> list[str]:
        return ["apt-get", *INSTALL, *(["-t", suite] if suite else []), "install", *names]

    def exact(self, name: str, version: str) -> str:
        return f"{name}={version}"

    def simulate(self, run: Run, names: Collection[str], suite: str = "") -> Simulation:
        command = self.install(names, suite)
        rc, out, err = run([command[0], "-s", *command[1:]])
        if rc != 0:
            return Simulation(why=_why_not(out + err))
        return Simulation(
            install={name.partition(":")[0]: version for name, version in re.findall(r"^Inst (\S+) (?:\[[^\]]*\] )?\((\S+)", out, re.M)},
            changed=tuple(name.partition(":")[0] for name in re.findall(r"^Inst (\S+) \[", out, re.M)),
            remove=tuple(name.partition(":")[0] for name in re.findall(r"^Remv (\S+)", out, re.M)),
        )

    def knows(self, run: Run, name: str) -> bool:
        return run(["apt-cache", "show", name])[0] == 0

    def version(self, run: Run, name: str) -> str:
        return run(["dpkg-query", "-W", "-f", "${Version}", name])[1]

    def held(self, run: Run) -> list[str]:
        return [name.partition(":")[0] for name in run(["apt-mark", "showhold"])[1].split()]

    def hold(self, run: Run, names: Collection[str]) -> None:
        removal.mark(run, "hold", names)

    def unhold(self, run: Run, names: Collection[str]) -> None:
        removal.mark(run, "unhold", names)

    def mark_auto(self, run: Run, names: Collection[str]) -> None:
        removal.mark(run, "auto", names)

    def removable(self, run: Run, host: Host, wanted: Collection[str]) -> tuple[list[str], dict[str, list[str]]]:
        return removal.removable(run, wanted, dpkg.paragraphs(host))

    def purge(self, run: Run, names: list[str], keep_configuration: Collection[str]) -> None:
        removal.purge(run, names, keep_configuration)

    def mend(self, run: Run, ours: Collection[str]) -> None:
        removal.mend(run, ours)

    def repository(self, name: str, url: str, user: str, priority: int, names: str) -> RepositoryFiles:
        keyring = f"/usr/share/keyrings/{name}.asc"
        # Flat, as NVIDIA's are.
        source = f"# Written by codetr-provision.\nTypes: deb\nURIs: {url}/\nSuites: /\nSigned-By: {keyring}\n"
        ranked = (
            "# Written by codetr-provision: whose packages are taken where NVIDIA and the distribution both have them.\n"
            f'Package: {names}\nPin: origin "{urlsplit(url).hostname or ""}"\nPin-Priority: {priority}\n'
        )
        return RepositoryFiles(
            source=(f"/etc/apt/sources.list.d/{name}.sources", source),
            keyring=keyring,
            priority=(f"/etc/apt/preferences.d/{name}-{user.replace('_', '-')}", ranked),
            index="Packages.gz",
        )

    def unattended_file(self) -> tuple[str, str] | None:
        return "/etc/apt/apt.conf.d/52codetr-provision-nvidia", texts.UNATTENDED

    def to_install(self, names: Collection[str]) -> str:
        return f"apt-get install {' '.join(names)}"

    def to_hold(self, names: Collection[str]) -> str:
        return f"sudo apt-mark hold {' '.join(names)}"

    def to_mend(self) -> str:
        return "`sudo dpkg --configure -a` and `sudo apt-get -f install`"


def _why_not(text: str) -> str:
    """apt's reasons, on one line."""
    lines = [line.strip() for line in text.splitlines()]
    found = [line[2:].strip() for line in lines if line.startswith("E:")]
    found += [line for line in lines if re.search(r": (Depends|PreDepends|Conflicts|Breaks): ", line) or "but it is not" in line]
    return " ".join(dict.fromkeys(found)) or " ".join(lines[-3:])
