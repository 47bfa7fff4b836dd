"""@NOTE@"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

# The real one is linked with torch's libraries.
import torch  # noqa: F401


def __getattr__(name: str) -> Callable[..., NoReturn]:
    if name.startswith("__"):
        raise AttributeError(name)

    def op(*_: object, **__: object) -> NoReturn:
        raise NotImplementedError(f"{name}: @NOTE@")

    return op
