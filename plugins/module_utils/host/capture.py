"""A host put into one piece of data, and taken out again as a tree that the probe reads like the host itself.

A capture is ``{"files": {path: text, {"link": target} or {"dir": true}}, "commands": {json of argv: {"rc", "out", "err"}},
"readings": {...}}``.
Nothing that tells one machine or person from another is in it: serial numbers, uuids, passwords in URLs and the login name are replaced.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any, Callable

from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.apt.dpkg import EXTENDED, STATUS

# Of thousands of packages these decide something.
TELLING = re.compile(
    r"(?:lib)?nvidia|libcuda|cuda|vmlinuz-|initrd|codetr|linux-(?:image|headers|modules|objects|signatures)-|xserver-xorg-video-nvidia"
    r"|dkms$|gcc$|gcc-\d+$|g\+\+"
)
# Of these files only the lines that are read: the others are long, or somebody's own.
ONLY = {
    r"/\.(?:bashrc|profile)$": r"^.*conda.*$",
    r"/cuda\.h$": r"^#define CUDA_VERSION.*$",
    r"^/proc/cpuinfo$": r"\A(?:.+\n)+",
}
SMALL_FOLDER = 60
SCRUBS = (
    (re.compile(r"\b(GPU|MIG)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), r"\1-00000000-0000-0000-0000-000000000000"),
    (re.compile(r"(?mi)^(\s*(?:serial(?: number)?|board id|gpu uuid|gpu pdi|chassis serial number)\s*:).*$"), r"\1 removed"),
    (re.compile(r"(\w://)[^/@\s]+@"), r"\1removed@"),
)


def scrub(text: str) -> str:
    """A text without what identifies a machine."""
    for pattern, instead in SCRUBS:
        text = pattern.sub(instead, text)
    return text


class Recorder(Host):
    """A live host that writes down everything that is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, Any] = {}
        self.commands: dict[str, Any] = {}
        self.readings: dict[str, Any] = {}

    def read(self, path: str, limit: int = 1 << 20) -> str | None:
        text = super().read(path, limit)
        if text is not None:
            self._walk(path)
            self.files[path] = text
        return text

    def exists(self, path: str) -> bool:
        found = super().exists(path)
        if found:
            self._walk(path)
        return found

    def listdir(self, path: str) -> list[str]:
        names = super().listdir(path)
        if names:
            self._walk(path)
        for name in names:
            # Of large folders only what could decide something; processes are noted when something of theirs is looked at.
            if not path.startswith("/proc") and (len(names) <= SMALL_FOLDER or TELLING.match(name)):
                self._walk(f"{path}/{name}")
        return names

    def lstat(self, path: str) -> dict[str, Any] | None:
        found = super().lstat(path)
        # Of all that processes have open, only what is a GPU's is written down.
        if found is not None and (not re.match(r"/proc/\d+/fd/", path) or str(found["target"]).startswith("/dev/nvidia")):
            self._walk(path)
        return found

    def run(
        self, argv: list[str], seconds: float = 20, cwd: str | None = None, env: dict[str, str] | None = None
    ) -> dict[str, Any]:
        answer = super().run(argv, seconds, cwd, env)
        self.commands[json.dumps(argv)] = answer
        return answer

    def reading(self, name: str, measure: Callable[[], Any]) -> Any:
        value = super().reading(name, measure)
        self.readings[name] = value
        return value

    def _walk(self, path: str) -> None:
        """Note a path: a link with its target, and what that leads to; a folder; or a file, without its text."""
        if path in self.files:
            return
        found = super().lstat(path)
        if found is None:
            return
        if found["type"] == "link" and found["target"] is not None:
            self.files[path] = {"link": found["target"]}
            target = os.path.normpath(os.path.join(os.path.dirname(path), found["target"]))
            if not target.startswith("/proc") and super().exists(target):
                self._walk(target)
        else:
            self.files[path] = {"dir": True} if found["type"] == "dir" else ""

    def capture(self, packages: list[str]) -> dict[str, Any]:
        """All of it, small and without what identifies the machine.

        Args:
            packages: Debian packages to keep besides those that have to do with GPUs and kernels.
        """
        files = {path: scrub(text) if isinstance(text, str) else text for path, text in sorted(self.files.items())}
        for path, pattern in ONLY.items():
            for name, text in files.items():
                if isinstance(text, str) and re.search(path, name):
                    files[name] = "\n".join(re.findall(pattern, text, re.M))
        for path in (STATUS, EXTENDED):
            if isinstance(files.get(path), str):
                files[path] = _telling(files[path], set(packages))
        whole = json.dumps({"files": files, "commands": self.commands, "readings": self.readings})
        return nameless(dict(json.loads(scrub(whole))), self.readings.get("login") or "root")


