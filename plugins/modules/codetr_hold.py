#!/usr/bin/python
"""Hold every installed package of the NVIDIA driver, or release packages."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_hold
short_description: Hold every installed package of the NVIDIA driver, or release packages
version_added: "0.1.0"
description:
  - What belongs to the driver is computed from what is installed, because one package that is left out is enough for a mismatch.
  - Prebuilt modules are not held, so that a new kernel brings its own.
extends_documentation_fragment: ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  platform:
    support: full
    platforms: debian
options:
  release:
    description: Names of packages to release; those that are not installed are passed over. Without it, the driver's packages are held.
    type: list
    elements: str
seealso:
  - module: ansible.builtin.dpkg_selections
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: The driver is held
  codetr.provision.codetr_hold:
  register: held
"""

RETURN = r"""
names:
  description: The packages whose mark was changed.
  returned: success
  type: list
  elements: str
  sample: [nvidia-driver-470-server, nvidia-utils-470-server]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver import probe as nvidia_driver
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.present import closure
from ansible_collections.codetr.provision.plugins.module_utils.package_manager import managers
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.manager import PackageManagerFailed


def main() -> None:
    """Compare marks, and change those that differ."""
    module = AnsibleModule({"release": {"type": "list", "elements": "str"}}, supports_check_mode=True)
    release = module.params["release"]
    packages = nvidia_driver.driver_packages(Host())
    if release is None:
        names = [name for name in closure({"packages": packages}) if not packages[name]["hold"]]
    else:
        names = sorted(name for name in release if packages.get(name, {}).get("hold"))
    if names and not module.check_mode:
        manager = managers.of(Host())
        try:
            (manager.hold if release is None else manager.unhold)(module.run_command, names)
        except PackageManagerFailed as error:
            module.fail_json(msg=str(error))
    module.exit_json(changed=bool(names), names=names)


if __name__ == "__main__":
    main()
