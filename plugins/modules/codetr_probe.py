#!/usr/bin/python
"""Read the whole state of a host in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_probe
short_description: Read the whole state of a host in one round trip
description:
  - Reads files and metadata and runs a few quick commands. It imports no torch and changes nothing.
  - It takes the place of fact gathering. The result is registered, never returned as facts, because a fact cache would keep it stale.
options:
  ask:
    description: For each section, what to look at. The plan of each stage says what it needs.
    type: dict
    required: true
  deep:
    description: Start nvidia-smi and ask the driver's library, each with 20 seconds at most.
    type: bool
    default: false
  capture:
    description: Return everything that was looked at, too, without what identifies the machine, so that it can be replayed.
    type: bool
    default: false
author: codetr-provision
"""

EXAMPLES = r"""
- name: Read what apt has of two packages
  codetr.provision.codetr_probe:
    ask: {base: {apt: [git, aria2]}}
  register: state
"""

RETURN = r"""
state:
  description: The state, one key for each section.
  returned: success
  type: dict
capture:
  description: What was looked at.
  returned: when O(capture)
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.probe import (
    base,
    datasets,
    env,
    miniconda,
    nvidia_driver,
    packages,
    repo,
    toolkit,
    workspace,
)
from ansible_collections.codetr.provision.plugins.module_utils.probe.capture import Recorder
from ansible_collections.codetr.provision.plugins.module_utils.probe.host import Host

SECTIONS = {
    "nvidia_driver": nvidia_driver,
    "cuda_toolkit": toolkit,
    "miniconda": miniconda,
    "env": env,
    "packages": packages,
    "repo": repo,
    "datasets": datasets,
    "workspace": workspace,
}


def look(host: Host, ask: dict, deep: bool = False) -> dict:
    """The whole state: one key per section asked for, and those of ``base``."""
    state = base.probe(host, ask.get("base", {}))
    for name, section in SECTIONS.items():
        if name in ask:
            state[name] = section.probe(host, dict(ask[name], home=state["user"]["owner"].get("home"), deep=deep))
    return state


def main() -> None:
    """Answer with the state, and with the capture where that is asked for."""
    flag = {"type": "bool", "default": False}
    module = AnsibleModule({"ask": {"type": "dict", "required": True}, "deep": flag, "capture": flag}, supports_check_mode=True)
    host = Recorder() if module.params["capture"] else Host()
    state = look(host, module.params["ask"], module.params["deep"])
    more = {"capture": host.capture(module.params["ask"].get("base", {}).get("apt", []))} if isinstance(host, Recorder) else {}
    module.exit_json(changed=False, state=state, **more)


if __name__ == "__main__":
    main()
