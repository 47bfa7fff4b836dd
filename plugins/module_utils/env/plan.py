"""The Python environment: made by conda, as a venv over a given interpreter, or one that the user provides."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.env.params import Planned
from ansible_collections.codetr.provision.plugins.module_utils.miniconda import plan as miniconda
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage

SYSTEM_PACKAGES: tuple[str, ...] = ()
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
    """Create, repair an interrupted creation, or keep; an environment with another Python is never replaced."""
    current, prefix, manager, python = state["env"], prefix_of(config, ctx), config["codetr_env_manager"], ctx.stack["python"]
    planned = Planned(prefix=prefix, python=f"{prefix}/bin/python")
    stage = Stage("env", version=f"Python {current['python'] or python}", params=dict(planned))
    requested, pythons = config["codetr_env_python_version"], ctx.stack["pythons"]
    if requested and requested not in pythons:
        stage.problem(
            f"codetr_env_python_version is {requested}, and stack {ctx.stack['name']} is for Python {' or '.join(pythons)}.",
            "Leave it out, or choose one of these.",
        )
    made_of_stand_ins = manager == "conda" and any(ctx.artifacts.get(name, {}).get("stand_in") for name in config["miniconda_channels"])
    interrupted = state["inprogress"].get("env") is not None
    fits = current["python"] is not None and current["python"].split(".")[:2] == python.split(".")
    if fits and not interrupted:
        stage.reason = f"Python {current['python']} is installed"
        stage.stand_in = bool((state["receipts"].get("env") or {}).get("stand_in"))
        return stage
    if manager == "existing":
        stage.problem(
            f"codetr_env_manager is existing, and there is no Python {python} at {prefix}/bin/python"
            + (f" (it is {current['python']})" if current["python"] else "")
            + ".",
            f"Set codetr_env_prefix to an environment with Python {python}, or let conda or venv make one.",
        )
        return stage
    if current["python"] is not None and not interrupted:
        stage.problem(
            f"The environment {prefix} has Python {current['python']}, and stack {ctx.stack['name']} needs {python}.",
            "Set codetr_env_name to another name; this one is left as it is.",
        )
        return stage
    if not interrupted and current["prefix"] is not None and not current["empty"]:
        stage.problem(f"{prefix} exists and is not a Python environment.", "Move it away, or set codetr_env_name or codetr_env_prefix.")
        return stage
    stage.action = "repair" if interrupted else "create"
    stage.stand_in = made_of_stand_ins
    stage.reason = "an earlier creation was interrupted" if interrupted else f"no environment exists at {prefix}"
    cache = _damaged_cache(state, config, ctx) if interrupted else ""
    stage.params.update(clean=interrupted, cache=cache, argv=_argv(stage, config, ctx, prefix, current))
    stage.disk = [{"path": prefix, "bytes": BYTES}]
    stage.before, stage.after = {"python": current["python"]}, {"python": python, "prefix": prefix, "manager": manager}
    return stage


def _damaged_cache(state: dict[str, Any], config: dict[str, Any], ctx: Context) -> str:
    """The package cache of a conda that we installed, else nothing: conda keeps what it was killed unpacking and always fails on it."""
    installed = "installer" in ((state["receipts"].get("miniconda") or {}).get("remember") or {})
    return f"{miniconda.prefix_of(config, ctx)}/pkgs" if installed and config["codetr_env_manager"] == "conda" else ""


def _argv(stage: Stage, config: dict[str, Any], ctx: Context, prefix: str, current: dict[str, Any]) -> list[str]:
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
    elif current["base"] is None:
        stage.problem(f"codetr_env_python {interpreter} does not run on the host.", f"Set it to the path of a Python {python} that does.")
    elif current["base"].split(".")[:2] != python.split("."):
        stage.problem(
            f"codetr_env_python {interpreter} is Python {current['base']}, and stack {ctx.stack['name']} needs {python}.",
            f"Name a Python {python}.",
        )
    return [interpreter, "-m", "venv", prefix]
