#!/usr/bin/python
"""The one door to the host's package manager: update its lists, choose a set of packages, install."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_system_packages
short_description: Update package lists, choose a set of packages that can be installed, and install packages
version_added: "0.1.0"
description:
  - Uses the host's own package manager, whichever it is, without recommended packages and without questions.
  - Waits up to ten minutes while another program installs packages.
  - When it fails, the message says what the known failures mean and what to do, and ends with the last lines of the output.
extends_documentation_fragment: ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details: O(state=chosen) changes nothing in either mode. The others report what they would change.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: debian
options:
  state:
    description:
      - V(refreshed) updates the lists of packages. A repository that cannot be used is a failure.
      - V(present) installs O(names). Nothing is run where all are installed.
      - V(latest) does so too, and installed ones become what would be installed now.
      - V(chosen) has the package manager simulate each of O(sets) and returns the first that it can install.
        A set is passed over that would remove a package not in O(replaceable), install another kernel, or change another held package.
        When none can be installed, the message has the reasons for each.
    type: str
    choices: [refreshed, present, latest, chosen]
    required: true
  names:
    description: The packages to install, each perhaps with a version, as the package manager takes it.
    type: list
    elements: str
    default: []
  suite:
    description: The suite to install the packages from. Empty leaves the choice to the package manager.
    type: str
    default: ""
  refresh:
    description: Update the lists of packages before an installation.
    type: bool
    default: false
  if_known:
    description: Leave out of O(names) those that no repository has.
    type: bool
    default: false
  log:
    description: File for the output of an installation, so that M(codetr.provision.codetr_wait) can tell how far it is.
    type: path
  explain:
    description: Known failures of an installation besides those of the package manager, tried after them, in order.
    type: list
    elements: dict
    default: []
    suboptions:
      pattern:
        description: A regular expression on the output.
        type: str
        required: true
      say:
        description: What it means and what to do.
        type: str
        required: true
  sets:
    description: The sets to choose from, best first.
    type: list
    elements: dict
    default: []
    suboptions:
      packages:
        description: Names of the packages.
        type: list
        elements: str
        required: true
      lead:
        description:
          - The package whose version must begin with O(sets[].branch), since a package of an ended branch may stand for the next one.
          - Empty skips this check.
        type: str
        default: ""
      branch:
        description: The driver branch.
        type: str
        default: ""
      leave:
        description: Pass the set over where it would change the version of an installed package of O(replaceable).
        type: bool
        default: false
      suite:
        description: The suite that the packages come from. Empty leaves the choice to the package manager.
        type: str
        default: ""
  replaceable:
    description: Regular expression on whole names of packages that may be removed, or changed although they are held.
    type: str
    default: (?!)
  purpose:
    description: What the packages bring, for the message when no set can be installed.
    type: str
    default: these packages
seealso:
  - module: ansible.builtin.package
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Update the package lists
  codetr.provision.codetr_system_packages:
    state: refreshed

- name: Choose driver packages
  codetr.provision.codetr_system_packages:
    state: chosen
    sets:
      - {packages: [linux-modules-nvidia-470-server-aws, nvidia-utils-470-server], lead: nvidia-utils-470-server, branch: "470"}
      - {packages: [nvidia-dkms-470-server, nvidia-utils-470-server], lead: nvidia-utils-470-server, branch: "470"}
    replaceable: (lib)?nvidia-.*
    purpose: driver 470
  register: choice

- name: Install what an archive needs to be unpacked
  codetr.provision.codetr_system_packages:
    state: present
    names: [bzip2]
    refresh: true
"""

RETURN = r"""
tail:
  description: The last lines of the output.
  returned: when a command was run
  type: list
  elements: str
  sample: ["Setting up bzip2 (1.0.8-5+b1) ..."]
index:
  description: Which of O(sets) can be installed, from 0.
  returned: when O(state=chosen)
  type: int
  sample: 1
install:
  description: All packages that would be installed or changed for it.
  returned: when O(state=chosen)
  type: list
  elements: str
  sample: [dkms, nvidia-dkms-470-server, nvidia-utils-470-server]
remove:
  description: The packages that would be removed for it.
  returned: when O(state=chosen)
  type: list
  elements: str
  sample: [nvidia-utils-450-server]
passed_over:
  description: The sets that cannot be used, each with the reason.
  returned: when O(state=chosen)
  type: list
  elements: str
  sample: ["linux-modules-nvidia-470-server-aws, nvidia-utils-470-server: it would install another kernel: linux-image-6.8.0-1030-aws"]
progress:
  description: The text that an installation's output has once for each package.
  returned: when O(state=chosen)
  type: str
  sample: "Setting up "
"""

