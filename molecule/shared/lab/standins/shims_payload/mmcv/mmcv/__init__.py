"""@NOTE@"""

from .version import __version__

__all__ = ["__version__"]


def __getattr__(name: str) -> None:
    raise AttributeError(f"module 'mmcv' has no attribute {name!r}: @NOTE@")
