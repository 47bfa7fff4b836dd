#!/usr/bin/python
"""Choose a subset of COCO and LVIS, or validate extracted parts and put them in place."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_dataset
short_description: Choose a subset of COCO and LVIS, or put extracted parts in place
description:
  - With O(state=chosen) picks O(choice.subset) pictures per folder from the annotations in staging and writes one list per folder.
  - With O(state=placed) validates the parts (JSON, counts, every picture named is there), cuts annotations to the subset,
    moves them in place, makes the relative links of LVIS, and writes the manifests.
options:
  root:
    description: The data root.
    type: path
    required: true
  state:
    description: What to do.
    type: str
    choices: [chosen, placed]
    required: true
  parts:
    description: The parts to work on.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the artifact record.
        type: str
        required: true
      kind:
        description: What the archive holds.
        type: str
        choices: [images, annotations]
        required: true
      path:
        description: The folder below O(root).
        type: str
        required: true
      required:
        description: JSON files that must come out of the archive.
        type: list
        elements: str
        default: []
      sha256:
        description: Of the archive.
        type: str
        required: true
      counts:
        description: Images and annotations that the record promises.
        type: dict
      stand_in:
        description: Whether the record is a stand-in.
        type: bool
        default: false
      adopt:
        description: Whether the part was there before and is only validated.
        type: bool
        default: false
  choice:
    description: The subset as the manifests record it, with C(subset), C(for) and C(from). Empty takes everything.
    type: dict
    default: {}
  links:
    description: Whether LVIS's links are made.
    type: bool
    default: true
  user:
    description: Who owns the data.
    type: str
author: codetr-provision
"""

EXAMPLES = r"""
- name: Put the validation pictures in place
  codetr.provision.codetr_dataset:
    root: /opt/codetr/data
    state: placed
    links: false
    parts:
      - {name: coco-val2017, kind: images, path: coco/val2017, sha256: 4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05}
"""

RETURN = r"""
parts:
  description: Files, bytes and counts of each part (O(state=placed)), or pictures of each folder (O(state=chosen)).
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.as_user import WorkFailed, as_user
from ansible_collections.codetr.provision.plugins.module_utils.dataset.check import DatasetRefused
from ansible_collections.codetr.provision.plugins.module_utils.dataset.place import choose, place

PART = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": ["images", "annotations"], "required": True},
    "path": {"type": "str", "required": True},
    "required": {"type": "list", "elements": "str", "default": []},
    "sha256": {"type": "str", "required": True},
    "counts": {"type": "dict"},
    "stand_in": {"type": "bool", "default": False},
    "adopt": {"type": "bool", "default": False},
}


def main() -> None:
    """Work and report; ``changed`` is always true, because the role only calls this for what the plan lists."""
    module = AnsibleModule(
        {
            "root": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["chosen", "placed"], "required": True},
            "parts": {"type": "list", "elements": "dict", "required": True, "options": PART},
            "choice": {"type": "dict", "default": {}},
            "links": {"type": "bool", "default": True},
            "user": {"type": "str"},
        },
    )
    wish = module.params
    choice = wish["choice"] or None

    def work() -> dict[str, Any]:
        if wish["state"] == "placed":
            return place(wish["root"], wish["parts"], choice, wish["links"])
        if choice is None:
            raise DatasetRefused("A subset is to be chosen and choice is empty. Give choice with its key subset.")
        return choose(wish["root"], wish["parts"], choice)

    try:
        done = as_user(wish["user"], work, (DatasetRefused, OSError))
    except WorkFailed as refusal:
        module.fail_json(msg=f"The data below {wish['root']} is not in order: {refusal}")
    module.exit_json(changed=True, parts=done)


if __name__ == "__main__":
    main()
