"""Hosts out of ``replays/*.yml``: what people reported, unpacked to a tree that the probe reads like the host itself, and planned."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.codetr.provision.plugins.module_utils import planner
from ansible_collections.codetr.provision.plugins.module_utils.host import capture
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.modules.codetr_probe import look
from ansible_collections.codetr.provision.plugins.plugin_utils.base import refusal
from hostfacts import known, wanted

FOLDER = Path(__file__).with_name("replays")
# What `--tags nvidia_driver,cuda_toolkit` carries out; what the other stages lack is not what was complained about.
STAGES = ("preflight", "stack", "nvidia_driver", "cuda_toolkit")
WANTED = {"i": "install", "h": "hold", "r": "deinstall", "p": "purge", "u": "unknown"}
STATES = {"i": "installed", "F": "half-configured", "U": "unpacked", "H": "half-installed", "c": "config-files"}
DPKG_LINE = re.compile(
    r"(?P<wanted>[ihrpu])(?P<state>[iFUHc])\s+(?P<name>\S+)\s+(?P<version>\S+)\s+(?P<arch>\S+)(?:\s+(?P<maintainer>.+))?"
)
LSPCI_LINE = re.compile(r"(?P<address>[0-9a-f]{4}:\S+) .*\[(?P<class>[0-9a-f]{4})\]: .*\[(?P<vendor>[0-9a-f]{4}):(?P<device>[0-9a-f]{4})\]")


class AptHost(Host):
    """A replayed host whose ``apt-cache policy`` answers for the names that it is asked about, out of one text."""

    def __init__(self, host: Host, policy: str) -> None:
        super().__init__(host.root, host.recorded)
        self.policy = {text.partition(":")[0]: text for text in re.split(r"\n(?=\S)", policy.strip()) if text}
        self.asked: set[str] = set()

    def run(self, argv: list[str], seconds: float = 20, cwd: str | None = None, env: dict[str, str] | None = None) -> dict[str, Any]:
        if argv[:2] != ["apt-cache", "policy"]:
            return super().run(argv, seconds, cwd, env)
        self.asked |= set(argv[2:])
        return {"rc": 0, "out": "".join(f"{self.policy[name]}\n" for name in argv[2:] if name in self.policy), "err": ""}


def names() -> list[str]:
    """The replayed hosts."""
    return sorted(path.stem for path in FOLDER.glob("*.yml"))


def read(name: str) -> dict[str, Any]:
    """A host's file over its distribution's over what all have, as one capture.

    Beside that of a capture it has ``complaint`` with ``urls`` of threads, or ``situation`` where no thread is about it, ``config``, and
    ``expect``: ``{"stack", "action", "problems": how many, "says": [...], "says_not", "sets", "suite", "params"}``.
    """
    own = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    layers = [yaml.safe_load((FOLDER / "base" / f"{base}.yml").read_text(encoding="utf-8")) for base in ("common", own["base"])]
    whole: dict[str, Any] = {"commands": {}}
    for layer in [*layers, own]:
        for key, value in layer.items():
            whole[key] = {**whole.get(key, {}), **value} if isinstance(value, dict) else value
    files = {
        **{path: entry for release, kernel in whole.get("kernels", {}).items() for path, entry in _kernel(release, kernel).items()},
        **gpus(whole.get("lspci", "")),
        "/var/lib/dpkg/status": status(whole.get("dpkg", ""), whole["maintainer"]),
        **whole["files"],
    }
    # A path that a layer sets to nothing is not on this host.
    return {**whole, "files": {path: entry for path, entry in files.items() if entry is not None}}


def status(text: str, maintainer: str) -> str:
    """dpkg's status file from lines as ``dpkg -l`` prints them; a package that is not the distribution's has its maintainer at the end."""
    paragraphs = ["Package: ca-certificates\nStatus: install ok installed\nMaintainer: -\nArchitecture: all\nVersion: 2024\n"]
    for line in text.splitlines():
        found = DPKG_LINE.fullmatch(line.strip())
        assert found, f"not a line of dpkg -l: {line}"
        paragraphs.append(
            f"Package: {found['name']}\nStatus: {WANTED[found['wanted']]} ok {STATES[found['state']]}\nPriority: optional\n"
            f"Maintainer: {found['maintainer'] or maintainer}\nArchitecture: {found['arch']}\nVersion: {found['version']}\n"
        )
    return "\n".join(paragraphs)


def gpus(text: str) -> dict[str, Any]:
    """sysfs from what ``lspci -Dnnk`` prints."""
    files: dict[str, Any] = {}
    at = ""
    for line in text.splitlines():
        head = LSPCI_LINE.match(line)
        subsystem = re.search(r"Subsystem: .*\[([0-9a-f]{4}):([0-9a-f]{4})\]", line)
        used = re.search(r"Kernel driver in use: (\S+)", line)
        if head:
            at = f"/sys/bus/pci/devices/{head['address']}"
            files |= {f"{at}/{key}": f"0x{head[key]}\n" for key in ("vendor", "device")} | {f"{at}/class": f"0x{head['class']}00\n"}
        elif subsystem:
            files |= {f"{at}/subsystem_vendor": f"0x{subsystem[1]}\n", f"{at}/subsystem_device": f"0x{subsystem[2]}\n"}
        elif used:
            files |= {f"{at}/driver": {"link": f"../../../bus/pci/drivers/{used[1]}"}}
    return files


def _kernel(release: str, kernel: dict[str, Any]) -> dict[str, Any]:
    """An installed kernel: image, initramfs, modules.dep, and its headers where it has them."""
    files: dict[str, Any] = {
        f"/boot/vmlinuz-{release}": "",
        f"/boot/initrd.img-{release}": "",
        f"/lib/modules/{release}/modules.dep": "".join(f"{line}\n" for line in kernel.get("modules", [])),
    }
    if kernel.get("headers"):
        source = f"/usr/src/linux-headers-{release}"
        files |= {f"/lib/modules/{release}/build": {"link": source}, f"{source}/Makefile": "# Kernel\n"}
    return files


def plan(replay: dict[str, Any], folder: Path) -> tuple[dict[str, Any], AptHost]:
    """Unpack, probe and plan as a run would; ``--tags nvidia_driver,cuda_toolkit`` decides whose problems count."""
    host = AptHost(capture.unpack(replay, str(folder)), replay.get("policy", ""))
    config = wanted(**replay.get("config", {}))
    catalog = known(config)
    state = look(host, planner.questions(config, catalog))
    # What travels from a host travels as JSON.
    state = json.loads(json.dumps(state))
    state["controller_epoch"] = replay["readings"]["epoch"]
    state["connection"] = replay.get("connection", "remote")
    made = planner.build(state, config, catalog)
    made["problems"] = [item for item in made["problems"] if item["stage"] in STAGES]
    return made, host


def said(made: dict[str, Any]) -> str:
    """What the user gets to read of driver and stack: the refusal, or what is done and why."""
    if made["problems"]:
        return refusal(made["problems"])
    stage = made["stages"]["nvidia_driver"]
    return "\n".join(
        [
            f"Stack {made['stack']}: {made['stack_reason']}.",
            f"nvidia_driver: {stage['action']}, {stage['reason']}.",
            *(f"Warning: {text}" for text in stage["warnings"]),
            *made["waits"],
        ]
    )
