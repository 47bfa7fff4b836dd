#!/usr/bin/python
"""Read the whole state of a host in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_probe
short_description: Read the whole state of a host in one round trip
version_added: "0.1.0"
description:
  - Reads files and metadata and runs a few quick commands. It imports no torch and changes nothing.
  - It takes the place of fact gathering. The result is registered, never returned as facts, because a fact cache would keep it stale.
extends_documentation_fragment: ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details: Changes nothing in either mode.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
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
seealso:
  - module: ansible.builtin.setup
  - module: codetr.provision.codetr_plan
  - module: codetr.provision.codetr_status
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Read which versions of two packages are installed
  codetr.provision.codetr_probe:
    ask: {base: {system_packages: [git, aria2]}}
  register: state
"""

RETURN = r"""
state:
  description: The state, one key for each section.
  returned: success
  type: dict
  sample: {user: {name: me, uid: 1000}, machine: {architecture: x86_64}}
capture:
  description: What was looked at.
  returned: when O(capture)
  type: dict
  sample: {files: {}, commands: []}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.host.capture import Recorder
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.preflight import probe as preflight

# isort: split
# stages: begin (written by tools/generate.py; Ansible sends to a host only what is imported by name)
from ansible_collections.codetr.provision.plugins.module_utils.cuda_toolkit import probe as cuda_toolkit
from ansible_collections.codetr.provision.plugins.module_utils.datasets import probe as datasets
from ansible_collections.codetr.provision.plugins.module_utils.env import probe as env
from ansible_collections.codetr.provision.plugins.module_utils.miniconda import probe as miniconda
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import probe as nvidia_driver
from ansible_collections.codetr.provision.plugins.module_utils.packages import probe as packages
from ansible_collections.codetr.provision.plugins.module_utils.repo import probe as repo
from ansible_collections.codetr.provision.plugins.module_utils.workspace import probe as workspace

PROBES = {
    "nvidia_driver": nvidia_driver,
    "cuda_toolkit": cuda_toolkit,
    "miniconda": miniconda,
    "env": env,
    "packages": packages,
    "repo": repo,
    "datasets": datasets,
    "workspace": workspace,
}
# stages: end


def look(host: Host, ask: dict, deep: bool = False) -> dict:
    """The whole state: one key per section asked for, and those of ``base``."""
    state = preflight.probe(host, ask.get("base", {}))
    for name, stage in PROBES.items():
        if name in ask:
            state[name] = stage.probe(host, dict(ask[name], home=state["user"]["owner"].get("home"), deep=deep))
    return state


def main() -> None:
    """Answer with the state, and with the capture where that is asked for."""
    flag = {"type": "bool", "default": False}
    module = AnsibleModule({"ask": {"type": "dict", "required": True}, "deep": flag, "capture": flag}, supports_check_mode=True)
    host = Recorder() if module.params["capture"] else Host()
    state = look(host, module.params["ask"], module.params["deep"])
    more = {"capture": host.capture(module.params["ask"].get("base", {}).get("system_packages", []))} if isinstance(host, Recorder) else {}
    module.exit_json(changed=False, state=state, **more)


if __name__ == "__main__":
    main()
