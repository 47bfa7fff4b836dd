"""A driver is there: whether it can run the stack, what it lacks, what waits for a restart."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.gpu import table as gpu_table
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import package_sets as nvidia_sets
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import present as nvidia_present
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import ways as nvidia_ways
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.install import Installing
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.planning import (
    CPU_FIX,
    HOLD_FILE,
    HOLD_TEXT,
    NOUVEAU_FILE,
    NOUVEAU_WAITS,
    PACKAGE_BYTES,
    SOURCES,
)
from ansible_collections.codetr.provision.plugins.module_utils.stack import choose as stacks

# Signers that every machine with secure boot accepts; all others are a machine's own key, enrolled or not.
DISTRIBUTIONS_KEYS = r"Canonical Ltd\.|Debian Secure Boot"


class Keeping(Installing):
    """The part of the plan that deals with the driver of a host."""

    def _with_driver(self, have: dict[str, Any]) -> None:
        stage, config = self.stage, self.config
        version = have["version"]
        if version is None:
            stage.problem(
                f"There is a driver ({nvidia_present.WHOSE[have['whose']]}), and its version cannot be told.",
                "Run playbooks/status.yml with -e provision_status_deep=true to see what answers, "
                "or leave it alone with nvidia_driver_manage=false.",
            )
            return
        branch, wanted = gpu_table.branch_of(version), self._requested_branch()
        # A GPU that the loaded driver has taken is one that it drives, whatever the table says.
        cannot = [gpu for gpu in self.gpus if not gpu_table.drives(branch, gpu) and not (have["loaded"] and gpu["driver"] == "nvidia")]
        fits = not cannot and (not self.gpus or stacks.variant_for(self.ctx.stack, self.gpus, version) is not None)
        told = f"driver {version}, {nvidia_present.WHOSE[have['whose']]}"
        if have["broken"]:
            self._repair_broken(have, told)
        elif wanted is not None and wanted < branch and config["nvidia_driver_replace"]:
            offered = any(self._sets(source, wanted, self._open()) for source in SOURCES)
            stage.problem(
                f"nvidia_driver_branch={wanted} would replace the newer {told}; a driver is never downgraded.",
                "Leave nvidia_driver_branch at auto: the newer driver runs what the older one does"
                + (". Or remove it yourself and run again." if offered else f", and no packages of {wanted} are known here."),
            )
        elif wanted is not None and wanted > branch and config["nvidia_driver_replace"]:
            self._replace(have, f"nvidia_driver_replace asks for {wanted} in the place of {told}")
        elif not fits:
            self._does_not_fit(have, told, cannot)
        else:
            stage.reason = f"{told}, can run stack {self.ctx.stack['name']} and stays" if self.gpus else f"{told}, is there"
            if wanted is not None and wanted > branch:
                stage.reason += f"; nvidia_driver_branch={wanted} would take its place with nvidia_driver_replace=true"
            elif wanted is not None and wanted < branch:
                stage.reason += f"; the older {wanted} of nvidia_driver_branch is not needed"
            self._keep(have)

    def _does_not_fit(self, have: dict[str, Any], told: str, cannot: list[dict[str, Any]]) -> None:
        name = self.ctx.stack["name"]
        least = stacks.least_driver(self.ctx.stack, self.gpus)
        why = f"it cannot drive {gpu_table.labels(cannot)}" if cannot else f"stack {name} needs {least} or newer"
        if have["whose"] == nvidia_present.OUTSIDE:
            self.stage.problem(
                f"The {told}, does not fit: {why}.",
                f"Change it where it comes from (the machine beneath, the cloud's image, the container's runtime), or else {CPU_FIX}.",
            )
        elif not self.config["nvidia_driver_replace"]:
            self.stage.problem(
                f"The {told}, does not fit: {why}. It is not replaced unless you say so.",
                f"Set nvidia_driver_replace=true to have it replaced, or else {CPU_FIX}.",
            )
        else:
            self._replace(have, f"{told}, does not fit: {why}")

    def _replace(self, have: dict[str, Any], reason: str) -> None:
        stage = self.stage
        if have["whose"] == nvidia_present.OUTSIDE:
            stage.problem(
                f"Driver {have['version']} comes {nvidia_present.WHOSE['outside']}; it cannot be replaced from here.",
                "Change it where it comes from, or set nvidia_driver_replace=false to keep it.",
            )
        elif have["whose"] == nvidia_present.RUNFILE:
            stage.problem(
                f"Driver {have['version']} came by NVIDIA's installer (runfile); packages over it break both.",
                "Run `nvidia-uninstall` on the host first, or set nvidia_driver_replace=false to keep it.",
            )
        by_us = set(self.remembered.get("held", []))
        held = [name for name in nvidia_present.closure(self.driver) if self.driver["packages"][name]["hold"] and name not in by_us]
        if held:
            stage.warnings.append(f"These are held on the host, and change all the same, as nvidia_driver_replace asks: {' '.join(held)}.")
        self._install("replace", reason, least=gpu_table.branch_of(have["version"]))

    def _repair_broken(self, have: dict[str, Any], told: str) -> None:
        names = ", ".join(have["broken"][:3]) + (" ..." if len(have["broken"]) > 3 else "")
        if not self.ours:
            self.stage.problem(
                f"Packages of {told}, are not configured to the end: {names}.",
                "Run `sudo dpkg --configure -a` on the host and look at what it says, then run again.",
            )
            return
        branch = gpu_table.branch_of(have["version"])
        self._install("repair", f"an earlier installation stopped before {names} was configured", exact=branch)

    def _keep(self, have: dict[str, Any]) -> None:
        stage, name = self.stage, self.ctx.stack["name"]
        works = have["loaded"] is not None and not have["drift"]
        if self.live and self.driver["library"] is None:
            self._without_library(have)
            return
        if self.half and self.ours and (have["missing"] or not self._all_there()):
            self._install("repair", "an earlier installation was cut short", exact=gpu_table.branch_of(have["version"]))
            return
        if have["missing"]:
            kernels = ", ".join(have["missing"])
            if self.ours and have["dkms"]:
                self._complete(have, kernels)
                return
            if self.ours:
                self._install("repair", f"{stage.version} has no module for kernel {kernels}", exact=gpu_table.branch_of(have["version"]))
                return
            if self.live and not works:
                self._complete(have, kernels)
                return
            if self.live:
                stage.warnings.append(
                    f"{stage.version} has no module for kernel {kernels}, which boots next; it stops working then. "
                    + nvidia_ways.next_kernel(have, self.driver, have["missing"][-1])
                )
        if self.ours:
            self._configure()
        if self.half and self.ours and not stage.todo:
            stage.action, stage.reason = "configure", "an earlier installation was cut short before its receipt was written"
        if self.live:
            self._bring_up(have)
        if self.live and have["whose"] == nvidia_present.OUTSIDE and have["loaded"] is None:
            stage.problem(
                f"There is a CUDA library {have['library'] or ''} from outside this system and no module is loaded, "
                f"so stack {name} finds no GPU.",
                f"Load the module where it belongs, or else {CPU_FIX}.",
            )

    def _all_there(self) -> bool:
        """Whether an installation that was cut short had brought all that it asked for; then nothing of the driver is touched again."""
        asked = self.before.get("named")
        return asked is not None and all(name in self.driver["packages"] for name in asked if re.match(r"(?:lib)?nvidia|cuda", name))

    def _without_library(self, have: dict[str, Any]) -> None:
        """A driver whose module may work, and that no CUDA program can use."""
        branch = gpu_table.branch_of(have["version"])
        if self.ours:
            self._install("repair", f"{self.stage.version} lacks its CUDA library", exact=branch)
            return
        name = f"libnvidia-compute-{branch}" if self.state["os"]["id"] == "ubuntu" else "libcuda1"
        self.stage.problem(
            f"Driver {have['version']}, {nvidia_present.WHOSE[have['whose']]}, has no CUDA library (libcuda.so.1).",
            f"Install it in the way that the driver came (with the distribution's packages that is {name}), or else {CPU_FIX}.",
        )

    def _complete(self, have: dict[str, Any], kernels: str) -> None:
        """A driver that nothing is wrong with but a module: its own kind of module for the kernels that lack it, and nothing else."""
        stage, system = self.stage, self.state["os"]
        whose = "" if self.ours else f", {nvidia_present.WHOSE[have['whose']]},"
        what = f"driver {have['version']}{whose} has no module for kernel {kernels}"
        each = nvidia_sets.completion(system, self.table, self.driver, have)
        if each is None:
            stage.problem(f"The {what}.", f"{nvidia_ways.next_kernel(have, self.driver, have['missing'][-1])} Or else {CPU_FIX}.")
            return
        usable, why = self._usable([each], have["missing"])
        if not usable:
            stage.problem(f"The {what}, and it cannot get one: {'; '.join(why.values())}.", self._fix(set(why), each["branch"]))
            return
        brings = nvidia_ways.listed(each["headers"], "and") + " let DKMS build one" if each["headers"] else "DKMS builds one"
        if each["how"] == "prebuilt":
            brings = f"{nvidia_ways.listed(each['packages'], 'and')} {'bring' if len(each['packages']) > 1 else 'brings'} one"
        stage.action, stage.reason = "repair", f"{what}; {brings}"
        stage.params = {
            **self._settings(ours=self.ours),
            "sets": usable,
            "choices": [
                {"packages": [*each["packages"], *each["headers"]], "lead": "", "branch": str(each["branch"]), "suite": "", "leave": True}
            ],
            "source": "distribution",
            "branch": each["branch"],
            "sources": [],
            "repository": None,
            "record": None,
        }
        stage.disk = [{"path": "/usr", "bytes": PACKAGE_BYTES}]
        stage.before = {"kernels without a module": have["missing"]}
        stage.after = {"kernels": self.kernels, "packages": [*each["packages"], *each["headers"]]}

    def _configure(self) -> None:
        """What is ours besides the packages: holds, the file for unattended upgrades, nouveau, the persistence daemon."""
        stage, driver = self.stage, self.driver
        closure = nvidia_present.closure(driver)
        held = {name for name, entry in driver["packages"].items() if entry["hold"]}
        hold, by_us = self.config["nvidia_driver_hold"], set(self.remembered.get("held", []))
        params = self._settings(ours=True)
        params["hold"] = sorted(set(closure) - held) if hold else []
        params["unhold"] = [] if hold else sorted(by_us & held)
        todo = {
            "packages to hold": params["hold"],
            "packages to release": params["unhold"],
            HOLD_FILE: driver["files"].get(HOLD_FILE) != (HOLD_TEXT if hold else None),
            "nouveau": driver["files"].get(NOUVEAU_FILE) is None and params["nouveau"],
            "the persistence daemon": driver["persistence"]["unit"] and driver["persistence"]["enabled"] != params["persistence"],
        }
        differs = [f"{name} ({', '.join(value)})" if isinstance(value, list) else name for name, value in todo.items() if value]
        stage.params = params
        if differs:
            stage.action, stage.reason = "configure", f"{stage.version} is there; to be set: {nvidia_ways.listed(differs, 'and')}"
            stage.after = {"driver": stage.version, "changes": differs}

    def _bring_up(self, have: dict[str, Any]) -> None:
        """From installed to working: load the module, or say that a restart is waited for."""
        stage, driver = self.stage, self.driver
        running = driver["kernels"]["running"]
        module = driver["modules"].get(running)
        if have["drift"]:
            self._wait(
                f"the loaded module is {have['loaded']} and the library {have['library']}: an upgrade ran without a restart, "
                "and nvidia-smi says 'Driver/library version mismatch' until one"
            )
            names = [name for name in nvidia_present.closure(driver) if not driver["packages"][name]["hold"]]
            if names and driver["unattended"] and not self.ours:
                stage.warnings.append(
                    "Unattended upgrades may bring another library under the loaded module at any time: "
                    f"`sudo apt-mark hold {' '.join(names)}` keeps this driver as it is."
                )
        elif have["loaded"] is not None and module and module["version"] and module["version"] != have["loaded"]:
            self._wait(f"the loaded module is {have['loaded']}, the one on disk {module['version']}")
        elif have["loaded"] is None and have["whose"] != nvidia_present.OUTSIDE:
            if driver["nouveau"]["loaded"]:
                self._wait(NOUVEAU_WAITS)
            elif module is None:
                self._wait(f"the module is there for kernel {', '.join(driver['modules']) or 'none'}, and {running} runs")
            elif self._refused_by_secure_boot(module):
                stage.problem(
                    f"Secure boot is on, and the module {module['path']} has no signature that this machine accepts.",
                    "Enroll the key that DKMS signs with (`mokutil --import`, then confirm at the console), use Ubuntu's signed modules "
                    "(nvidia_driver_source=distribution), or switch secure boot off.",
                )
            elif not stage.todo:
                stage.action, stage.reason = "load", f"{stage.version} is installed and its module is not loaded"
                stage.params = self._settings(ours=self.ours)

    def _refused_by_secure_boot(self, module: dict[str, Any]) -> bool:
        boot = self.driver["kernels"]
        trusted = re.match(DISTRIBUTIONS_KEYS, module["signed"] or "") is not None
        return bool(boot["secure_boot"]) and not trusted and boot["mok"] is not True
