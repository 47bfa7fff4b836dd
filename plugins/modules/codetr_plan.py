#!/usr/bin/python
"""Probe a host and plan what a run would do."""

# The action plugin of the same name does the work. This file holds its documentation.

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_plan
short_description: Probe a host and plan what a run would do
version_added: "0.1.0"
description:
  - Takes one round trip on a finished host, and a second one where something must be fetched.
  - Fails with every problem at once, before the host is touched.
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
    support: none
  platform:
    support: full
    platforms: posix
options:
  finished:
    description: Fail and report what is left unless the plan has nothing to do.
    type: bool
    default: false
seealso:
  - module: codetr.provision.codetr_probe
  - module: codetr.provision.codetr_stage
  - module: codetr.provision.codetr_status
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Plan the whole site
  codetr.provision.codetr_plan:
  register: __preflight_plan

- name: Fail when the host still differs from the plan
  codetr.provision.codetr_plan:
    finished: true
"""

RETURN = r"""
plan:
  description: The stages with what each would do and why, every problem, and what waits for a restart.
  returned: success
  type: dict
  sample:
    stack: {name: cpu}
    stages: {miniconda: {action: keep, todo: false, reason: Miniconda is installed}}
    problems: []
    warnings: []
    waits: []
config:
  description: Every option of the collection, coerced.
  returned: success
  type: dict
  sample: {provision_prefix: /opt/codetr, codetr_stack: auto}
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
environment:
  description: Environment variables for commands on the host.
  returned: success
  type: dict
  sample: {HOME: /home/me, XDG_CACHE_HOME: /opt/codetr/cache}
problems:
  description: Each problem with its message and its fix.
  returned: failure
  type: list
  elements: dict
  sample: [{stage: preflight, message: /opt has 3 GB free and 20 GB are needed., fix: Free disk space.}]
"""