def nameless(capture: dict[str, Any], login: str) -> dict[str, Any]:
    """A capture with ``user`` in the place of the login name, where that is meant: clouds name it like the distribution."""
    if login == "root":
        return capture
    homes = {f"/home/{login}", (capture["readings"].get(f"account:{login}") or {}).get("home") or f"/home/{login}"}
    text = json.dumps(capture)
    for home in homes:
        text = re.sub(re.escape(home) + r"(?![\w.-])", "/home/user", text)
    capture = json.loads(text)
    account = capture["readings"].pop(f"account:{login}", None)
    if account is not None:
        capture["readings"]["account:user"] = {key: "user" if value == login else value for key, value in account.items()}
    capture["readings"]["login"] = "user"
    return capture


def _telling(text: str, packages: set[str]) -> str:
    kept = []
    for block in text.split("\n\n"):
        name = re.match(r"Package: (\S+)", block)
        if name and (TELLING.match(name.group(1)) or name.group(1) in packages):
            kept.append("\n".join(re.findall(r"^(?:Package|Status|Architecture|Version|Maintainer|Auto-Installed): .*$", block, re.M)))
    return "\n\n".join(kept) + "\n"


def unpack(capture: dict[str, Any], folder: str) -> Host:
    """Write a capture's files below a folder, and return the host that reads them.

    Args:
        capture: see above. ``commands`` may also be keyed by the command as one text, ``dkms status``, with the output alone as its value.
        folder: an empty folder.
    """
    files = capture.get("files", {})
    links = {path: entry["link"] for path, entry in files.items() if isinstance(entry, dict) and "link" in entry}
    # Links first, and what they lead to where something is looked at through them.
    for path, target in sorted(links.items()):
        real = _below(folder, path)
        whole = target if target.startswith("/") else os.path.normpath(os.path.join(os.path.dirname(path), target))
        os.makedirs(os.path.dirname(real), exist_ok=True)
        if any(other.startswith(path + "/") for other in files):
            os.makedirs(_below(folder, whole), exist_ok=True)
        os.symlink(os.path.relpath(_below(folder, whole), os.path.dirname(real)) if target.startswith("/") else target, real)
    for path, entry in files.items():
        real = _below(folder, path)
        if path in links:
            continue
        os.makedirs(real if isinstance(entry, dict) else os.path.dirname(real), exist_ok=True)
        if isinstance(entry, str) and not os.path.isdir(real):
            with open(real, "w", encoding="utf-8") as handle:
                handle.write(entry)
    commands = {
        argv if argv.startswith("[") else json.dumps(argv.split()): (
            answer if isinstance(answer, dict) else {"rc": 0, "out": answer, "err": ""}
        )
        for argv, answer in capture.get("commands", {}).items()
    }
    # Below the folder a link leads somewhere else than it does on the host.
    return Host(folder, {"commands": commands, "readings": capture.get("readings", {}), "links": links})


def _below(folder: str, path: str) -> str:
    return os.path.normpath(os.path.join(folder, path.lstrip("/")))