import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.as_user import WorkFailed
from ansible_collections.codetr.provision.plugins.module_utils.command import Command, failure, run
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.package_manager import managers
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.choose import evaluate
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.manager import Explanation

FAILED = Explanation("", "The packages could not be installed. The next run repeats unfinished steps.")


class Door:
    """One call of the module."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module, self.params = module, module.params
        self.manager = managers.of(Host())
        module.run_command_environ_update = dict(self.manager.environment)

    def refreshed(self) -> dict:
        """Update the lists."""
        return self.do(self.manager.refresh(), self.manager.explain_refresh)

    def present(self) -> dict:
        """Install what is missing."""
        names = self.params["names"]
        installed = self.manager.installed(Host(), "|".join(map(re.escape, names)))
        # A name with a version is not that of a package, and one that is half installed is installed again.
        return {"changed": False} if all(installed.get(name, {}).get("whole") for name in names) else self.latest()

    def latest(self) -> dict:
        """Install, or update."""
        if self.params["refresh"]:
            self.refreshed()
        names = [each for each in self.params["names"] if not self.params["if_known"] or self.manager.knows(self.ask, each)]
        if not names:
            return {"changed": False}
        more = [Explanation(**each) for each in self.params["explain"]]
        return self.do(self.manager.install(names, self.params["suite"]), (*self.manager.explain_install, *more, FAILED))

    def chosen(self) -> dict:
        """Simulate one set after the other."""
        passed: list[str] = []
        for index, each in enumerate(self.params["sets"]):
            found = evaluate(self.manager, self.ask, each, self.params["replaceable"])
            if not found.why:
                plain = {"install": list(found.install), "remove": list(found.remove), "passed_over": passed}
                return {"changed": False, "index": index, "progress": self.manager.installing, **plain}
            shown = each["packages"][:2] + (["..."] if len(each["packages"]) > 2 else [])
            passed.append(f"{', '.join(shown)}: {found.why}")
        self.module.fail_json(
            msg=f"{self.manager.name} can install none of the sets of packages with {self.params['purpose']}. {' | '.join(passed)}. "
            f"{self.manager.explain_held} A package that the archive no longer has exists in another version, or in another source."
        )
        raise AssertionError("fail_json ends the module")

    def ask(self, argv: list) -> tuple:
        """Run a command that changes nothing: exit status, output and error."""
        rc, out, err = self.module.run_command(argv)
        return rc, out, err

    def do(self, argv: list, explanations: tuple) -> dict:
        """Run a command that changes the host."""
        if self.module.check_mode:
            return {"changed": True, "tail": []}
        command = Command(argv, environment=self.manager.environment, log=self.params["log"], retry_on=self.manager.locked)
        done = run(command)
        if done.rc != 0:
            self.module.fail_json(msg=failure(command, done, explanations), rc=done.rc, tail=done.tail)
        return {"changed": True, "tail": done.tail}


def main() -> None:
    """Do what the state says."""
    text, names = {"type": "str", "default": ""}, {"type": "list", "elements": "str"}
    explain = {"pattern": {"type": "str", "required": True}, "say": {"type": "str", "required": True}}
    flag = {"type": "bool", "default": False}
    each = {"packages": {**names, "required": True}, "lead": text, "branch": text, "suite": text, "leave": flag}
    module = AnsibleModule(
        {
            "state": {"type": "str", "required": True, "choices": ["refreshed", "present", "latest", "chosen"]},
            "names": {**names, "default": []},
            "suite": text,
            "refresh": flag,
            "if_known": flag,
            "log": {"type": "path"},
            "explain": {"type": "list", "elements": "dict", "default": [], "options": explain},
            "sets": {"type": "list", "elements": "dict", "default": [], "options": each},
            "replaceable": {"type": "str", "default": "(?!)"},
            "purpose": {"type": "str", "default": "these packages"},
        },
        required_if=[("state", "present", ["names"]), ("state", "latest", ["names"]), ("state", "chosen", ["sets"])],
        supports_check_mode=True,
    )
    try:
        module.exit_json(**getattr(Door(module), module.params["state"])())
    except WorkFailed as error:
        module.fail_json(msg=f"The package manager could not be run: {error}")


if __name__ == "__main__":
    main()
