"""The only door through which a probe looks at a host.

Every fact is a file under a root, a recorded command, or a named reading (uid, free space, clock). So a whole host can be captured
to a tree and replayed in a test, and what a probe can see is what this file can do. Standard library only, Python 3.8 and up.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
from typing import Any, Callable

COMMAND_SECONDS = 20
READ_LIMIT = 1 << 20


class Host:
    """A live host (root ``/``), or a replay of one.

    Args:
        root: folder that stands for ``/``.
        recorded: ``{"commands": {json of argv: {"rc", "out", "err"}}, "readings": {name: value}, "links": {path: target}}`` of a captured
            host. When given, nothing is executed or measured: what was not recorded is absent.
    """

    def __init__(self, root: str = "/", recorded: dict[str, Any] | None = None) -> None:
        self.root = root
        self.recorded = recorded
        self._once: dict[str, Any] = {}

    def once(self, name: str, look: Callable[[], Any]) -> Any:
        """What ``look`` finds, asked only the first time under a name: several sections read the same large file."""
        if name not in self._once:
            self._once[name] = look()
        return self._once[name]

    def _at(self, path: str) -> str:
        return path if self.root == "/" else os.path.join(self.root, path.lstrip("/"))

    def read(self, path: str, limit: int = READ_LIMIT) -> str | None:
        """The text of a file (at most ``limit`` bytes), or None where it cannot be read."""
        try:
            with open(self._at(path), "rb") as handle:
                return handle.read(limit).decode("utf-8", "replace")
        except OSError:
            return None

    def read_json(self, path: str) -> Any:
        """The parsed JSON of a file, or None where it is absent or no JSON."""
        text = self.read(path, 64 << 20)
        try:
            return None if text is None else json.loads(text)
        except ValueError:
            return None

    def sha256(self, path: str) -> str | None:
        """The sha256 of a file's bytes, or None where it cannot be read."""
        digest = hashlib.sha256()
        try:
            with open(self._at(path), "rb") as handle:
                for block in iter(lambda: handle.read(1 << 20), b""):
                    digest.update(block)
        except OSError:
            return None
        return digest.hexdigest()

    def exists(self, path: str) -> bool:
        """Whether the path exists; a dangling link does not."""
        return os.path.exists(self._at(path))

    def listdir(self, path: str) -> list[str]:
        """The sorted names in a folder; empty where there is none or it cannot be read."""
        try:
            return sorted(os.listdir(self._at(path)))
        except OSError:
            return []

    def lstat(self, path: str) -> dict[str, Any] | None:
        """``{"type": file|dir|link|other, "mode", "uid", "gid", "size", "mtime", "target"}``, links not followed.

        None where there is nothing.
        """
        real = self._at(path)
        try:
            st = os.lstat(real)
        except OSError:
            return None
        kind = (
            "link" if stat.S_ISLNK(st.st_mode) else "dir" if stat.S_ISDIR(st.st_mode) else "file" if stat.S_ISREG(st.st_mode) else "other"
        )
        try:
            # Of another user's process even the target of what it has open is not for everybody.
            target = os.readlink(real) if kind == "link" else None
        except OSError:
            target = None
        return {
            "type": kind,
            "mode": stat.S_IMODE(st.st_mode),
            "uid": st.st_uid,
            "gid": st.st_gid,
            "size": st.st_size,
            "mtime": int(st.st_mtime),
            "target": (self.recorded or {}).get("links", {}).get(path, target),
        }

    def run(
        self, argv: list[str], seconds: float = COMMAND_SECONDS, cwd: str | None = None, env: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """Run a command: ``{"rc", "out", "err"}``. rc 127 where it is not there, 124 where it took longer than ``seconds``."""
        if self.recorded is not None:
            return self.recorded.get("commands", {}).get(json.dumps(argv), {"rc": 127, "out": "", "err": "not recorded"})
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                timeout=seconds,
                cwd=cwd,
                env=dict(os.environ, LC_ALL="C", PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin", **(env or {})),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"rc": 124, "out": "", "err": f"no answer in {seconds:g} s"}
        except OSError as error:
            return {"rc": 127, "out": "", "err": str(error)}
        return {"rc": done.returncode, "out": done.stdout.decode("utf-8", "replace"), "err": done.stderr.decode("utf-8", "replace")}

    def reading(self, name: str, measure: Callable[[], Any]) -> Any:
        """A value that is neither a file nor a command (uid, free space, clock), recorded under a name; None where it cannot be had."""
        if self.recorded is not None:
            return self.recorded.get("readings", {}).get(name)
        try:
            return measure()
        except (OSError, KeyError, ValueError):
            return None
