"""Run a command with its output in a log, again while another program is at work, and say what its failure means."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from typing import IO, Any, Iterable, Mapping

from ansible_collections.codetr.provision.plugins.module_utils.as_user import as_user
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.manager import Run

TAIL_BYTES = 16384
TAIL_LINES = 20
PAUSE = 10.0


@dataclass(frozen=True)
class Command:
    """A command and how it is run.

    Attributes:
        argv: the command and its arguments.
        user: who runs it; None or empty for who runs already.
        chdir: the folder to run it in.
        environment: variables to add.
        log: the file for its output, empty to keep it in memory.
        retry_on: regular expression on the output of a command that failed only because something else is at work; empty for none.
        retry_timeout: seconds for which it is run again.
    """

    argv: list[str]
    user: str | None = None
    chdir: str | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    log: str | None = None
    retry_on: str | None = None
    retry_timeout: float = 600

    @property
    def text(self) -> str:
        """The command as a shell would take it."""
        return shlex.join(self.argv)


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit status and the end of its output, standard output and error together."""

    rc: int
    text: str

    @property
    def tail(self) -> list[str]:
        """The last lines of the output."""
        return self.text.splitlines()[-TAIL_LINES:]


def run(command: Command) -> Outcome:
    """Run a command, and again every ten seconds while ``retry_on`` says so.

    Raises:
        WorkFailed: it could not be started.
    """

    def once(_argv: list[str]) -> tuple[int, str, str]:
        done = as_user(command.user, lambda: _execute(command), (OSError,))
        return done["rc"], done["text"], ""

    rc, text, _unused = (patient(once, command.retry_on, command.retry_timeout) if command.retry_on else once)(command.argv)
    return Outcome(rc, text)


def failure(command: Command, done: Outcome, explanations: Iterable[tuple[str, str]]) -> str:
    """The message for a command that failed.

    Args:
        explanations: regular expressions on the output, and what each means; the first that matches is said.
    """
    meaning = next((say for pattern, say in explanations if re.search(pattern, done.text)), "")
    where = f" The whole output is in {command.log}." if command.log else ""
    lines = "\n".join(done.tail)
    return f"{meaning} {command.text} ended with exit status {done.rc}.{where} Its last lines:\n{lines}".strip()


def patient(run_once: Run, retry_on: str, seconds: float = 600) -> Run:
    """A function that runs commands like another one, and again while their output says that something else is at work."""

    def run_again(argv: list[str]) -> tuple[int, str, str]:
        until = time.monotonic() + seconds
        rc, out, err = run_once(argv)
        while rc != 0 and re.search(retry_on, out + err) and time.monotonic() < until:
            time.sleep(PAUSE)
            rc, out, err = run_once(argv)
        return rc, out, err

    return run_again


def _execute(command: Command) -> dict[str, Any]:
    with _open(command.log) as output:
        output.write(f"$ {command.text}\n".encode())
        output.flush()
        done = subprocess.run(
            command.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=command.chdir or "/",
            env={**os.environ, **{key: str(value) for key, value in command.environment.items()}},
            check=False,
        )
        output.seek(max(0, output.seek(0, os.SEEK_END) - TAIL_BYTES))
        return {"rc": done.returncode, "text": output.read().decode("utf-8", "replace")}


def _open(log: str | None) -> IO[bytes]:
    if not log:
        return tempfile.TemporaryFile()
    os.makedirs(os.path.dirname(log), exist_ok=True)
    return open(log, "w+b", opener=_opened)


def _opened(path: str, flags: int) -> int:
    """Root may be writing into the folder of who provisions: a link there leads nowhere, and the log belongs to who has the folder."""
    found = os.open(path, flags | os.O_NOFOLLOW, 0o644)
    if os.geteuid() == 0:
        folder = os.stat(os.path.dirname(path))
        os.fchown(found, folder.st_uid, folder.st_gid)
    return found
