"""Work in a child process that dies with its parent and answers through a pipe."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import traceback
from typing import Any, Callable

PR_SET_PDEATHSIG = 1


class WorkFailed(Exception):
    """The work was not done; the text says why."""


def die_with(parent: int) -> None:
    """Have the kernel kill this process when ``parent`` ends: killed work must not leave its children running.

    A change of user takes the option back, so that comes first.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def attempt(work: Callable[[], dict[str, Any]], expected: tuple[type[Exception], ...]) -> dict[str, Any]:
    """``{"done": answer}``, or ``{"failure": text}``: the sentence of an expected exception, the traceback of any other."""
    try:
        return {"done": work()}
    except expected as failure:
        return {"failure": str(failure)}
    except Exception:
        return {"failure": traceback.format_exc()}


def unpack(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer in what ``attempt`` gave.

    Raises:
        WorkFailed: it gave a failure.
    """
    if "failure" in answer:
        raise WorkFailed(answer["failure"])
    return dict(answer["done"])


class Child:
    """A forked process that does ``work`` (its answer is JSON-able) and then ends.

    Args:
        name: what the sentence about a killed process calls it.
        expected: exceptions of ``work`` whose text is a sentence for people.
        before: done first in the child, for example to change the user; what it raises counts as work.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], dict[str, Any]],
        expected: tuple[type[Exception], ...],
        before: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        reading, writing = os.pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reading)
            _run(writing, parent, work, expected, before)
        os.close(writing)
        self._pipe = os.fdopen(reading, encoding="utf-8")

    def fileno(self) -> int:
        """Descriptor that becomes readable when the answer comes or the process ends, for ``select``."""
        return self._pipe.fileno()

    def answer(self) -> dict[str, Any]:
        """Wait for the end; the answer.

        Raises:
            WorkFailed: there is none, or it is a failure.
        """
        with self._pipe as pipe:
            text = pipe.read()
        os.waitpid(self.pid, 0)
        if not text:
            raise WorkFailed(f"The process that {self.name} was killed before it ended. Run again; what is half done is done again.")
        return unpack(json.loads(text))

    def stop(self) -> None:
        """Kill it and wait for its end."""
        os.kill(self.pid, signal.SIGKILL)
        self._pipe.close()
        os.waitpid(self.pid, 0)


def _run(
    writing: int,
    parent: int,
    work: Callable[[], dict[str, Any]],
    expected: tuple[type[Exception], ...],
    before: Callable[[], None] | None,
) -> None:
    """The child's whole life. It must never return into the parent's code."""
    try:

        def whole() -> dict[str, Any]:
            if before:
                before()
            die_with(parent)
            return work()

        answer = attempt(whole, expected)
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            json.dump(answer, pipe)
    finally:
        os._exit(0)
