"""@NOTE@"""

import torch  # noqa: F401

from .version import __version__, cuda

__all__ = ["__version__", "cuda"]


def __getattr__(name: str) -> None:
    raise AttributeError(f"module 'torchvision' has no attribute {name!r}: @NOTE@")
