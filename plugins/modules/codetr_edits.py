#!/usr/bin/python
"""Apply counted source edits to a checkout, or take them back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_edits
short_description: Apply counted source edits to a checkout, or take them back
version_added: "0.1.0"
description:
  - An edit is a literal text, its replacement, and how many places it has. Fewer or more places is an error that changes nothing.
  - A file is edited only when its hash is the one of the commit, and is checked against the hash that it must have afterwards.
  - All files are checked before the first is written. Each is replaced atomically.
  - An action plugin reads O(source) on the controller, so that a plan names files and no texts.
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
  repo:
    description: The checkout.
    type: path
    required: true
  user:
    description: Who owns it.
    type: str
  source:
    description:
      - The list of edits, relative to the collection or absolute on the controller. It has groups of files, each with C(path),
        C(sha256_before), C(sha256_after) and C(edits) (C(find), C(replace), C(count)).
    type: str
  sha256:
    description: Of O(source). A list that has changed since is refused.
    type: str
    default: ""
  apply:
    description: Paths of O(source) to edit. The action plugin hands the module their entries.
    type: list
    elements: raw
    default: []
  revert:
    description: Paths of O(source) to take back.
    type: list
    elements: raw
    default: []
seealso:
  - module: ansible.builtin.replace
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Edit one file
  codetr.provision.codetr_edits:
    repo: /opt/codetr/Co-DETR
    user: trainer
    source: roles/codetr_repo/files/edits/sense-x-co-detr-26653521.yml
    apply: [projects/models/query_denoising.py]
"""

RETURN = r"""
files:
  description: The files that were written.
  returned: success
  type: list
  elements: str
  sample: [tools/train.py]
"""

import hashlib
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.as_user import WorkFailed, as_user
from ansible_collections.codetr.provision.plugins.module_utils.atomic import replace_bytes
from ansible_collections.codetr.provision.plugins.module_utils.edits import EditError, edited


def main() -> None:
    """Check every file, then write those that differ."""
    module = AnsibleModule(
        {
            "repo": {"type": "path", "required": True},
            "user": {"type": "str"},
            "source": {"type": "str"},
            "sha256": {"type": "str", "default": ""},
            "apply": {"type": "list", "elements": "raw", "default": []},
            "revert": {"type": "list", "elements": "raw", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        done = as_user(module.params["user"], lambda: edit(module.params, module.check_mode), (EditError, OSError))
    except WorkFailed as failure:
        module.fail_json(msg=str(failure))
    module.exit_json(changed=bool(done["files"]), files=done["files"])


def edit(params: dict, check_mode: bool) -> dict:
    """Check every file, then write those that differ. Returns their paths."""
    written = {}
    for entry, back in [(item, True) for item in params["revert"]] + [(item, False) for item in params["apply"]]:
        path = os.path.join(params["repo"], entry["path"])
        with open(path, "rb") as handle:
            old = handle.read()
        new = edited(old, entry, back)
        if new != old:
            written[path] = new
    if not check_mode:
        for path, data in written.items():
            replace(path, data)
    return {"files": sorted(written)}


def replace(path: str, data: bytes) -> None:
    """Replace the file, keeping its mode, and read it back."""
    replace_bytes(path, [data], mode=os.stat(path).st_mode & 0o7777)
    if hashlib.sha256(open(path, "rb").read()).digest() != hashlib.sha256(data).digest():  # noqa: SIM115
        raise OSError(f"{path} does not hold what was written to it. Check the disk, then run again.")


if __name__ == "__main__":
    main()
