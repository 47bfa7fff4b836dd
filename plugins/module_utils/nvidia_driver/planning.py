"""What every part of the driver's plan knows of a host, and what every action of the role may have to set."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.gpu import table as gpu_table
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import package_sets as nvidia_sets
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import present as nvidia_present
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage

HOLD_FILE = "/etc/apt/apt.conf.d/52codetr-provision-nvidia"
NOUVEAU_FILE = "/etc/modprobe.d/codetr-provision-nouveau.conf"
NOUVEAU_TEXT = """\
# Written by codetr-provision: nouveau would take the GPU before NVIDIA's driver can.
blacklist nouveau
options nouveau modeset=0
"""
HOLD_TEXT = """\
// Written by codetr-provision: an upgrade of the driver by itself leaves a library that the loaded module does not fit.
Unattended-Upgrade::Package-Blacklist {
  "nvidia-(?!container|docker)";
  "libnvidia-(?!container)";
  "libcuda1";
  "cuda-drivers";
};
"""
# Headers, compiler, driver and one compiled module, as measured on Debian 12: 387 MB of packages and 250 MB of module and build tree.
PACKAGE_BYTES = 900_000_000
RUNFILE_BYTES = 1_500_000_000
NOUVEAU_WAITS = "nouveau has the GPU until then"
CPU_FIX = "codetr_stack=cpu trains on the processor"
SOURCES = ("distribution", "nvidia", "runfile")


def before_of(ctx: Context) -> str:
    """The file that says, while the stage is at work, how the host was found."""
    return f"{ctx.prefix}/receipts/nvidia_driver.before"


class Planning:
    """One plan in the making: what is known, and the stage that it becomes."""

    def __init__(self, state: dict[str, Any], config: dict[str, Any], ctx: Context) -> None:
        self.state, self.config, self.ctx = state, config, ctx
        self.driver = state["nvidia_driver"]
        self.table = ctx.local["nvidia_driver"]["packages"]
        self.gpus = ctx.gpus
        self.container = state["machine"]["container"]
        self.kernels = nvidia_sets.counting(self.driver, config, self.container)
        self.have = nvidia_present.find(self.driver, self.kernels)
        self.receipt = state["receipts"].get("nvidia_driver") or {}
        self.remembered: dict[str, Any] = self.receipt.get("remember") or {}
        self.half = state["inprogress"].get("nvidia_driver") is not None
        # How a run that has not ended found the host, and what it asked for.
        self.before: dict[str, Any] = json.loads(self.driver["files"].get(before_of(ctx)) or "{}")
        self.ours = self._is_ours()
        # Branches and sources that come before the one that is taken, and why they are not.
        self.passed: list[tuple[int, str, dict[str, str]]] = []
        # Libraries of a driver alone, which some programs bring along.
        self.libraries: dict[str, Any] | None = None
        self.stage = Stage("nvidia_driver", remember=dict(self.remembered), stand_in=bool(self.receipt.get("stand_in")))
        # Module and library meet hardware only where the system's own kernel runs, on a host with a GPU.
        self.live = bool(self.gpus) and self.driver["kernels"]["ours"]

    def _is_ours(self) -> bool:
        """Whether this role brought the driver itself; headers that it added to somebody else's do not make that ours."""
        new, there = set(self.remembered.get("new", [])), set(nvidia_present.core(self.driver))
        if self.remembered.get("runfile") or new & there:
            return True
        # A run that has not ended brought what was not there when it began.
        before = self.before if self.half else {}
        brought = there - set(before.get("installed", there))
        return bool(brought) or bool(before.get("installer") and not before["runfile"] and self.driver["runfile"])

    def _skip(self, reason: str) -> Stage:
        self.stage.action, self.stage.reason = "skip", reason
        return self.stage

    def _requested_branch(self) -> int | None:
        option = self.config["nvidia_driver_branch"]
        return None if option == "auto" else int(option)

    def _open(self) -> bool:
        """Whether a GPU works with open modules only."""
        return any(gpu["open"] == gpu_table.OPEN_REQUIRED for gpu in self.gpus)

    def _wait(self, why: str) -> None:
        stage = self.stage
        local = self.state.get("connection") == "local"
        stage.waits.append(f"{stage.version} waits for a restart of the host: {why}.")
        busy = self._busy() if self.config["provision_reboot"] else []
        if busy:
            stage.waits.append(f"It is not restarted now, because a GPU is in use by {', '.join(busy)}: end that, then run again.")
        elif self.config["provision_reboot"] and not local:
            if not stage.todo:
                stage.action, stage.reason, stage.params = "restart", why, self._settings(ours=self.ours)
        elif self.config["provision_reboot"]:
            stage.waits.append("The connection is local, so a restart would end this run with the host: restart it by hand and run again.")
        else:
            stage.waits.append("Restart it when it suits, or set provision_reboot=true; the next run goes on from there.")

    def _busy(self) -> list[str]:
        """Who uses a GPU, for a sentence."""
        return nvidia_present.busy(self.driver, len(self.gpus))

    def _settings(self, ours: bool) -> dict[str, Any]:
        """What every action of this role may have to set; around a driver that is not ours, nothing."""
        driver = self.driver
        nouveau = any(kernel["nouveau"] for kernel in driver["kernels"]["known"].values())
        foreign_off = driver["nouveau"]["off"] not in ("", NOUVEAU_FILE)
        return {
            "ours": ours,
            "hold_enabled": self.config["nvidia_driver_hold"],
            "hold_file": {"path": HOLD_FILE, "text": HOLD_TEXT},
            "nouveau": {"path": NOUVEAU_FILE, "text": NOUVEAU_TEXT} if nouveau and not foreign_off else None,
            "initramfs": bool(driver["kernels"]["initramfs"]),
            "persistence": bool(self.gpus) and self.config["nvidia_driver_persistence"],
            "live": self.live,
            "restart_timeout": self.config["provision_reboot_timeout"],
            "running": driver["kernels"]["running"],
            "kernels": self.kernels,
            "sets": [],
            "hold": [],
            "unhold": [],
            "source": "",
            "changes_driver": False,
        }
