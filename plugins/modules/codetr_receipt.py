#!/usr/bin/python
"""Write down that a stage has begun, or what it did."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_receipt
short_description: Write down that a stage has begun, or what it did
version_added: "0.1.0"
description:
  - While a stage works, a file NAME.inprogress stands in the folder; a later run that finds it knows that the stage was cut short.
  - A receipt NAME.json is a hint for the next plan, which checks it against the host, and the record that removal goes by.
extends_documentation_fragment: ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
options:
  stage:
    description: The stage's name.
    type: str
    required: true
  folder:
    description: The folder of receipts.
    type: path
    required: true
  user:
    description: Who owns it.
    type: str
  state:
    description: C(begun) writes the mark, C(ended) takes it away.
    type: str
    choices: [begun, ended]
  receipt:
    description: What to write down. The mark is taken away as well.
    type: dict
seealso:
  - module: codetr.provision.codetr_confirm
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Note that the stage has begun
  codetr.provision.codetr_receipt:
    stage: miniconda
    folder: /opt/codetr/receipts
    state: begun
"""

RETURN = r"""
changed:
  description: True, because the module always writes or removes a file.
  returned: success
  type: bool
  sample: true
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.as_user import WorkFailed, as_user
from ansible_collections.codetr.provision.plugins.module_utils.atomic import replace_text


def write(path: str, data: dict) -> None:
    """Replace a state file with ``data`` as JSON."""
    replace_text(path, [json.dumps(data, indent=1, sort_keys=True), "\n"])


def note(params: dict, mark: str) -> dict:
    """Write the mark, or write the receipt and take the mark away."""
    if params["state"] == "begun":
        write(mark, {"stage": params["stage"]})
        return {}
    if params["receipt"]:
        write(os.path.join(params["folder"], params["stage"] + ".json"), params["receipt"])
    if os.path.exists(mark):
        os.remove(mark)
    return {}


def main() -> None:
    """Write or take away; check mode does neither."""
    module = AnsibleModule(
        {
            "stage": {"type": "str", "required": True},
            "folder": {"type": "path", "required": True},
            "user": {"type": "str"},
            "state": {"type": "str", "choices": ["begun", "ended"]},
            "receipt": {"type": "dict"},
        },
        supports_check_mode=True,
        required_one_of=[["state", "receipt"]],
    )
    params = module.params
    mark = os.path.join(params["folder"], params["stage"] + ".inprogress")
    if module.check_mode:
        module.exit_json(changed=True)
    try:
        as_user(params["user"], lambda: note(params, mark), (OSError,))
    except WorkFailed as failure:
        module.fail_json(msg=str(failure))
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
