#!/usr/bin/python
"""Show what a host has and what a run would do to it."""

# The action plugin of the same name does the work. This file holds its documentation.

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_status
short_description: Show what a host has and what a run would do to it
version_added: "0.1.0"
description:
  - Probes and plans as a run would. It changes nothing, and does not fail on what it finds.
  - The options C(provision_status_deep) and C(provision_status_capture) choose how much it asks and returns.
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
seealso:
  - module: codetr.provision.codetr_plan
  - module: codetr.provision.codetr_probe
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Report the state of the host
  codetr.provision.codetr_status:
  register: status
"""

RETURN = r"""
lines:
  description: The report for people, line by line.
  returned: success
  type: list
  elements: str
  sample: ["stack: cpu (no NVIDIA GPU)"]
status:
  description: The same for programs.
  returned: success
  type: dict
  sample: {stack: cpu, stages: {miniconda: keep}}
report_dir:
  description: The folder on the controller for the reports, empty for none.
  returned: success
  type: str
  sample: reports/status
capture:
  description: Everything that was read, for replay in a test.
  returned: when C(provision_status_capture) is true
  type: dict
  sample: {files: {}, commands: []}
"""
