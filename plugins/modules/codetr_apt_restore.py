#!/usr/bin/python
"""Purge packages that a stage brought, and give the others their marks back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_apt_restore
short_description: Purge packages that a stage brought, and give the others their marks back
version_added: "0.1.0"
description:
  - A package that something else has come to need since, or that somebody has installed by name since, stays, and the result says so.
  - Nothing is removed but the packages that are named.
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
  new:
    description: The packages that the stage brought.
    type: list
    elements: str
    required: true
  named:
    description: Those of them that the stage asked for by name. Another that is marked as installed by hand is somebody's own.
    type: list
    elements: str
    required: true
  auto:
    description: Packages that were there before, as installed for the sake of others.
    type: list
    elements: str
    default: []
seealso:
  - module: ansible.builtin.apt
  - module: codetr.provision.codetr_apt_state
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: The driver's packages are gone
  codetr.provision.codetr_apt_restore:
    new: [nvidia-tesla-470-smi, dkms, gcc]
    named: [nvidia-tesla-470-smi, dkms]
"""

RETURN = r"""
removed:
  description: The packages that were purged.
  returned: success
  type: list
  elements: str
  sample: [nvidia-tesla-470-smi, dkms]
kept:
  description: The packages that stay although they were brought, with why.
  returned: success
  type: dict
  sample: {gcc: build-essential needs it}
"""

import re
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.host import dpkg
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host

LOCK_SECONDS = 600
APT = ["apt-get", "-y", "-o", "DPkg::Lock::Timeout=600", "--allow-change-held-packages"]


def main() -> None:
    """Work out what may go, purge it, restore marks."""
    names = {"type": "list", "elements": "str"}
    module = AnsibleModule(
        {"new": {"required": True, **names}, "named": {"required": True, **names}, "auto": {"default": [], **names}},
        supports_check_mode=True,
    )
    found = dpkg.installed(Host(), ".*")
    rest = {name for name, fields in dpkg.paragraphs(Host()).items() if fields.get("Status", "").endswith("config-files")}
    kept = {
        name: "somebody installed it by name since"
        for name in module.params["new"]
        if name in found and not found[name]["auto"] and name not in module.params["named"]
    }
    wanted = sorted(name for name in set(module.params["new"]) - set(kept) if name in found or name in rest)
    _refuse_essential(module, wanted)
    removable = _removable(module, wanted, kept)
    marks = sorted(name for name in module.params["auto"] if name in found and not found[name]["auto"])
    changed = bool(removable or marks)
    if module.check_mode:
        module.exit_json(changed=changed, removed=removable, kept=kept)
    if removable:
        _run(module, [*APT, "purge", *removable], "apt-get could not purge the packages")
    if marks:
        _run(module, ["apt-mark", "auto", *marks], "apt-mark could not restore the marks")
    module.exit_json(changed=changed, removed=removable, kept=kept)


def _refuse_essential(module: AnsibleModule, wanted: list) -> None:
    """End where a package is named that no driver brings: what says what was new cannot be true."""
    known = dpkg.paragraphs(Host())
    wrong = [name for name in wanted if known[name].get("Essential") == "yes"]
    if wrong:
        module.fail_json(
            msg="By what was written down at the installation, it brought packages that no system is without ({0}). That cannot be, and "
            "no package was removed. Remove the driver's packages by hand, and then its receipt.".format(", ".join(wrong[:5]))
        )


def _removable(module: AnsibleModule, wanted: list, kept: dict) -> list:
    """The packages that can go without taking any other along; the others are noted in ``kept``."""
    if not _others(module, wanted, wanted):
        return wanted
    removable = list(wanted)
    for name in wanted:
        others = _others(module, [name], wanted)
        if others:
            kept[name] = "needed by " + ", ".join(others)
            removable.remove(name)
    return removable


def _others(module: AnsibleModule, names: list, ours: list) -> list:
    """What else apt would remove together with these packages."""
    if not names:
        return []
    out = _run(module, ["apt-get", "-s", "--allow-change-held-packages", "purge", *names], "apt-get cannot tell what would be removed")
    return sorted(set(re.findall(r"^(?:Remv|Purg) (\S+)", out, re.M)) - set(ours))


def _run(module: AnsibleModule, argv: list, what: str) -> str:
    module.run_command_environ_update = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    until = time.monotonic() + LOCK_SECONDS
    rc, out, err = module.run_command(argv)
    # Of an upgrade that runs by itself, apt waits for dpkg's lock, and not for the one of its downloads.
    while rc != 0 and re.search("Could not get lock", err or "") and time.monotonic() < until:
        time.sleep(5)
        rc, out, err = module.run_command(argv)
    if rc != 0:
        module.fail_json(msg="{0}: {1}".format(what, (err or out).strip()[-800:]))
    return str(out)


if __name__ == "__main__":
    main()
