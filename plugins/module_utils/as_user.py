"""Doing a module's work as another user while the module itself stays root.

Ansible imports more of itself when a module answers, from an archive that only root can read, and removes its temporary folder at
the end: a module that has dropped root for good can do neither. So the work happens in a child process and answers through a pipe.
"""

from __future__ import annotations

import os
import pwd
from typing import Any, Callable

from ansible_collections.codetr.provision.plugins.module_utils.child import Child, WorkFailed, attempt, unpack
from ansible_collections.codetr.provision.plugins.module_utils.privilege import drop_to

__all__ = ["WorkFailed", "as_user"]


def as_user(user: str | None, work: Callable[[], dict[str, Any]], expected: tuple[type[Exception], ...]) -> dict[str, Any]:
    """The answer of ``work`` (JSON-able), done as ``user``; in this process where that is who runs already, or where user is None or "".

    Args:
        expected: exceptions of ``work`` whose text is a sentence for people.

    Raises:
        WorkFailed: one of those, a user that cannot be had, or a traceback of something unexpected.
    """
    if not user or _is_me(user):
        return unpack(attempt(work, (ValueError, *expected)))
    # ValueError is how drop_to says that it cannot.
    return Child(f"worked as {user}", work, (ValueError, *expected), before=lambda: drop_to(user)).answer()


def _is_me(user: str) -> bool:
    try:
        return pwd.getpwnam(user).pw_uid == os.geteuid()
    except KeyError:
        return False
