#!/usr/bin/python
"""List the installed packages with their marks, so that what a stage brought can be told from what was there."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_apt_state
short_description: List the installed packages with their marks
version_added: "0.1.0"
description: Reads dpkg's and apt's own files and changes nothing.
extends_documentation_fragment: ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details: Changes nothing in either mode.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: debian
seealso:
  - module: ansible.builtin.package_facts
  - module: codetr.provision.codetr_apt_restore
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Know what is installed
  codetr.provision.codetr_apt_state:
  register: packages
"""

RETURN = r"""
installed:
  description: Names of all installed packages.
  returned: success
  type: list
  elements: str
  sample: [adduser, apt, base-files]
auto:
  description: Those that apt installed for the sake of others.
  returned: success
  type: list
  elements: str
  sample: [adduser]
hold:
  description: Those that are held.
  returned: success
  type: list
  elements: str
  sample: [linux-image-amd64]
kernels:
  description: The folders in C(/lib/modules), which packages with headers make and do not take away.
  returned: success
  type: list
  elements: str
  sample: [6.1.0-56-amd64]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.host import dpkg
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host


def main() -> None:
    """Read and answer."""
    module = AnsibleModule({}, supports_check_mode=True)
    found = dpkg.installed(Host(), ".*")
    marks = {mark: sorted(name for name, entry in found.items() if entry[mark]) for mark in ("auto", "hold")}
    kernels = Host().listdir("/lib/modules")
    indexed = [name for name in kernels if Host().exists("/lib/modules/{0}/modules.dep".format(name))]
    module.exit_json(changed=False, installed=sorted(found), kernels=kernels, indexed=indexed, **marks)


if __name__ == "__main__":
    main()
