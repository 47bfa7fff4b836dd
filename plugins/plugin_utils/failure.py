"""Failures of our action plugins: results that every ansible-core shows alike, and what is wrong with a host's Python."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.basic import _PY_MIN as OLDEST_PYTHON
from ansible.release import __version__ as CORE

# ansible-core 2.21 shows these from a result that comes with a failure, instead of the failure's own.
OF_THE_FAILURE = ("failed", "msg", "exception")
# The oldest Python of a host for older versions of ansible-core, the newest first.
OLDER_CORES = {"2.20": (3, 9), "2.19": (3, 8)}


def failure(message: str, result: Mapping[str, Any]) -> AnsibleActionFail:
    """A failed action with a message of its own and the rest of a module's result."""
    return AnsibleActionFail(message, result={key: value for key, value in result.items() if key not in OF_THE_FAILURE})


def ask_version(interpreter: str) -> str:
    """A shell command that prints the first Python that runs, as ``command<TAB>version``, beginning with the one that Ansible uses."""
    used = " ".join(map(shlex.quote, shlex.split(interpreter)))
    tries = [
        f"{{ v=$({python} -V 2>&1) && printf '%s\\t%s\\n' {shlex.quote(python)} \"$v\"; }}"
        for python in (used, "python3", "python2", "python")
        if python
    ]
    return " || ".join([*tries, "echo none"])


def explain_python(
    interpreter: str, printed: str, result: Mapping[str, Any], core: str = CORE, oldest: tuple[int, int] = OLDEST_PYTHON
) -> str | None:
    """Say what is wrong with the Python of a host on which no module runs, or nothing where its version will do.

    Args:
        interpreter: what Ansible starts modules with.
        printed: what ``ask_version`` printed.
        result: the module's result.
        core: the controller's ansible-core.
        oldest: the oldest Python that it can use on a host.
    """
    needed = ".".join(map(str, oldest))
    needs = f"ansible-core {core} needs Python {needed} or newer there."
    install = f"Install Python {needed} or newer (on Debian and Ubuntu: apt-get install python3), then run again."
    match = re.search(r"^(.+)\tPython ((\d+)\.(\d+)\S*)", printed, re.MULTILINE)
    if not match:
        return f"The host has no Python; {needs} {install}"
    path, full, version = match[1], match[2], (int(match[3]), int(match[4]))
    if version < oldest:
        older = next((name for name, least in OLDER_CORES.items() if least <= version and least < oldest), None)
        if older is None:
            return f"The host has Python {full} ({path}); {needs} {install} Where it is not python3, set ansible_python_interpreter to it."
        return (
            f"The host has Python {full} ({path}); {needs} Use ansible-core {older} on the controller, which supports "
            f"Python {version[0]}.{version[1]}, or a host whose own python3 is {needed} or newer."
        )
    if path != interpreter and result.get("rc") in (126, 127):
        lines = str(result.get("module_stderr") or result.get("module_stdout") or "").strip().splitlines()
        why = lines[0].rstrip(".") if lines else "it cannot be started"
        set_it = f"Set ansible_python_interpreter to one that does; {path} is Python {full}."
        return f"The host's Python {interpreter} does not run: {why}. {set_it}"
    return None
