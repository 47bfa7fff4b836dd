"""Resolve a stack for one host: choose its variant by the driver, and its Python."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.stack import choose as stacks
from ansible_collections.codetr.provision.plugins.module_utils.version import minor_of


def resolve(
    stack: dict[str, Any],
    locks: dict[str, dict[str, Any]],
    state: dict[str, Any],
    config: dict[str, Any],
    gpus: list[dict[str, Any]],
    driver: str,
) -> dict[str, Any]:
    """A stack with one variant and one Python.

    Args:
        stack: the stack's data, with ``name``.
        locks: all lock files by name, see ``plugin_utils/catalog.py``.
        state: of the host; which Python its environment has counts.
        config: ``codetr_env_*`` and ``codetr_torch_source`` count.
        gpus: the GPUs that count.
        driver: the version that the host will have, empty where there is none.

    Returns:
        The stack's data, the variant's laid over it, and ``cuda`` (``13.0``, empty on a CPU), ``build_toolkits`` (to compile with),
        ``python`` (``3.12``), ``pythons`` (all that would do), ``lock_name``, ``lock_file``, ``pins``, ``lock_first``, ``lock_local``,
        ``compiler_lock_file``; ``expect`` is what the environment must report of itself. ``conda`` is what conda brings, None where
        wheels are the source.
    """
    variant = _variant(stack, gpus, driver)
    python = python_of(stack, state, config)
    conda = stack.get("conda") if config["codetr_torch_source"] == "conda" else None
    name = conda["lock"] if conda else variant.get("lock") or stack["lock"]
    lock = locks[f"{name}-py{python.replace('.', '')}"]
    compiler = locks.get(variant.get("compiler_lock", ""), {})
    mmcv = {**stack["mmcv"], **{key: variant[key] for key in ("compiler", "gcc_below") if key in variant}}
    return {
        **stack,
        "cuda": variant.get("cuda", ""),
        "build_toolkits": variant.get("build_toolkits", []),
        "python": python,
        "pythons": list(stack["python"]),
        "expect": {**stack["expect"], **variant.get("expect", {}), "python": python},
        "mmcv": mmcv,
        "conda": conda,
        "lock_name": name,
        "lock_file": lock["file"],
        "pins": lock["pins"],
        "lock_first": lock["first"],
        "lock_local": lock["local"],
        "compiler_lock_file": compiler.get("file", ""),
    }


def python_of(stack: dict[str, Any], state: dict[str, Any], config: dict[str, Any]) -> str:
    """The Python of the environment: the requested one, else the installed one if the stack supports it, else the stack's first."""
    option, current = config["codetr_env_python_version"], state["env"]
    if option in stack["python"]:
        return str(option)
    base = current["base"] if config["codetr_env_manager"] == "venv" else None
    for version in (current["python"], base):
        if minor_of(version) in stack["python"]:
            return minor_of(version)
    return str(stack["python"][0])


def _variant(stack: dict[str, Any], gpus: list[dict[str, Any]], driver: str) -> dict[str, Any]:
    """The variant for these gpus and this driver; where none fits, which others say, the first with code for the gpus."""
    fits = stacks.variant_for(stack, gpus, driver) if driver else None
    with_code = [each for each in stack.get("gpu", []) if all(stacks.covers(each, gpu) for gpu in gpus)]
    return fits or dict((with_code or stack.get("gpu") or [{}])[0])
