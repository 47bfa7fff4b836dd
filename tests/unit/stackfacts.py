"""The packages' part of plans, for tests."""

from __future__ import annotations

from typing import Any

from driverfacts import gpu_host
from hostfacts import plan, wanted


def packages_of(state: dict[str, Any], config: dict[str, Any] | None = None, **changes: Any) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The stage of the packages, and what stands against it."""
    made = plan(state, config, **changes)
    return made["stages"]["packages"], [problem for problem in made["problems"] if problem["stage"] == "packages"]


def chosen(name: str, driver: int | None, **given: Any) -> dict[str, Any]:
    """The parameters of the packages for one card and driver."""
    config = wanted(**given)
    return packages_of(gpu_host(gpus=[name], config=config, **({"driver": driver} if driver else {})), config)[0]["params"]
