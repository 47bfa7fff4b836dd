#!/usr/bin/python
"""Validate every option before any host is touched."""

# The action plugin of the same name does the work. This file holds its documentation.

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_validate
short_description: Validate every option before any host is touched
version_added: "0.1.0"
description:
  - Runs on the controller and makes no connection.
  - Checks each variable whose name has a prefix of the collection against the argument specs of all roles, and coerces its type.
  - Fails with every wrong option of the host at once.
  - Warns of variables whose name is close to an option's although the prefix is misspelt.
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
    support: none
  delegation:
    support: full
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
seealso:
  - module: codetr.provision.codetr_plan
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Validate the variables of every host
  codetr.provision.codetr_validate:
"""

RETURN = r"""
changed:
  description: False, because the action changes nothing.
  returned: success
  type: bool
  sample: false
"""
