"""A stand-in for conda, made by a test lab. It supports the commands that the roles run and rejects all others."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

__version__ = "@CONDA_VERSION@"


class CondaError(Exception):
    """A command cannot go on. `name` is the word that conda puts before the message."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def leave(status: int) -> NoReturn:
    """End the program at once: threads that py-rattler leaves running sometimes crash Python when it exits."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
