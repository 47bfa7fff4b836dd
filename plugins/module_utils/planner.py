"""State and config to a plan: pure, so that it is tested on tables with no host at all."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from importlib import import_module
from types import ModuleType
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.env import plan as env
from ansible_collections.codetr.provision.plugins.module_utils.miniconda import plan as miniconda
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import plan as nvidia_driver
from ansible_collections.codetr.provision.plugins.module_utils.packages import mmcv
from ansible_collections.codetr.provision.plugins.module_utils.preflight import plan as preflight
from ansible_collections.codetr.provision.plugins.module_utils.repo import plan as repo
from ansible_collections.codetr.provision.plugins.module_utils.stack import choose as stack
from ansible_collections.codetr.provision.plugins.module_utils.stack import variant
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage
from ansible_collections.codetr.provision.plugins.module_utils.stages import BASE, PROBED, STAGES

PACKAGE = __name__.rpartition(".")[0]
PLANS: dict[str, ModuleType] = {name: import_module(f"{PACKAGE}.{name}.plan") for name in STAGES}
# Problems of these stand against every role, also against one that runs alone.
ALWAYS = (BASE, stack.STAGE)


def context(
    config: dict[str, Any],
    catalog: dict[str, Any],
    stack_name: str,
    owner: dict[str, Any] | None = None,
    gpus: list[dict[str, Any]] | None = None,
    no_gpu: str = "",
    refused: bool = False,
    system: dict[str, Any] | None = None,
) -> Context:
    """The context of a plan. Without ``owner`` it is good for ``ask`` only.

    Args:
        catalog: ``{"stacks", "locks", "artifacts", "edits", "wheels", "local", "pip_index"}``, see ``plugin_utils/catalog.py``.
        owner: who owns everything, as the probe found the account.
        gpus: the GPUs that count, described.
        no_gpu: why there are none, when there are none.
        refused: whether the stack does not fit the host.
        system: the host's ``id`` and ``version``, as /etc/os-release has them.
    """
    who = owner or {}
    return Context(
        prefix=config["provision_prefix"].rstrip("/") or "/",
        user=who.get("name", ""),
        group=who.get("group", ""),
        home=who.get("home", ""),
        stack={"name": stack_name, **catalog["stacks"][stack_name]},
        artifacts=catalog["artifacts"],
        edits=catalog["edits"],
        wheels=catalog["wheels"],
        pip_index=catalog["pip_index"],
        local=catalog["local"],
        gpus=gpus or [],
        no_gpu=no_gpu,
        refused=refused,
        release=catalog["distributions"].find(system or {"id": "", "version": ""}),
        releases=catalog["distributions"],
    )


def questions(config: dict[str, Any], catalog: dict[str, Any]) -> dict[str, Any]:
    """What codetr_probe is asked, for all sections at once."""
    ctx = context(config, catalog, next(iter(catalog["stacks"])))
    asked = {name: PLANS[name].ask(config, ctx) for name in PROBED}
    prefix = ctx.prefix
    paths = {
        *preflight.folders_of(prefix),
        miniconda.prefix_of(config, ctx),
        env.prefix_of(config, ctx),
        repo.dest_of(config, ctx),
        *(path for name in PROBED for path in asked[name].get("paths", [])),
        config["codetr_datasets_root"] or f"{prefix}/data",
    }
    names = ctx.releases.names_of(name for module in PLANS.values() for name in module.SYSTEM_PACKAGES)
    names |= {f"g++-{major}" for major in ctx.releases.compilers}
    base = {"owner": config["provision_user"], "paths": sorted(paths), "system_packages": sorted(names), "receipts": f"{prefix}/receipts"}
    return {"base": base, **asked}


def build(
    state: dict[str, Any], config: dict[str, Any], catalog: dict[str, Any], running: Collection[str] | None = None
) -> dict[str, Any]:
    """The plan of a host.

    Args:
        state: what codetr_probe returned, and ``controller_epoch`` (seconds).
        config: all variables of all roles, coerced.
        catalog: see ``context``.
        running: stages that will be carried out, and that there has to be room for; None is all.

    Returns:
        ``{"stack", "stack_reason", "stages": {name: stage}, "problems", "warnings", "waits", "gpus"}``; a host with problems is
        not to be touched. ``waits`` says what a restart of the host is waited for.
    """
    name, why, problems = stack.choose(state, config, catalog)
    owner = state["user"]["owner"]
    gpus = stack.considered(state, config, catalog)
    ctx = context(config, catalog, name, owner, gpus, stack.no_gpu(state), bool(problems), state["os"])
    stages: list[Stage] = []
    for section, module in PLANS.items():
        stage = module.plan(state, config, ctx)
        ctx.earlier[section] = stage
        stages.append(stage)
        if section == "nvidia_driver":
            ctx = replace(ctx, stack=_resolved(ctx, state, config, catalog, stage))
    written = [stage for stage in stages if running is None or stage.stage in (*running, *ALWAYS)]
    problems = [*problems, *(item for stage in stages for item in stage.problems), *preflight.check_space(written, state)]
    ignored = [item for item in problems if item["stage"] == "preflight" and config["preflight_only_warn"]]
    return {
        "stack": name,
        "stack_reason": why,
        "stages": {stage.stage: stage.as_dict() for stage in stages},
        "problems": [item for item in problems if item not in ignored],
        "warnings": [
            *(f"{stage.stage}: {text}" for stage in stages for text in stage.warnings),
            *(f"{item['stage']}: {item['message']}" for item in ignored),
        ],
        "waits": [text for stage in stages for text in stage.waits],
        "gpus": gpus,
    }


def needs(plan: dict[str, Any]) -> list[dict[str, str]]:
    """What must answer before the host is touched, ``{"url", "why", "stage"}``: of each stage that has something to do."""
    return [{**need, "stage": name} for name, stage in plan["stages"].items() if stage["todo"] for need in stage["needs"]]


def _resolved(ctx: Context, state: dict[str, Any], config: dict[str, Any], catalog: dict[str, Any], driver: Stage) -> dict[str, Any]:
    """The stack as it is for the driver that the host will have; a toolkit that only compiling needs is left out where there is a wheel."""
    version = nvidia_driver.version_after(driver, state, config, ctx)
    found = variant.resolve(ctx.stack, catalog["locks"], state, config, ctx.gpus, version)
    compiles = mmcv.find(state, config, replace(ctx, stack=found)).compiles
    return {**found, "toolkits": [*(found.get("toolkits") or []), *(found["build_toolkits"] if compiles else [])]}
