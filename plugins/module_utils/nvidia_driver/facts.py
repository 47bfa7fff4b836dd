"""What the driver's plan knows about a host: one frozen record, made once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.distribution import Release
from ansible_collections.codetr.provision.plugins.module_utils.gpu import table as gpu_table
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import package_sets, present
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.files import snapshot_of
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.present import Present
from ansible_collections.codetr.provision.plugins.module_utils.snapshot import parse
from ansible_collections.codetr.provision.plugins.module_utils.snapshot.records import State, StateError
from ansible_collections.codetr.provision.plugins.module_utils.stack import choose as stacks
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context


@dataclass(frozen=True)
class Facts:
    """A host as the driver's plan sees it.

    Attributes:
        config: all options, coerced.
        system: the operating system, ``state["os"]``.
        container: kind of container, empty for none.
        local: whether the connection is local, so that a restart would end the run.
        stack: data of the chosen stack.
        stack_refused: whether the stack does not fit the host, so that no driver is planned for it.
        gpus: the GPUs that count, described.
        no_gpu: why there are none, when there are none.
        probed: the probe's section, ``state["nvidia_driver"]``.
        table: ``roles/nvidia_driver/files/packages.yml``.
        release: what the host's distribution and release has.
        kernels: releases that the driver must have a module for, the one that boots next last.
        present: the driver of the host, None for none.
        libraries: libraries of a driver without the driver, which other programs bring along; ``present`` is None then.
        ours: whether this role installed the present driver.
        live: whether driver and GPUs meet here: there is a GPU, and the system's own kernel runs.
        interrupted: whether an earlier run of this stage did not end.
        unfinished: how the host was before that run and what it noted, None where it noted nothing.
        unreadable: why that cannot be read, empty where it can.
        remembered: what the receipt of an earlier run remembers.
        stand_in: whether that run used a stand-in.
        requested: the branch that ``nvidia_driver_branch`` names, None for auto.
        open_required: whether a GPU works with open modules only.
        busy: the processes that use a GPU, for a message.
    """

    config: dict[str, Any]
    system: dict[str, Any]
    container: str
    local: bool
    stack: dict[str, Any]
    stack_refused: bool
    gpus: list[dict[str, Any]]
    no_gpu: str
    probed: dict[str, Any]
    table: dict[str, Any]
    release: Release
    kernels: list[str]
    present: Present | None
    libraries: Present | None
    ours: bool
    live: bool
    interrupted: bool
    unfinished: State | None
    unreadable: str
    remembered: dict[str, Any]
    stand_in: bool
    requested: int | None
    open_required: bool
    busy: list[str]

    @property
    def loaded(self) -> str | None:
        """The version of the loaded module, None for none."""
        return (self.probed["loaded"] or {}).get("version")

    @property
    def version(self) -> str:
        """The present driver as the summary shows it, empty for none."""
        return f"driver {self.present['version'] or 'of unknown version'}" if self.present else ""

    def runs_stack(self, version: str) -> bool:
        """Whether a driver of this version can run the stack on the host's GPUs."""
        return stacks.variant_for(self.stack, self.gpus, version) is not None

    def drives_all(self, branch: int) -> bool:
        """Whether a branch drives every GPU of the host."""
        return all(gpu_table.drives(branch, gpu) for gpu in self.gpus)

    def least_driver(self) -> str:
        """The oldest driver that runs the stack on the host's GPUs."""
        return stacks.least_driver(self.stack, self.gpus)


def gather(state: dict[str, Any], config: dict[str, Any], ctx: Context) -> Facts:
    """The facts of a host."""
    probed = state["nvidia_driver"]
    container = state["machine"]["container"]
    kernels = package_sets.counting(probed, config, container)
    driver = present.find(probed, kernels)
    receipt = state["receipts"].get("nvidia_driver") or {}
    remembered = receipt.get("remember") or {}
    interrupted = state["inprogress"].get("nvidia_driver") is not None
    unfinished, unreadable = _unfinished(probed, snapshot_of(ctx)) if interrupted else (None, "")
    live = bool(ctx.gpus) and probed["kernels"]["ours"]
    ours = _installed_by_us(probed, remembered, unfinished)
    libraries = driver if live and driver and not ours and present.libraries_only(probed, driver) else None
    branch = config["nvidia_driver_branch"]
    return Facts(
        config=config,
        system=state["os"],
        container=container,
        local=state.get("connection") == "local",
        stack=ctx.stack,
        stack_refused=ctx.refused,
        gpus=ctx.gpus,
        no_gpu=ctx.no_gpu,
        probed=probed,
        table=ctx.local["nvidia_driver"]["packages"],
        release=ctx.release,
        kernels=kernels,
        present=None if libraries else driver,
        libraries=libraries,
        ours=ours,
        live=live,
        interrupted=interrupted,
        unfinished=unfinished,
        unreadable=unreadable,
        remembered=remembered,
        stand_in=bool(receipt.get("stand_in")),
        requested=None if branch == "auto" else int(branch),
        open_required=any(gpu["open"] == gpu_table.OPEN_REQUIRED for gpu in ctx.gpus),
        busy=present.busy(probed, len(ctx.gpus)),
    )


def _installed_by_us(probed: dict[str, Any], remembered: dict[str, Any], unfinished: State | None) -> bool:
    """Whether this role installed the driver; headers that it added for another driver do not count.

    Args:
        unfinished: the state file of a run that has not ended.
    """
    installed = set(present.core(probed))
    if remembered.get("uninstall") or installed & set(remembered.get("packages", [])):
        return True
    if unfinished is None:
        return False
    # Such a run brought what it noted, unless that was there before it.
    before, note = unfinished.before, unfinished.note
    return bool(installed & (note.packages - before.packages)) or bool(probed["runfile"] and note.uninstall - before.files)


def _unfinished(probed: dict[str, Any], path: str) -> tuple[State | None, str]:
    """The state file of a run that has not ended, or why it cannot be read."""
    try:
        return parse.parse(probed["files"].get(path), path), ""
    except StateError as error:
        return None, str(error)
