"""@NOTE@"""

from __future__ import annotations

# _load first, as the real one loads its libraries first.
from . import _load, cuda, version  # noqa: F401
from .version import __version__

__all__ = ["__version__", "cuda", "version"]


def __getattr__(name: str) -> None:
    raise AttributeError(f"module 'torch' has no attribute {name!r}: @NOTE@")
