#!/usr/bin/python
"""Find the first of several sets of packages that apt can install."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_apt_choose
short_description: Find the first of several sets of packages that apt can install
version_added: "0.1.0"
description:
  - Lets apt-get simulate each set and changes nothing. When none can be installed, the message has apt's own reasons for each.
  - A set whose O(sets[].lead) is of another driver branch is passed over, since a package of an ended branch may stand for the next one.
  - A set that would remove anything but older driver packages, install another kernel, or change another package that is held, is passed
    over too.
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
options:
  sets:
    description: The sets, best first.
    type: list
    elements: dict
    required: true
    suboptions:
      packages:
        description: Names of the packages.
        type: list
        elements: str
        required: true
      lead:
        description: The package whose version must begin with O(sets[].branch). Empty asks nothing.
        type: str
        default: ""
      branch:
        description: The driver branch.
        type: str
        required: true
      leave:
        description: Pass the set over where it would change the version of an installed package of O(replaceable).
        type: bool
        default: false
      suite:
        description: The suite that the packages come from, by C(-t). Empty is apt's own choice.
        type: str
        default: ""
  replaceable:
    description: Regular expression on whole names of packages that may be removed, or changed although they are held.
    type: str
    required: true
  what:
    description: What the packages bring, for the message when none can be installed.
    type: str
    default: this driver
seealso:
  - module: ansible.builtin.apt
  - module: codetr.provision.codetr_apt_state
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Choose between prebuilt modules and DKMS
  codetr.provision.codetr_apt_choose:
    sets:
      - {packages: [linux-modules-nvidia-470-server-aws, nvidia-utils-470-server], lead: nvidia-utils-470-server, branch: "470"}
      - {packages: [nvidia-dkms-470-server, nvidia-utils-470-server], lead: nvidia-utils-470-server, branch: "470"}
    replaceable: (lib)?nvidia-.*
  register: chosen
"""

RETURN = r"""
index:
  description: Which set it is, from 0.
  returned: success
  type: int
  sample: 0
install:
  description: Every package that would be installed or upgraded.
  returned: success
  type: list
  elements: str
  sample: [nvidia-dkms-470-server, nvidia-utils-470-server]
remove:
  description: Every package that would be removed.
  returned: success
  type: list
  elements: str
  sample: []
passed_over:
  description: Why the sets before it were passed over.
  returned: success
  type: list
  elements: str
  sample: ["linux-modules-nvidia-470-server-aws, nvidia-utils-470-server: it would install another kernel: linux-image-6.8.0-1030-aws"]
"""

import os
import re
import subprocess

from ansible.module_utils.basic import AnsibleModule


def run(argv: list) -> tuple:
    """Run a command with its output in plain English: exit status, and standard output and error together."""
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, LC_ALL="C"), check=False
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


def simulate(each: dict) -> tuple:
    """Exit status and output of apt-get's simulation of one set."""
    suite = ["-t", each["suite"]] if each["suite"] else []
    return run(["apt-get", "-s", "-y", "--no-install-recommends", "--allow-change-held-packages", *suite, "install", *each["packages"]])


def why_not(text: str) -> str:
    """apt's reasons, on one line."""
    lines = [line.strip() for line in text.splitlines()]
    found = [line[2:].strip() for line in lines if line.startswith("E:")]
    found += [line for line in lines if re.search(r": (Depends|PreDepends|Conflicts|Breaks): ", line) or "but it is not" in line]
    return " ".join(dict.fromkeys(found)) or " ".join(lines[-3:])


def evaluate(each: dict, replaceable: str) -> dict:
    """What apt would do for one set: ``install`` and ``remove``, or ``why`` it cannot be."""
    rc, text = simulate(each)
    if rc != 0:
        return {"why": why_not(text)}
    install = dict(re.findall(r"^Inst (\S+) (?:\[[^\]]*\] )?\((\S+)", text, re.M))
    remove = re.findall(r"^Remv (\S+)", text, re.M)
    strange = [name for name in remove if not re.fullmatch(replaceable, name)]
    if strange:
        return {"why": "it would remove " + ", ".join(strange)}
    changed = [name for name in re.findall(r"^Inst (\S+) \[", text, re.M) if each.get("leave") and re.fullmatch(replaceable, name)]
    if changed:
        return {"why": "it would change what is there: " + ", ".join(changed)}
    kernels = [name for name in install if re.match(r"linux-image-(?:unsigned-)?\d", name)]
    if kernels:
        return {"why": "it would install another kernel: " + ", ".join(sorted(kernels))}
    held = [name.partition(":")[0] for name in run(["apt-mark", "showhold"])[1].split()]
    others = [name for name in held if name in install and not re.fullmatch(replaceable, name)]
    if others:
        return {"why": "it would change what is held: " + ", ".join(others)}
    if each["lead"]:
        version = install.get(each["lead"]) or run(["dpkg-query", "-W", "-f", "${Version}", each["lead"]])[1]
        if not re.match(r"(?:\d+:)?" + re.escape(each["branch"]) + r"\.", version):
            return {"why": "{0} is {1} here, and not of branch {2}".format(each["lead"], version, each["branch"])}
    return {"install": sorted(install), "remove": sorted(remove)}


def main() -> None:
    """Try one set after the other."""
    text = {"type": "str", "default": ""}
    module = AnsibleModule(
        {
            "sets": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "packages": {"type": "list", "elements": "str", "required": True},
                    "branch": {"type": "str", "required": True},
                    "lead": text,
                    "suite": text,
                    "leave": {"type": "bool", "default": False},
                },
            },
            "replaceable": {"type": "str", "required": True},
            "what": {"type": "str", "default": "this driver"},
        },
        supports_check_mode=True,
    )
    passed: list[str] = []
    for index, each in enumerate(module.params["sets"]):
        found = evaluate(each, module.params["replaceable"])
        if "why" not in found:
            module.exit_json(changed=False, index=index, passed_over=passed, **found)
        passed.append("{0}: {1}".format(" ".join(each["packages"][:2]) + " ...", found["why"]))
    module.fail_json(
        msg="apt can install none of the sets of packages with {0}. ".format(module.params["message"])
        + " | ".join(passed)
        + " -- Held packages are released with `apt-mark unhold`; what the archive no longer has is another version, or in another source."
    )


if __name__ == "__main__":
    main()
