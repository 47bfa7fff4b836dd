"""Which stack a host gets."""

from __future__ import annotations

from typing import Any


def choose(state: dict[str, Any], wish: str) -> tuple[str, str, list[dict[str, str]]]:
    """The stack's name, why, and what stands against it.

    Args:
        state: of the host; ``gpus`` decides.
        wish: ``auto`` or a stack's name.
    """
    gpus = state.get("gpus", [])
    if wish != "auto":
        return wish, "codetr_stack asks for it", []
    if not gpus:
        return "cpu", "no NVIDIA GPU on the PCI bus", []
    ids = ", ".join(sorted({f"10de:{gpu['device']}" for gpu in gpus}))
    what = f"This host has an NVIDIA GPU ({ids}), and this version of codetr-provision has no stack for GPUs yet"
    return (
        "cpu",
        "the only stack there is",
        [{"stage": "preflight", "what": what + ".", "way_out": "Set codetr_stack=cpu to train on the host's processor all the same."}],
    )
