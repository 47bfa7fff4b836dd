#!/usr/bin/python
"""Write many small files to a host in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_files
short_description: Write many small files to a host in one round trip
description:
  - All files travel in one archive inside the module's own parameters, and one run of the module writes those that differ.
  - A file is replaced atomically. No link below O(roots) is followed. Nothing is written unless the whole archive has arrived.
  - An action plugin reads O(files) and O(trees) on the controller, so that a plan carries paths and digests and no content.
version_added: "0.1.0"
extends_documentation_fragment: ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  platform:
    support: full
    platforms: posix
options:
  user:
    description: Who writes and owns the files. The module works as this user.
    type: str
    default: ""
  roots:
    description: Folders on the host that every file must be below. They are made if missing.
    type: list
    elements: str
    default: []
  folders:
    description: Folders on the host to make, with those above them.
    type: list
    elements: str
    default: []
  files:
    description:
      - The files. Each has C(path) on the host, C(mode) (0644 by default), and either C(content) or C(src).
      - C(src) is relative to the collection or absolute on the controller; with C(sha256), a file that has changed since is refused.
      - C(notebook) makes a Jupyter notebook of a Python file in the percent format; it maps texts of the file to what replaces them.
    type: list
    elements: dict
    default: []
  trees:
    description: Folders of files, each with C(path) on the host, C(src), C(sha256) of the whole, and C(mode) of the files.
    type: list
    elements: dict
    default: []
  absent:
    description: Files on the host to remove.
    type: list
    elements: str
    default: []
  manifest:
    description: Written by the action plugin. What the archive holds.
    type: list
    elements: dict
    default: []
  archive:
    description: Written by the action plugin. The bytes of the files.
    type: str
    default: ""
seealso:
  - module: ansible.builtin.copy
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Write the wrappers and a settings file
  codetr.provision.codetr_files:
    user: trainer
    roots: [/opt/codetr/workspace]
    files:
      - path: /opt/codetr/workspace/bin/train
        src: roles/codetr_workspace/templates/bin/train
        mode: "0755"
      - path: /opt/codetr/workspace/codetr.env
        content: "RANK=0\n"
    absent: [/opt/codetr/workspace/bin/old]
"""

RETURN = r"""
made:
  description: The folders that were made.
  returned: success
  type: list
  elements: str
  sample: [/opt/codetr/work_dirs]
written:
  description: The files that were written.
  returned: success
  type: list
  elements: str
  sample: [/opt/codetr/workspace/bin/train]
removed:
  description: The files that were removed.
  returned: success
  type: list
  elements: str
  sample: [/opt/codetr/workspace/bin/old]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.as_user import WorkFailed, as_user
from ansible_collections.codetr.provision.plugins.module_utils.files.place import PlaceError, place, unpack


def main() -> None:
    """Unpack, then write what differs."""
    strings = {"type": "list", "elements": "str", "default": []}
    entries = {"type": "list", "elements": "dict", "default": []}
    module = AnsibleModule(
        {
            "user": {"type": "str", "default": ""},
            "roots": strings,
            "folders": strings,
            "files": entries,
            "trees": entries,
            "absent": strings,
            "manifest": entries,
            "archive": {"type": "str", "default": "", "no_log": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    if given["files"] or given["trees"]:
        module.fail_json(msg="files and trees are read by the action plugin codetr_files on the controller; call it by that name.")

    def work() -> dict:
        new = unpack(given["manifest"], given["archive"])
        return place(given["roots"], given["folders"], new, given["absent"], module.check_mode, module._diff)

    try:
        done = as_user(given["user"], work, (PlaceError, OSError))
    except WorkFailed as failure:
        module.fail_json(msg=str(failure))
    diff = done.pop("diff")
    module.exit_json(changed=any(done.values()), **done, **({"diff": diff} if module._diff else {}))


if __name__ == "__main__":
    main()
