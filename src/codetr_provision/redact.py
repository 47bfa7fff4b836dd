"""Keep secrets out of everything that is shown and written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_SECRET_NAME = re.compile(r"pass|secret|token|credential|vault|api_?key|private", re.IGNORECASE)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
HIDDEN = "(hidden)"


def text(message: str) -> str:
    """The text without credentials in its URLs."""
    return _CREDENTIALS.sub(HIDDEN + "@", message)


def plain(message: str) -> str:
    """The text without terminal control sequences and carriage returns."""
    return _ANSI.sub("", message).replace("\r", "")


def command(argv: Sequence[str]) -> str:
    """The command line as one string that may be published: values of secret-looking extra variables and inline JSON are hidden."""
    shown, extra = [], False
    for word in argv:
        prefix = next((p for p in ("--extra-vars=", "-e") if word.startswith(p) and word != "-e"), "") if not extra else ""
        shown.append(prefix + _extra_vars(word[len(prefix):]) if extra or prefix else text(word))
        extra = not extra and word in ("-e", "--extra-vars")
    return shlex.join(shown)


def _extra_vars(word: str) -> str:
    if word.lstrip().startswith(("{", "[")):
        return HIDDEN
    # One argument can carry several pairs: `-e "a=1 b=2"`. A value that spans words is hidden with all of its words.
    return "".join(_pair(part) for part in re.split(r"(\s+)(?=[A-Za-z_]\w*=)", word))


def _pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={HIDDEN}" if equals and _SECRET_NAME.search(name) else text(pair)
