#!/usr/bin/python
"""Rebuild the initramfs of every kernel, where the host has any."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_initramfs
short_description: Rebuild the initramfs of every kernel
version_added: "0.1.0"
description: Uses the host's own program. A host without an initramfs, such as a container, is left alone.
extends_documentation_fragment: ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  platform:
    support: full
    platforms: debian
seealso:
  - module: codetr.provision.codetr_dkms
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Rebuild the initramfs without nouveau
  codetr.provision.codetr_initramfs:
"""

RETURN = r"""
images:
  description: The images in C(/boot).
  returned: success
  type: list
  elements: str
  sample: [initrd.img-6.1.0-31-amd64]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.host.initramfs import images, rebuild


def main() -> None:
    """Find the program, and run it."""
    module = AnsibleModule({}, supports_check_mode=True)
    host = Host()
    command = rebuild(host)
    if command and not module.check_mode:
        rc, out, err = module.run_command(command)
        if rc != 0:
            lines = "\n".join((out + err).splitlines()[-10:])
            failure = f"{' '.join(command)} ended with exit status {rc}. Its last lines:\n{lines}"
            module.fail_json(msg=f"The initramfs could not be rebuilt: {failure}")
    module.exit_json(changed=bool(command), images=images(host))


if __name__ == "__main__":
    main()
