"""The NVIDIA driver: kept where it can run the stack, installed where there is none, replaced only when told to."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.apt import nvidia_repository
from ansible_collections.codetr.provision.plugins.module_utils.gpu import table as gpu_table
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import package_sets as nvidia_sets
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import present as nvidia_present
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.keep import Keeping
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.planning import HOLD_FILE, NOUVEAU_FILE, before_of
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage

# For NVIDIA's repository and its runfile; a distribution's own packages need nothing.
APT = ("aria2", *nvidia_repository.APT)


def ask(config: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Which packages apt is asked about, which files are ours, and whether to ask where no GPU is."""
    return {
        "candidates": nvidia_sets.templates(ctx.local["nvidia_driver"]["packages"]),
        "kernels": config["nvidia_driver_kernels"],
        "always": config["nvidia_driver_without_gpu"],
        "files": [HOLD_FILE, NOUVEAU_FILE, before_of(ctx)],
        "paths": ["/usr"],
    }


def plan(state: dict[str, Any], config: dict[str, Any], ctx: Context) -> Stage:
    """Keep, install, replace, repair, load, restart; every reason against it is a problem before anything is touched."""
    return _Driver(state, config, ctx).make()


def version_after(stage: Stage, state: dict[str, Any], config: dict[str, Any], ctx: Context) -> str:
    """The driver that the host has once the stage is done, which packages go by: empty for none, and a branch's newest when one comes."""
    branch = stage.params.get("branch")
    return f"{branch}.999" if branch else str((_Driver(state, config, ctx).have or {}).get("version") or "")


class _Driver(Keeping):
    """The whole plan of the stage."""

    def make(self) -> Stage:
        """The stage."""
        stage, config = self.stage, self.config
        if self.live and self.have and not self.ours and nvidia_present.libraries_only(self.driver, self.have):
            self.have, self.libraries = None, self.have
        if self.have:
            stage.version = f"driver {self.have['version'] or 'of unknown version'}"
        if not config["nvidia_driver_manage"]:
            return self._skip("nvidia_driver_manage is false")
        if self.ctx.refused:
            return self._skip("the stack does not fit this host")
        if self.ctx.stack["compute"] == "cpu" and not (config["nvidia_driver_without_gpu"] and not self.gpus):
            return self._skip("stack cpu uses no GPU" if self.gpus else self.ctx.no_gpu)
        if not self.gpus and not config["nvidia_driver_without_gpu"]:
            return self._skip(self.ctx.no_gpu)
        if self.have is None:
            there = f" (of {self.libraries['version']} there are libraries only)" if self.libraries else ""
            none = f"there is no driver for {gpu_table.labels(self.gpus)}{there}"
            self._install("install", none if self.gpus else "asked for without a GPU")
        else:
            self._with_driver(self.have)
        self._fabric()
        return stage

    def _fabric(self) -> None:
        """Where GPUs are joined by NVSwitch, CUDA starts only with the fabric manager, and that must be of the driver's very version."""
        if not self.live or not self.driver.get("switches"):
            return
        packages = self.driver["packages"]
        have = next((entry["version"] for name, entry in packages.items() if re.fullmatch(r"nvidia-fabricmanager(?:-\d+)?", name)), None)
        version = (self.have or {}).get("version")
        if have is None or version is None or version not in have:
            self.stage.warnings.append(
                "The GPUs here are joined by NVSwitch: CUDA ends with error 802 until nvidia-fabricmanager runs, of exactly the driver's "
                f"version, and {f'it is {have}' if have else 'it is not installed'}. Install it from where the driver comes from, and "
                "enable nvidia-fabricmanager.service."
            )
