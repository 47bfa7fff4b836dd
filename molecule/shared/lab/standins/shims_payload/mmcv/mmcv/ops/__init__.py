"""@NOTE@"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from .. import _ext


def __getattr__(name: str) -> Callable[..., NoReturn]:
    return _ext.__getattr__(name)
