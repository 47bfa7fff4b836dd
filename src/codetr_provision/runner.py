"""Run one playbook with ansible-runner: pass its events on and discard everything else."""

from __future__ import annotations

import os
import shlex
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import ansible_runner

from codetr_provision import redact
from codetr_provision.project import Project
from codetr_provision.reducer import PROGRESS

GRACE_SECONDS = 15.0


@dataclass
class Options:
    """Options of ansible-playbook; paths are absolute, because it does not start in the caller's folder."""

    inventory: list[str] = field(default_factory=list)
    extra_vars: list[str] = field(default_factory=list)
    limit: str | None = None
    check: bool = False
    tags: str | None = None
    skip_tags: str | None = None
    forks: int | None = None
    verbosity: int = 0
    become_password_file: str | None = None

    def arguments(self) -> list[str]:
        """The command line after the playbook's name."""
        arguments = [argument for extra in self.extra_vars for argument in ("--extra-vars", extra)]
        if self.become_password_file:
            arguments += ["--become-password-file", self.become_password_file]
        return [*arguments, *(["--check", "--diff"] if self.check else [])]


class Interrupt:
    """Handle Ctrl-C and SIGTERM: ask Ansible to stop, which ends its workers too, and let ansible-runner kill it when it does not.

    ansible-runner itself would kill ansible-playbook outright; its workers, in sessions of their own, would survive.
    """

    def __init__(self, on_request: Callable[[], None] = lambda: None) -> None:
        self.requested = False
        self.pid: int | None = None
        self._on_request = on_request
        self._deadline = 0.0

    def __call__(self) -> bool:
        """True when ansible-runner should kill the process (its cancel callback)."""
        return self.requested and (self.pid is None or time.monotonic() >= self._deadline)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        first, self.requested = not self.requested, True
        # A second request means: do not wait for the workers.
        self._deadline = time.monotonic() + GRACE_SECONDS if first else 0.0
        if first:
            self._on_request()
        if self.pid is not None:
            try:
                os.kill(self.pid, signal.SIGINT)
            except ProcessLookupError:
                self.pid = None

    @contextmanager
    def installed(self) -> Iterator[Interrupt]:
        """Handle the two signals while the block runs."""
        before = {number: signal.signal(number, self._handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass(frozen=True)
class Outcome:
    """How ansible-playbook ended: its exit code and its output, without colours and progress lines."""

    code: int
    log: str


def run_playbook(
    project: Project, name: str, options: Options, on_event: Callable[[dict[str, Any]], None], interrupt: Interrupt,
) -> Outcome:
    """Run playbook `name` ("site", "verify"); `on_event` gets every event as it happens, in this thread."""

    def handle(event: dict[str, Any]) -> bool:
        if event.get("event") == "playbook_on_start":
            interrupt.pid = event.get("pid")
        on_event(event)
        return False  # keep no copy on disk

    # The folder holds the run's whole environment (artifacts/<id>/command): mode 0700, outside the checkout, removed afterwards.
    with tempfile.TemporaryDirectory(prefix="codetr-provision-") as folder:
        interrupt.pid = None
        outcome = ansible_runner.run(
            private_data_dir=folder, project_dir=str(project.folder), playbook=project.playbook(name),
            inventory=options.inventory or None, limit=options.limit, tags=options.tags, skip_tags=options.skip_tags,
            forks=options.forks, verbosity=options.verbosity or None, cmdline=shlex.join(options.arguments()) or None,
            envvars=project.environment(os.environ), settings={"pexpect_timeout": 1}, quiet=True,
            event_handler=handle, cancel_callback=interrupt,
        )
        interrupt.pid = None
        stdout = Path(outcome.config.artifact_dir, "stdout")
        text = stdout.read_text(encoding="utf-8", errors="replace") if stdout.exists() else ""
    lines = [line for line in redact.plain(text).splitlines() if not line.startswith(PROGRESS)]
    return Outcome(outcome.rc if outcome.rc is not None else 1, redact.text("\n".join(lines)))
