"""Describe GPUs by PCI id: name, architecture, compute capability, and the driver branches that can drive them."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.version import numbers

OPEN_REQUIRED, OPEN_NO = "required", "no"
# 470 lists the first with one subsystem only; the others are later boards of the same chip, which it does not list.
NOT_IN_470 = {"20b5": "10de:1533", "20bd": "", "20f3": "", "20f5": "", "20f6": ""}


def capability_number(capability: Any) -> tuple[int, ...]:
    """A compute capability as numbers that compare: ``9`` and ``9.0`` are equal."""
    return numbers(str(capability), least=2)


def describe(found: list[dict[str, Any]], table: dict[str, Any], deep: list[dict[str, str]] | None = None) -> list[dict[str, Any]]:
    """Add what the table knows to each GPU; what is unknown is None.

    Args:
        found: ``state["gpus"]``.
        table: ``roles/nvidia_driver/files/gpus.yml``.
        deep: nvidia-smi's rows, with the compute capability of a GPU that is too new for the table.

    Returns:
        The same entries with ``name, chip, architecture, capability, first, last, open`` added: ``first`` and ``last`` are driver
        branches (None for no limit), ``open`` is required, possible or no.
    """
    rows = {row.get("pci.bus_id", "").lower()[-12:]: row for row in deep or []}
    return [{**gpu, **_known(gpu, table, rows.get(gpu["address"].lower()[-12:], {}))} for gpu in found]


def _known(gpu: dict[str, Any], table: dict[str, Any], row: dict[str, str]) -> dict[str, Any]:
    device = gpu["device"]
    chip = next((entry for entry in table["chips"] if int(entry["first"], 16) <= int(device or "0", 16) <= int(entry["last"], 16)), None)
    reported = row.get("compute_cap", "")
    capability = (chip or {}).get("compute_capability") or (reported if reported.replace(".", "").isdigit() else None)
    name = (chip or {}).get("architecture") or _architecture_of(capability, table)
    rules = dict(table["architectures"].get(name, {}))
    rules.update(rules.get("by_capability", {}).get(capability, {}))
    rules.update(rules.get("by_device", {}).get(device, {}))
    first = rules.get("driver_first")
    if device in NOT_IN_470 and gpu.get("subsystem") != NOT_IN_470[device]:
        first = max(first or 0, 471)
    return {
        "name": gpu.get("model") or row.get("name") or table["names"].get(device) or (f"{chip['chip']} GPU" if chip else "unknown GPU"),
        "chip": (chip or {}).get("chip"),
        "architecture": name,
        "capability": capability,
        "first": first,
        "last": rules.get("driver_last"),
        "open": rules.get("open_modules"),
    }


def _architecture_of(capability: str | None, table: dict[str, Any]) -> str | None:
    return next((name for name, rules in table["architectures"].items() if capability in rules["compute_capability"]), None)


def label(gpu: dict[str, Any]) -> str:
    """Format a GPU for a message: ``Tesla T4 (10de:1eb8, compute capability 7.5)``."""
    capability = f", compute capability {gpu['capability']}" if gpu["capability"] else ""
    return f"{gpu['name']} (10de:{gpu['device']}{capability})"


def labels(gpus: list[dict[str, Any]]) -> str:
    """Format GPUs for a message, counting equal ones."""
    texts = [label(gpu) for gpu in gpus]
    return ", ".join(f"{texts.count(text)} x {text}" if texts.count(text) > 1 else text for text in dict.fromkeys(texts))


def drives(branch: int, gpu: dict[str, Any]) -> bool:
    """Whether drivers of a branch can drive a GPU; a GPU without limits in the table fits every branch."""
    return (gpu["first"] or 0) <= branch <= (gpu["last"] or 9999)


def branch_of(version: str) -> int:
    """The branch of a driver's version: 470 of 470.256.02."""
    return int(version.partition(".")[0])
