#!/usr/bin/python
"""Extract a zip into a folder, atomically and checked."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_extract
short_description: Extract a zip into a folder, atomically and checked
description:
  - Extracts beside O(dest) and renames, so that O(dest) is there whole or not at all. The CRC of each member is checked.
  - Refuses absolute paths, C(..), links, duplicates, encrypted members, and archives that claim to hold far more than they can.
  - An existing O(dest) is believed only with its manifest; one without is never touched.
options:
  src:
    description: The zip. It is taken to be the bytes of O(sha256).
    type: path
    required: true
  dest:
    description: The folder to make.
    type: path
    required: true
  sha256:
    description: Of the archive, as checked when it was fetched. Goes into the manifest.
    type: str
    required: true
  manifest:
    description: Path of the manifest. By default C(dest.manifest.json) beside the folder.
    type: path
  note:
    description: Further keys for the manifest.
    type: dict
    default: {}
  members:
    description: Take only members whose name starts with this, for example C(train2017/).
    type: str
    default: ""
  strip:
    description: How many leading parts of each member's name are dropped.
    type: int
    default: 0
  only_list:
    description: A file with one path per line (after O(strip)); only those are taken, and each must be in the archive.
    type: path
  user:
    description: Who extracts and owns the files.
    type: str
  progress:
    description: File for one line of JSON, replaced while extracting, with C(phase), C(done) and C(total) in files, and C(rate) per second.
    type: path
attributes:
  check_mode:
    support: full
    description: Says whether it would change.
author: codetr-provision
"""

EXAMPLES = r"""
- name: Extract the validation pictures
  codetr.provision.codetr_extract:
    src: /opt/codetr/data/.codetr/archives/coco-val2017.zip
    sha256: 4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05
    members: val2017/
    strip: 1
    dest: /opt/codetr/data/coco/val2017
    user: me
"""

RETURN = r"""
files:
  description: Number of files in O(dest); null in check mode where it would be made.
  returned: success
  type: int
bytes:
  description: Their bytes.
  returned: success
  type: int
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.archive.extract import Order, extract
from ansible_collections.codetr.provision.plugins.module_utils.archive.members import ArchiveRefused, Selection
from ansible_collections.codetr.provision.plugins.module_utils.as_user import WorkFailed, as_user


def _lines(path: str | None) -> frozenset[str] | None:
    if not path:
        return None
    try:
        with open(path, encoding="utf-8") as handle:
            return frozenset(line.strip() for line in handle if line.strip())
    except OSError as error:
        said = f"The list of files to take, {path}, cannot be read: {error.strerror}"
        raise ArchiveRefused(f"{said}. Run the whole role again: it is then made anew.") from None


def main() -> None:
    """Extract and report."""
    module = AnsibleModule(
        {
            "src": {"type": "path", "required": True},
            "dest": {"type": "path", "required": True},
            "sha256": {"type": "str", "required": True},
            "manifest": {"type": "path"},
            "note": {"type": "dict", "default": {}},
            "members": {"type": "str", "default": ""},
            "strip": {"type": "int", "default": 0},
            "only_list": {"type": "path"},
            "user": {"type": "str"},
            "progress": {"type": "path"},
        },
        supports_check_mode=True,
    )
    wish = module.params
    dest = os.path.abspath(wish["dest"])

    def work() -> dict[str, Any]:
        selection = Selection(wish["members"], wish["strip"], _lines(wish["only_list"]))
        order = Order(
            src=os.path.abspath(wish["src"]),
            dest=dest,
            sha256=wish["sha256"],
            selection=selection,
            manifest=wish["manifest"] or f"{dest}.manifest.json",
            note=wish["note"],
            progress=wish["progress"] or "",
        )
        return extract(order, check=module.check_mode)

    try:
        result = as_user(wish["user"], work, (ArchiveRefused,))
    except WorkFailed as refusal:
        module.fail_json(msg=str(refusal))
    module.exit_json(dest=dest, **result)


if __name__ == "__main__":
    main()
