#!/usr/bin/python
"""Probe a stage again after its role has run, and write its receipt."""

# The action plugin of the same name does the work. This file holds its documentation.

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_confirm
short_description: Probe a stage again after its role has run, and write its receipt
version_added: "0.1.0"
description:
  - Fails and reports what is left when the host still differs from the stage.
  - When only an allowed restart is left, it writes no receipt and returns RV(restart).
  - When the options do not allow the restart, it writes the receipt and warns about what waits for one.
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
    support: none
    details: Roles run it only after they have changed a host.
  connection:
    support: full
  delegation:
    support: full
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
options:
  stage:
    description: The stage's name.
    type: str
    required: true
  plan:
    description: The result of M(codetr.provision.codetr_stage).
    type: dict
    required: true
  remember:
    description: What the tasks learned and removal needs, in addition to what the plan remembers.
    type: dict
    default: {}
  restarted:
    description: The host has been restarted for this stage; another restart would not help.
    type: bool
    default: false
seealso:
  - module: codetr.provision.codetr_stage
  - module: codetr.provision.codetr_receipt
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Confirm Miniconda and write its receipt
  codetr.provision.codetr_confirm:
    stage: miniconda
    plan: "{{ __miniconda_stage }}"
"""

RETURN = r"""
restart:
  description: Whether the host must be restarted before the stage can be confirmed.
  returned: success
  type: bool
  sample: false
confirmed:
  description: The name of the stage.
  returned: when the receipt was written
  type: str
  sample: miniconda
receipt:
  description: The receipt that was written.
  returned: when the receipt was written
  type: dict
  sample: {schema: 1, stage: miniconda, action: install, version: py310_24.11.1-0, stand_in: false}
"""
