"""@NOTE@"""

__version__ = "@VERSION@"


def __getattr__(name: str) -> None:
    raise AttributeError(f"module 'numpy' has no attribute {name!r}: @NOTE@")
