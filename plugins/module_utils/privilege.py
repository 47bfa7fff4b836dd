"""Becoming another user, for good."""

from __future__ import annotations

import os
import pwd


def drop_to(user: str | None) -> None:
    """Become ``user`` for the rest of this process, for good; nothing happens when that is who runs already, or for None or "".

    Raises:
        ValueError: the user does not exist, or this process is not root and so cannot become somebody else. The text says what to do.
    """
    if not user:
        return
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ValueError(f"There is no user {user!r} on this host. Create it first, or set provision_user to one that exists.") from None
    if entry.pw_uid == os.geteuid():
        return
    if os.geteuid() != 0:
        raise ValueError(f"Working as {user!r} needs root. Give the login user sudo, or set provision_user to the login user.")
    os.initgroups(user, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    os.environ.update(HOME=entry.pw_dir, USER=user, LOGNAME=user)
