"""Work done as another user comes back as an answer or a sentence, and the process itself stays who it was."""

from __future__ import annotations

import os
import pwd
import signal
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.as_user import WorkFailed, as_user

ME = pwd.getpwuid(os.geteuid()).pw_name
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def whoami() -> dict[str, Any]:
    return {"uid": os.geteuid(), "home": os.environ["HOME"], "pid": os.getpid()}


def test_for_oneself_no_process_is_made() -> None:
    assert as_user(ME, whoami, ()) == as_user(None, whoami, ()) == whoami()


@needs_root
def test_the_work_is_the_users_and_we_stay_root() -> None:
    nobody = pwd.getpwnam("nobody")
    got = as_user("nobody", whoami, ())
    assert (got["uid"], got["home"]) == (nobody.pw_uid, nobody.pw_dir)
    assert os.geteuid() == 0


@pytest.mark.parametrize("user", [None, pytest.param("nobody", marks=needs_root)])
def test_expected_failures_are_sentences_and_others_are_tracebacks(user: str | None) -> None:
    def fails(error: Exception) -> dict[str, Any]:
        raise error

    with pytest.raises(WorkFailed, match=r"^Say this\.$"):
        as_user(user, lambda: fails(LookupError("Say this.")), (LookupError,))
    with pytest.raises(WorkFailed, match="Traceback"):
        as_user(user, lambda: fails(KeyError("x")), ())


@needs_root
def test_killed_work_is_a_failure() -> None:
    def killed() -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    with pytest.raises(WorkFailed, match="was killed before it ended"):
        as_user("nobody", killed, ())


def test_an_unknown_user_is_a_sentence() -> None:
    with pytest.raises(WorkFailed, match="There is no user 'nobodyy'"):
        as_user("nobodyy", whoami, ())
