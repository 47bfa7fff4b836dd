#!/usr/bin/python
"""Write a stage's in-progress marker or receipt, or remove its state files."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_receipt
short_description: Write a stage's in-progress marker or receipt, or remove its state files
version_added: "0.1.0"
description:
  - While a stage is at work, the marker STAGE.inprogress is in the folder. A later run that finds it knows that the stage was cut short.
  - The receipt STAGE.json is a hint for the next plan, which checks it against the host, and the record that removal goes by.
  - A receipt replaces the marker, and the state file STAGE.before of module M(codetr.provision.codetr_snapshot).
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
    description: Who owns the files. The default is whoever runs the module, and for C(removed) the owner of the folder.
    type: str
  state:
    description: C(begun) writes the marker, C(removed) removes receipt, state file and marker.
    type: str
    choices: [begun, removed]
  receipt:
    description: The receipt to write.
    type: dict
seealso:
  - module: codetr.provision.codetr_confirm
  - module: codetr.provision.codetr_snapshot
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Write the in-progress marker
  codetr.provision.codetr_receipt:
    stage: miniconda
    folder: /opt/codetr/receipts
    state: begun

- name: Remove the state files
  codetr.provision.codetr_receipt:
    stage: nvidia_driver
    folder: /opt/codetr/receipts
    state: removed
"""

RETURN = r"""
changed:
  description: Whether a file was written or removed.
  returned: success
  type: bool
  sample: true
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.as_user import WorkFailed, as_user
from ansible_collections.codetr.provision.plugins.module_utils.snapshot import parse, statefile


def update(params: dict) -> dict:
    """Write the marker, or the receipt in its place, or remove all of them."""
    folder, stage = params["folder"], params["stage"]
    if params["state"] == "removed":
        return {"changed": bool(statefile.remove(folder, stage))}
    if params["state"] == "begun":
        statefile.write(parse.marker_path(folder, stage), {"stage": stage})
    else:
        statefile.write(parse.receipt_path(folder, stage), params["receipt"])
        # The marker goes last: with it, a run that is cut here is known to have been.
        statefile.remove_file(parse.state_path(folder, stage))
        statefile.remove_file(parse.marker_path(folder, stage))
    return {"changed": True}


def main() -> None:
    """Write or remove; check mode does neither."""
    module = AnsibleModule(
        {
            "stage": {"type": "str", "required": True},
            "folder": {"type": "path", "required": True},
            "user": {"type": "str"},
            "state": {"type": "str", "choices": ["begun", "removed"]},
            "receipt": {"type": "dict"},
        },
        supports_check_mode=True,
        required_one_of=[["state", "receipt"]],
        mutually_exclusive=[["state", "receipt"]],
    )
    params = module.params
    folder, removed = params["folder"], params["state"] == "removed"
    if removed and not os.path.isdir(folder):
        module.exit_json(changed=False)
    if module.check_mode:
        paths = [path(folder, params["stage"]) for path in (parse.receipt_path, parse.state_path, parse.marker_path)]
        module.exit_json(changed=not removed or any(os.path.lexists(path) for path in paths))
    user = params["user"] or (statefile.owner_of(folder) if removed else None)
    try:
        result = as_user(user, lambda: update(params), (OSError,))
    except WorkFailed as failure:
        module.fail_json(msg=str(failure))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
