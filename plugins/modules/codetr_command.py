#!/usr/bin/python
"""Run one command as another user, with its output in a log."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_command
short_description: Run one command as another user, with its output in a log
version_added: "0.1.0"
description:
  - Drops to O(user) inside the module, so that root can run something for an ordinary user without the acl package.
  - The output goes to O(log) while the command runs, so that M(codetr.provision.codetr_wait) can tell how far it is.
  - When the command fails, the message holds what O(explain) says of its output, and the log's last lines.
extends_documentation_fragment: ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: partial
    details: Reports a change and does not run the command.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
options:
  argv:
    description: The command and its arguments.
    type: list
    elements: str
    required: true
  user:
    description: Who runs it.
    type: str
  chdir:
    description: The folder to run it in.
    type: path
  environment:
    description: Variables to add.
    type: dict
    default: {}
  log:
    description:
      - File for standard output and standard error. Its folder is made, and it belongs to who has the folder.
      - Empty keeps the output in memory.
    type: path
  explain:
    description: Known failures, tried in order on the output.
    type: list
    elements: dict
    default: []
    suboptions:
      pattern:
        description: A regular expression.
        type: str
        required: true
      say:
        description: What it means and what to do.
        type: str
        required: true
  retry_on:
    description: Regular expression on the output of a command that failed only because something else is at work; it is run again.
    type: str
  retry_timeout:
    description: Seconds for which it is run again, every ten.
    type: int
    default: 600
seealso:
  - module: ansible.builtin.command
  - module: codetr.provision.codetr_wait
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Build a wheel
  codetr.provision.codetr_command:
    argv: [/opt/codetr/miniconda3/envs/codetr/bin/python, -m, pip, wheel, mmcv-full==1.6.0]
    user: me
    log: /opt/codetr/log/mmcv.log
"""

RETURN = r"""
rc:
  description: Exit status.
  returned: always
  type: int
  sample: 0
tail:
  description: The last lines of the output.
  returned: always
  type: list
  elements: str
  sample: ["Successfully built mmcv-full"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.as_user import WorkFailed
from ansible_collections.codetr.provision.plugins.module_utils.command import Command, failure, run


def main() -> None:
    """Run, wait, and report; ``changed`` is always true, because roles only call this for what the plan lists."""
    module = AnsibleModule(
        {
            "argv": {"type": "list", "elements": "str", "required": True},
            "user": {"type": "str"},
            "chdir": {"type": "path"},
            "environment": {"type": "dict", "default": {}},
            "log": {"type": "path"},
            "explain": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"pattern": {"type": "str", "required": True}, "say": {"type": "str", "required": True}},
            },
            "retry_on": {"type": "str"},
            "retry_timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=True, rc=0, tail=[])
    command = Command(**{key: value for key, value in module.params.items() if key != "explain"})
    try:
        done = run(command)
    except WorkFailed as error:
        module.fail_json(msg=f"Could not run {command.text}: {error}")
    if done.rc != 0:
        explanations = [(each["pattern"], each["say"]) for each in module.params["explain"]]
        module.fail_json(msg=failure(command, done, explanations), rc=done.rc, tail=done.tail)
    module.exit_json(changed=True, rc=0, tail=done.tail)


if __name__ == "__main__":
    main()
