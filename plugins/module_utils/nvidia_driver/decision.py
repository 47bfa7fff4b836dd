"""What the driver's plan decides, as a value: each step takes one decision and returns the next."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.candidate import Candidate
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.facts import Facts
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.messages import sentence
from ansible_collections.codetr.provision.plugins.module_utils.stage import IDLE_ACTIONS

CPU_FIX = "set codetr_stack=cpu to train on the CPU"


@dataclass(frozen=True)
class Decision:
    """What is done about the driver, and why.

    Attributes:
        action: keep, skip, install, replace, repair, configure, load or restart.
        reason: one sentence without its full stop.
        version: the driver that the host will have, as the summary shows it.
        chosen: what is installed, None for nothing.
        completes: whether ``chosen`` only adds modules to the present driver.
        settings: whether the role's settings (holds, nouveau, persistence) are applied.
        unhold: packages to release.
        changes: which settings differ on the host.
        problems: ``(message, fix)`` of each reason to refuse.
        warnings: sentences that stop nothing.
        waits: sentences on what waits for a reboot.
    """

    action: str = "keep"
    reason: str = ""
    version: str = ""
    chosen: Candidate | None = None
    completes: bool = False
    settings: bool = False
    unhold: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()

    @property
    def todo(self) -> bool:
        """Whether anything is changed."""
        return self.action not in IDLE_ACTIONS

    def refuse(self, message: str, fix: str) -> Decision:
        """Add a problem."""
        return replace(self, problems=(*self.problems, (message, fix)))

    def warn(self, *texts: str) -> Decision:
        """Add warnings; empty texts are none."""
        return replace(self, warnings=(*self.warnings, *filter(None, texts)))

    def wait(self, *texts: str) -> Decision:
        """Add sentences on what waits for a reboot."""
        return replace(self, waits=(*self.waits, *texts))


def wait_for_restart(facts: Facts, decision: Decision, why: str) -> Decision:
    """The driver works after a reboot only: reboot the host where that is allowed, or say what to do."""
    decision = decision.wait(f"{sentence(decision.version)} waits for a reboot of the host: {why}.")
    if not facts.config["provision_reboot"]:
        return decision.wait("Reboot it when convenient, or set provision_reboot=true; the next run continues from there.")
    if facts.busy:
        return decision.wait(
            f"It is not rebooted now because a GPU is in use by {', '.join(facts.busy)}. Stop what uses the GPU, then run again."
        )
    if facts.local:
        return decision.wait("The connection is local, so a reboot would end this run. Reboot the host by hand and run again.")
    return decision if decision.todo else replace(decision, action="restart", reason=why, settings=True)
