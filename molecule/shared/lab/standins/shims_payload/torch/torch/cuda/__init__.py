"""@NOTE@"""

from __future__ import annotations


def is_available() -> bool:
    return False


def device_count() -> int:
    return 0


def get_arch_list() -> list[str]:
    return []


def __getattr__(name: str) -> None:
    raise AttributeError(f"module 'torch.cuda' has no attribute {name!r}: @NOTE@")
