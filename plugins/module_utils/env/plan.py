"""The Python environment: made by conda, as a venv over a given interpreter, or somebody's own."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.env.params import Planned
from ansible_collections.codetr.provision.plugins.module_utils.miniconda import plan as miniconda
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage

APT: tuple[str, ...] = ()
BYTES = 400_000_000


def prefix_of(config: dict[str, Any], ctx: Context) -> str:
    """Where the environment is or will be."""
    if config["codetr_env_prefix"]:
        return str(config["codetr_env_prefix"])
    if config["codetr_env_manager"] == "conda":
        return f"{miniconda.prefix_of(config, ctx)}/envs/{config['codetr_env_name']}"
    return f"{ctx.prefix}/envs/{config['codetr_env_name']}"


def ask(config: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Where to look for the environment, and which interpreter to ask for its version."""
    return {"prefix": prefix_of(config, ctx), "interpreter": config["codetr_env_python"] if config["codetr_env_manager"] == "venv" else ""}


def plan(state: dict[str, Any], config: dict[str, Any], ctx: Context) -> Stage:
    """Create, repair what was cut short, or keep; an environment with another Python is never replaced."""
    here, prefix, manager, python = state["env"], prefix_of(config, ctx), config["codetr_env_manager"], ctx.stack["python"]
    stage = Stage("env", version=f"Python {here['python'] or python}", params=dict(Planned(prefix=prefix, python=f"{prefix}/bin/python")))
    asked, pythons = config["codetr_env_python_version"], ctx.stack["pythons"]
    if asked and asked not in pythons:
        stage.problem(
            f"codetr_env_python_version is {asked}, and stack {ctx.stack['name']} is for Python {' or '.join(pythons)}.",
            "Leave it out, or choose one of these.",
        )
    made_of_stand_ins = manager == "conda" and any(ctx.artifacts.get(name, {}).get("stand_in") for name in config["miniconda_channels"])
    half = state["inprogress"].get("env") is not None
    fits = here["python"] is not None and here["python"].split(".")[:2] == python.split(".")
    if fits and not half:
        stage.reason = f"Python {here['python']} is there"
        stage.stand_in = bool((state["receipts"].get("env") or {}).get("stand_in"))
        return stage
    if manager == "existing":
        stage.problem(
            f"codetr_env_manager is existing, and there is no Python {python} at {prefix}/bin/python"
            + (f" (it is {here['python']})" if here["python"] else "")
            + ".",
            f"Set codetr_env_prefix to an environment with Python {python}, or let conda or venv make one.",
        )
        return stage
    if here["python"] is not None and not half:
        stage.problem(
            f"The environment {prefix} has Python {here['python']}, and stack {ctx.stack['name']} needs {python}.",
            "Set codetr_env_name to another name; this one is left as it is.",
        )
        return stage
    if not half and here["prefix"] is not None and not here["empty"]:
        stage.problem(f"{prefix} exists and holds no Python environment.", "Move it away, or set codetr_env_name or codetr_env_prefix.")
        return stage
    stage.action = "repair" if half else "create"
    stage.stand_in = made_of_stand_ins
    stage.reason = "an earlier creation was cut short" if half else f"there is no environment at {prefix}"
    stage.params.update(clean=half, cache=_damaged_cache(state, config, ctx) if half else "", argv=_argv(stage, config, ctx, prefix, here))
    stage.disk = [{"path": prefix, "bytes": BYTES}]
    stage.before, stage.after = {"python": here["python"]}, {"python": python, "prefix": prefix, "manager": manager}
    return stage


def _damaged_cache(state: dict[str, Any], config: dict[str, Any], ctx: Context) -> str:
    """The package cache of a conda that we installed, else nothing: conda keeps what it was killed unpacking, and fails on it for ever."""
    installed = "installer" in ((state["receipts"].get("miniconda") or {}).get("remember") or {})
    return f"{miniconda.prefix_of(config, ctx)}/pkgs" if installed and config["codetr_env_manager"] == "conda" else ""


def _argv(stage: Stage, config: dict[str, Any], ctx: Context, prefix: str, here: dict[str, Any]) -> list[str]:
    python = ctx.stack["python"]
    if config["codetr_env_manager"] == "conda":
        channels = [part for name in config["miniconda_channels"] for part in ("--channel", name)]
        conda = f"{miniconda.prefix_of(config, ctx)}/bin/conda"
        return [conda, "create", "--yes", "--quiet", "--prefix", prefix, "--override-channels", *channels, f"python={python}", "pip"]
    interpreter = config["codetr_env_python"]
    if not interpreter:
        stage.problem(
            "codetr_env_manager is venv, and codetr_env_python names no interpreter.",
            f"Set codetr_env_python to the path of a Python {python} on the host.",
        )
    elif here["base"] is None:
        stage.problem(f"codetr_env_python {interpreter} does not run on the host.", f"Set it to the path of a Python {python} that does.")
    elif here["base"].split(".")[:2] != python.split("."):
        stage.problem(
            f"codetr_env_python {interpreter} is Python {here['base']}, and stack {ctx.stack['name']} needs {python}.",
            f"Name a Python {python}.",
        )
    return [interpreter, "-m", "venv", prefix]
