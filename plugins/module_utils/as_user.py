"""Doing a module's work as another user while the module itself stays root.

Ansible imports more of itself when a module answers, from an archive that only root can read, and removes its temporary folder at
the end: a module that has dropped root for good can do neither. So the work happens in a child process and answers through a pipe.
"""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import signal
import traceback
from typing import Any, Callable

from ansible_collections.codetr.provision.plugins.module_utils.privilege import drop_to

PR_SET_PDEATHSIG = 1


class WorkFailed(Exception):
    """The work was not done; the text says why."""


def as_user(user: str | None, work: Callable[[], dict[str, Any]], expected: tuple[type[Exception], ...]) -> dict[str, Any]:
    """The answer of ``work`` (JSON-able), done as ``user``; in this process where that is who runs already, or where user is None or "".

    Args:
        expected: exceptions of ``work`` whose text is a sentence for people.

    Raises:
        WorkFailed: one of those, a user that cannot be had, or a traceback of something unexpected.
    """
    if not user or _is_me(user):
        return _unpack(_answer(None, work, expected))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        answer = _answer(user, work, expected, parent=os.getppid())
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            json.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    if not text:
        raise WorkFailed(f"The process that worked as {user} was killed before it ended. Run again; what is half done is done again.")
    return _unpack(json.loads(text))


def _is_me(user: str) -> bool:
    try:
        return pwd.getpwnam(user).pw_uid == os.geteuid()
    except KeyError:
        return False


def _answer(
    user: str | None,
    work: Callable[[], dict[str, Any]],
    expected: tuple[type[Exception], ...],
    parent: int | None = None,
) -> dict[str, Any]:
    try:
        drop_to(user)
        if parent is not None:
            _die_with(parent)
        return {"done": work()}
    except Exception as failure:
        # ValueError is how drop_to says that it cannot.
        return {"failure": str(failure) if isinstance(failure, (ValueError, *expected)) else traceback.format_exc()}


def _die_with(parent: int) -> None:
    """A killed module must not leave its work running. After the change of user: that takes the wish back."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _unpack(answer: dict[str, Any]) -> dict[str, Any]:
    if "failure" in answer:
        raise WorkFailed(answer["failure"])
    return dict(answer["done"])
