"""A driver is to be installed: which branch, from where, by which packages, and everything that stands against it."""

from __future__ import annotations

from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.apt import nvidia_repository
from ansible_collections.codetr.provision.plugins.module_utils.apt import sources as apt_sources
from ansible_collections.codetr.provision.plugins.module_utils.gpu import table as gpu_table
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import package_sets as nvidia_sets
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import present as nvidia_present
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import ways as nvidia_ways
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.planning import (
    CPU_FIX,
    NOUVEAU_WAITS,
    PACKAGE_BYTES,
    RUNFILE_BYTES,
    SOURCES,
    Planning,
)
from ansible_collections.codetr.provision.plugins.module_utils.stack import choose as stacks


class Installing(Planning):
    """The part of the plan that brings a driver to a host."""

    def _branches(self, least: int, exact: int | None) -> list[int]:
        """The branches to try, best first."""
        wanted = self._requested_branch()
        if exact is not None:
            return [exact]
        if wanted is not None:
            return [wanted]
        named = self.ctx.stack.get("drivers") or [470]
        return [branch for branch in [*self._of_libraries(), *named] if branch >= least]

    def _of_libraries(self) -> list[int]:
        """The branch that libraries without a driver are of, where it can be installed: what needs them stays."""
        version = (self.libraries or {}).get("version")
        if not version or stacks.variant_for(self.ctx.stack, self.gpus, version) is None:
            return []
        branch = gpu_table.branch_of(version)
        drives = all(gpu_table.drives(branch, gpu) for gpu in self.gpus)
        return [branch] if drives and self._sets("distribution", branch, self._open()) else []

    def _install(self, action: str, reason: str, least: int = 0, exact: int | None = None) -> None:
        stage = self.stage
        stage.action, stage.reason = action, reason
        if self.gpus and not self.driver["kernels"]["ours"] and not self.config["nvidia_driver_without_gpu"] and action != "repair":
            where = f"a {self.container} container" if self.container else "a system whose kernel comes from outside"
            beneath = (self.driver["loaded"] or {}).get("version")
            stage.problem(
                f"This is {where}, with {gpu_table.labels(self.gpus)}: its driver belongs on the machine beneath"
                + (f", where {beneath} is loaded, and its CUDA library was not handed in." if beneath else "."),
                f"{'Hand' if beneath else 'Install the driver there and hand'} the GPU in (podman and docker: --gpus all), "
                f"or else {CPU_FIX}.",
            )
            return
        # A repair first tries to leave the driver as it is, and asks once more before it does anything else.
        busy = self._busy() if self.live and action != "repair" else []
        if busy:
            stage.problem(
                f"A GPU is in use by {', '.join(busy)}, and the driver would change under it.", "End what uses the GPU, then run again."
            )
        virtual = [gpu for gpu in self.gpus if gpu["virtual"]]
        if virtual:
            stage.problem(
                f"{gpu_table.labels(virtual)} is a vGPU of a hypervisor; the drivers that can be installed here do not drive it.",
                f"Install the guest driver that belongs to that hypervisor; it is kept from then on. Or else {CPU_FIX}.",
            )
            return
        branch, usable, source = self._choose(self._branches(least, exact))
        if branch is None:
            return
        version = self.table["branches"].get(branch, "?")
        stage.version = f"driver {branch} (CUDA {version})"
        stage.params = {
            **self._settings(ours=True),
            "sets": [*({**each, "changes": False} for each in usable), *usable] if action == "repair" else usable,
            "choices": self._choices(action, usable),
            "source": source,
            "branch": branch,
            "kernels": self.kernels,
            "changes_driver": self.live and self.driver["loaded"] is not None,
        }
        stage.disk = [{"path": "/usr", "bytes": RUNFILE_BYTES if source == "runfile" else PACKAGE_BYTES}]
        self._from(source, branch, usable)
        stage.before = {"driver": (self.have or {}).get("version")}
        stage.after = {"driver": stage.version, "source": source, "kernels": self.kernels, "packages": usable[0]["packages"]}
        stage.reason += f"; {nvidia_ways.origin(branch, source, usable[0], self._open())}"
        if self.passed:
            stage.reason += f". Passed over: {', '.join(f'{what} ({why})' for what, why in nvidia_ways.passed_over(self.passed))}"
        stage.warnings += [text for text in [nvidia_ways.old_key(self.driver["sources"])] if text]
        loaded = (self.driver["loaded"] or {}).get("version")
        if self.live and self.driver["nouveau"]["loaded"]:
            self._wait(NOUVEAU_WAITS)
        elif self.live and loaded and (action == "replace" or gpu_table.branch_of(loaded) != branch):
            self._wait(f"the module of {loaded} stays loaded until then")

    def _choices(self, action: str, sets: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The sets as codetr_apt_choose takes them. A repair tries to leave the versions of what is there as they are."""
        plain = [self._choice(each) for each in sets]
        if action != "repair":
            return plain
        there = {name: f"{name}={entry['version']}" for name, entry in self.driver["packages"].items()}
        same = [{**each, "packages": [there.get(name, name) for name in each["packages"]], "leave": True} for each in plain]
        return [*same, *plain]

    def _choice(self, each: dict[str, Any]) -> dict[str, Any]:
        """A set as codetr_apt_choose takes it: everything that is asked for by name."""
        # NVIDIA's installer brings a daemon of its own, without a unit.
        asked = each["how"] != "runfile" and self.config["nvidia_driver_persistence"]
        daemon = asked and self.gpus and self.state["os"]["id"] == "debian"
        names = [*each["packages"], *each["headers"], *(["nvidia-persistenced"] if daemon else [])]
        return {"packages": names, "lead": each["lead"], "branch": str(each["branch"]), "suite": each["suite"] or ""}

    def _choose(self, branches: list[int]) -> tuple[int | None, list[dict[str, Any]], str]:
        """The first branch that drives the host's GPUs, can run the stack and is offered by a source."""
        stage, system, option = self.stage, self.state["os"], self.config["nvidia_driver_source"]
        drive = [branch for branch in branches if all(gpu_table.drives(branch, gpu) for gpu in self.gpus)]
        if not drive:
            self._no_branch(branches)
            return None, [], ""
        runs = [branch for branch in drive if not self.gpus or stacks.variant_for(self.ctx.stack, self.gpus, f"{branch}.999")]
        if not runs:
            stage.problem(
                f"Driver {drive[0]} can drive {gpu_table.labels(self.gpus)}, but stack {self.ctx.stack['name']} needs "
                f"{stacks.least_driver(self.ctx.stack, self.gpus)} or newer.",
                "Set nvidia_driver_branch to auto or to a newer branch.",
            )
            return None, [], ""
        open_ = self._open()
        # Over a driver that came by NVIDIA's installer, packages would break both.
        auto = ("runfile",) if self.have and self.have["whose"] == nvidia_present.RUNFILE else ("distribution", "nvidia")
        sources = auto if option == "auto" else (option,)
        if stage.action == "repair" and self.have and self.have["whose"] in SOURCES:
            sources = (self.have["whose"],)
        for branch in runs:
            for source in sources:
                usable, why = self._usable(self._sets(source, branch, open_), self.kernels)
                if usable:
                    # Of the branch itself, only what it comes from instead is worth a word.
                    self.passed = [each for each in self.passed if each[0] != branch]
                    return branch, usable, source
                if why:
                    self.passed.append((branch, source, why))
        if self.passed:
            what = " ".join(f"Driver {what} cannot be installed: {why}." for what, why in nvidia_ways.passed_over(self.passed))
            # What is least in the way of any of them is what to do something about.
            kinds = min((set(why) - {"prebuilt"} for _, _, why in self.passed), key=len)
            stage.problem(what, self._fix(kinds, runs[0]))
            return None, [], ""
        names = nvidia_ways.listed([str(branch) for branch in runs])
        stage.problem(
            f"{system['name']} has no packages of driver {names}{' with open modules' if open_ else ''} "
            f"from {'any source' if option == 'auto' else nvidia_ways.FROM[option]} that is known here.",
            "Set nvidia_driver_branch or nvidia_driver_source to another, or install a driver yourself: any that fits is kept.",
        )
        return None, [], ""

    def _sets(self, source: str, branch: int, open_: bool) -> list[dict[str, Any]]:
        system, table = self.state["os"], self.table
        if source == "distribution":
            return nvidia_sets.of_distribution(system, table, self.driver, branch, self.kernels, open_)
        if source == "nvidia":
            known = nvidia_repository.distribution(self.state)
            return nvidia_sets.of_nvidia(system, table, self.driver, branch, self.kernels, open_) if known else []
        entry = table["runfile"].get(branch)
        return [nvidia_sets.of_runfile(system, table, self.driver, branch, self.kernels, entry)] if entry and not open_ else []

    def _no_branch(self, branches: list[int]) -> None:
        wanted, gpus = self._requested_branch(), self.gpus
        cannot = [gpu for gpu in gpus if not any(gpu_table.drives(branch, gpu) for branch in branches)] or gpus
        first = max((gpu["first"] or 0 for gpu in gpus), default=0)
        last = min((gpu["last"] or 9999 for gpu in gpus), default=9999)
        if first > last:
            self.stage.problem(
                f"No driver drives all GPUs of this host: {gpu_table.labels(gpus)}.",
                f"Set codetr_stack=cpu, or {stacks.IGNORE_FIX}.",
            )
        elif wanted is not None:
            least = max(first, gpu_table.branch_of(stacks.least_driver(self.ctx.stack, gpus)))
            span = f"{least} or newer" if last == 9999 else f"{least} to {last}"
            self.stage.problem(
                f"Driver {wanted} cannot drive {gpu_table.labels(cannot)}.", f"Set nvidia_driver_branch to auto, or to a branch of {span}."
            )
        else:
            self.stage.problem(
                f"None of the drivers that stack {self.ctx.stack['name']} is installed with ({', '.join(map(str, branches)) or 'none'}) "
                f"drives {gpu_table.labels(cannot)}.",
                f"Set nvidia_driver_branch to a branch that does, or else {CPU_FIX}.",
            )

    def _usable(self, sets: list[dict[str, Any]], kernels: list[str]) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """The sets without those that this host's kernels, secure boot or apt rule out, and the reasons against these, by kind."""
        boot, known = self.driver["kernels"], self.driver["candidates"]
        left, why = [], {}
        for each in sets:
            new = nvidia_sets.too_new(kernels, each["kernel_last"])
            gone = self._headers_gone(each)
            if each["suite"] and not apt_sources.names_suite(self.driver["sources"], each["suite"]):
                continue
            if new:
                it = f"the package of {each['suite']}" if each["suite"] else "it"
                why["kernel"] = f"kernel {', '.join(new)} is newer than {each['kernel_last']}, the last that {it} was tested with"
            elif each["how"] != "prebuilt" and boot["secure_boot"] and self.live and boot["mok"] is not True:
                why["secure"] = "secure boot is on, and a module that is compiled here carries no signature that this machine accepts"
            elif each["how"] == "prebuilt" and known and set(each["modules"]) - set(known):
                why["prebuilt"] = f"there are no prebuilt modules of it for kernel {', '.join(kernels)}"
            elif known and gone:
                why["headers"] = f"the archive no longer has {', '.join(gone)}, for a kernel that is installed"
            else:
                left.append(each)
        return left, why

    def _headers_gone(self, each: dict[str, Any]) -> list[str]:
        known = self.driver["candidates"]
        return [name for name in each["headers"] if name not in known and nvidia_sets.EXACT_HEADERS.match(name)]

    def _fix(self, kinds: set[str], branch: int) -> str:
        system, boot = self.state["os"], self.driver["kernels"]
        debian = self.table["debian"].get(system["version"], {}) if system["id"] == "debian" else {}
        said = []
        if "secure" in kinds:
            said.append(nvidia_ways.secure_boot(boot, system))
        if "kernel" in kinds:
            suites = [
                each["suite"]
                for each in debian.get(branch, [])
                if each.get("suite") and not nvidia_sets.too_new(self.kernels, each["kernel_last"])
            ]
            newer = [each for each in self.table["branches"] if each > branch and all(gpu_table.drives(each, gpu) for gpu in self.gpus)]
            ways = [*(f"add {suite} to the apt sources" for suite in suites), "boot an older kernel and remove the newer one"]
            if newer and self._requested_branch() is not None:
                ways.append("set nvidia_driver_branch to auto, which takes the first that fits")
            said.append(", or ".join(filter(None, (", ".join(ways[:-1]), ways[-1]))))
        if "headers" in kinds:
            flavour, last = nvidia_ways.flavour_of(self.driver, system), self.kernels[-1]
            there = boot["known"].get(last, {}).get("headers") or f"linux-headers-{last}" in self.driver["candidates"]
            said.append(
                f"restart the host into kernel {last}, which is installed, and run again"
                if last != boot["running"] and there
                else f"install the current kernel (apt-get install linux-image-{flavour} linux-headers-{flavour}), restart, and run again"
            )
        text = "; ".join(said) or "set nvidia_driver_source to another source"
        return f"{text[0].upper()}{text[1:]}; or else {CPU_FIX}."

    def _from(self, source: str, branch: int, sets: list[dict[str, Any]]) -> None:
        """What the source itself needs: components, a repository, an installer."""
        stage, system = self.stage, self.state["os"]
        params = stage.params
        params.update(sources=[], repository=None, record=None)
        if source == "distribution" and system["id"] == "debian" and sets:
            codename = self.table["debian"][system["version"]]["codename"]
            edits = apt_sources.with_components(self.driver["sources"], codename, sets[0]["components"])
            # Whatever the archive is called here, apt knows the driver by it.
            edits = {} if edits is None and sets[0]["lead"] in self.driver["candidates"] else edits
            if edits is None:
                stage.problem(
                    "No apt source of the Debian archive was found on this host, so its components cannot be added.",
                    f"Add one with the components {' '.join(sets[0]['components'])}, or set nvidia_driver_source.",
                )
            params["sources"] = [
                {"path": path, "text": text, "before": self.driver["sources"][path], "mode": self.driver["source_modes"].get(path, "0644")}
                for path, text in (edits or {}).items()
            ]
        elif source == "nvidia":
            names = "nvidia-* libnvidia-* cuda-drivers* libcuda1 cuda-compat*"
            params["repository"] = nvidia_repository.params(self.state, self.config, self.ctx, "nvidia_driver", 600, names)
            stage.needs = list(params["repository"]["needs"])
            stage.apt = self._lacking("aria2", *nvidia_repository.APT)
            stage.stand_in = bool(params["repository"]["key"].get("stand_in"))
        elif source == "runfile":
            record = self.ctx.artifacts[self.table["runfile"][branch]["record"]]
            installer = f"{self.ctx.prefix}/cache/{record['urls'][0].rsplit('/', 1)[-1]}"
            params.update(record=record, installer=installer, unpacked=self._unpacked(), arguments=self._arguments())
            stage.needs = [{"url": url, "why": "the driver's installer"} for url in record["urls"]]
            stage.apt = self._lacking("aria2", "ca-certificates")
            stage.disk.append({"path": self.ctx.prefix, "bytes": record.get("size") or 300_000_000})
            stage.stand_in = bool(record.get("stand_in"))

    def _lacking(self, *names: str) -> list[str]:
        return [name for name in names if self.state["apt"].get(name) is None]

    def _unpacked(self) -> str:
        """The folder in which the installer unpacks itself, of its own, so that nothing stays of one that was killed."""
        return f"{self.ctx.prefix}/cache/nvidia-driver"

    def _arguments(self) -> list[str]:
        """NVIDIA's installer, silent and headless; DKMS, so that the next kernel gets a module too.

        Without ``--no-drm`` it ends by loading nvidia-drm, and fails where that cannot be: nouveau has the GPU, or there is none.
        """
        kernel = self.kernels[-1] if self.kernels else ""
        named = [f"--kernel-name={kernel}", f"--kernel-source-path=/lib/modules/{kernel}/build"] if kernel else []
        return [
            "--silent", "--dkms", "--no-drm", "--no-x-check", "--no-nouveau-check", "--no-opengl-files", "--no-install-compat32-libs",
            f"--tmpdir={self._unpacked()}", *named,
        ]  # fmt: skip
