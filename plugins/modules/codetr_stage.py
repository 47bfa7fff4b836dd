#!/usr/bin/python
"""Compare a host with one stage of the plan."""

# The action plugin of the same name does the work. This file holds its documentation.

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_stage
short_description: Compare a host with one stage of the plan
version_added: "0.1.0"
description:
  - Each role's first task. It reports whether the role changes something, in check mode and out of it.
  - Takes the plan that the role preflight registered. Without one it probes and plans itself, so that each role works alone.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.conn
  - ansible.builtin.action_common_attributes.flow
attributes:
  action:
    support: full
  async:
    support: none
  become:
    support: full
  bypass_host_loop:
    support: none
  check_mode:
    support: full
  connection:
    support: full
  delegation:
    support: full
  diff_mode:
    support: full
  platform:
    support: full
    platforms: posix
options:
  stage:
    description: The stage's name.
    type: str
    required: true
  fail_on_problems:
    description: Fail when the stage has a problem. Removal ignores problems.
    type: bool
    default: true
seealso:
  - module: codetr.provision.codetr_plan
  - module: codetr.provision.codetr_confirm
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Compare this host with the plan for Miniconda
  codetr.provision.codetr_stage:
    stage: miniconda
  register: __miniconda_stage
"""

RETURN = r"""
todo:
  description: Whether the stage has something to do.
  returned: success
  type: bool
  sample: true
stage:
  description: The stage as the plan has it.
  returned: success
  type: dict
  sample: {action: install, reason: Miniconda is not installed, version: py310_24.11.1-0}
stack:
  description: The data of the chosen stack.
  returned: success
  type: dict
  sample: {name: cpu, compute: cpu}
user:
  description: The user who owns what is installed.
  returned: success
  type: str
  sample: me
prefix:
  description: The folder that everything is installed in.
  returned: success
  type: str
  sample: /opt/codetr
"""
