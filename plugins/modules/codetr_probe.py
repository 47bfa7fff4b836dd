#!/usr/bin/python
"""Read the whole state of a host in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_probe
short_description: Read the whole state of a host in one round trip
description:
  - Reads files and metadata and runs a few quick commands. It imports no torch, starts no nvidia-smi and changes nothing.
  - It takes the place of fact gathering. The result is registered, never returned as facts, because a fact cache would keep it stale.
options:
  ask:
    description: For each section, what to look at. The plan of each stage says what it needs.
    type: dict
    required: true
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
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.probe import base, datasets, env, miniconda, packages, repo, workspace
from ansible_collections.codetr.provision.plugins.module_utils.probe.host import Host

SECTIONS = {"miniconda": miniconda, "env": env, "packages": packages, "repo": repo, "datasets": datasets, "workspace": workspace}


def main() -> None:
    """Answer with one key per section asked for; the sections of ``base`` stand beside the others."""
    module = AnsibleModule({"ask": {"type": "dict", "required": True}}, supports_check_mode=True)
    ask = module.params["ask"]
    host = Host()
    state = base.probe(host, ask.get("base", {}))
    for name, section in SECTIONS.items():
        if name in ask:
            state[name] = section.probe(host, dict(ask[name], home=state["user"]["owner"].get("home")))
    module.exit_json(changed=False, state=state)


if __name__ == "__main__":
    main()
