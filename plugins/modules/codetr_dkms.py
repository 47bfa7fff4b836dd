#!/usr/bin/python
"""See to it that DKMS has built the NVIDIA module for each kernel."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_dkms
short_description: See to it that DKMS has built the NVIDIA module for each kernel
version_added: "0.1.0"
description:
  - Kernels are always named to dkms, which otherwise takes the running one; in a container that is the machine's beneath.
  - When a module cannot be built, the message ends with the last lines of the compiler's log.
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
  kernels:
    description: Releases of the kernels. Empty takes every kernel with headers.
    type: list
    elements: str
    default: []
seealso:
  - module: codetr.provision.codetr_hold
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: The module is there for each kernel
  codetr.provision.codetr_dkms:
    kernels: [6.1.0-56-amd64]
"""

RETURN = r"""
built:
  description: The kernels that it was built for now.
  returned: success
  type: list
  elements: str
  sample: [6.1.0-56-amd64]
kernels:
  description: The kernels that it was looked for.
  returned: success
  type: list
  elements: str
  sample: [6.1.0-56-amd64]
"""

import glob
import os
import subprocess

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.nvidia_driver.probe import parse_dkms

TREE = "/var/lib/dkms"
TAIL_LINES = 20


def dkms(*arguments: str) -> tuple:
    """Run dkms: exit status and all its output."""
    done = subprocess.run(
        ["dkms", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(os.environ, LC_ALL="C", PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"),
        check=False,
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


def missing(kernels: list) -> list:
    """The kernels for which no NVIDIA module is installed."""
    rows = parse_dkms(dkms("status")[1])
    return [release for release in kernels if not any(row["kernel"] == release and row["state"].startswith("installed") for row in rows)]


def log_tail() -> list:
    """The last lines of the newest log of a compilation."""
    logs = glob.glob(TREE + "/nvidia*/*/build/make.log") + glob.glob(TREE + "/nvidia*/*/*/*/log/make.log")
    if not logs:
        return []
    with open(max(logs, key=os.path.getmtime), encoding="utf-8", errors="replace") as handle:
        return handle.read().splitlines()[-TAIL_LINES:]


def main() -> None:
    """Build what is missing, kernel by kernel."""
    module = AnsibleModule({"kernels": {"type": "list", "elements": "str", "default": []}}, supports_check_mode=True)
    kernels = module.params["kernels"] or sorted(
        os.path.basename(os.path.dirname(path)) for path in glob.glob("/lib/modules/*/build") if os.path.exists(path)
    )
    if not kernels:
        module.fail_json(msg="No kernel of this host has headers, so no module can be built. Install those of the kernel that it boots.")
    wanted = missing(kernels)
    if module.check_mode or not wanted:
        module.exit_json(changed=bool(wanted), built=[], kernels=kernels)
    for release in wanted:
        if not os.path.exists("/lib/modules/{0}/build".format(release)):
            module.fail_json(msg="Kernel {0} has no headers, so its module cannot be built. Install linux-headers-{0}.".format(release))
        text = dkms("autoinstall", "-k", release)[1]
        if missing([release]):
            lines = "\n".join(log_tail() or text.splitlines()[-TAIL_LINES:])
            module.fail_json(msg="DKMS could not build the NVIDIA module for kernel {0}. Its log ends with:\n{1}".format(release, lines))
    module.exit_json(changed=True, built=wanted, kernels=kernels)


if __name__ == "__main__":
    main()
