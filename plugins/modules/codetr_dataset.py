#!/usr/bin/python
"""Bring COCO and LVIS to a host: fetch, extract, validate, put in place."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_dataset
short_description: Bring COCO and LVIS to a host
version_added: "0.1.0"
description:
  - Fetches the archives of the parts that are missing with aria2, one after the other and each with many connections, checks their sha256,
    and extracts each while it arrives, with the CRC of every member checked.
  - Validates annotations against images, cuts both to a subset where one is config, makes the relative links of LVIS, and writes manifests
    by which a later run sees one missing or changed file.
  - What others put on the host is validated and left as it is, or linked to.
  - A second run on the same folder waits for the first, and then does what is left.
extends_documentation_fragment: ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: none
    details: Skips the task.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
options:
  root:
    description: The data root.
    type: path
    required: true
  parts:
    description: All parts of the requested data sets.
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
      below:
        description: Only members whose name starts with this are taken.
        type: str
        default: ""
      strip:
        description: How many leading parts of each member's name are dropped.
        type: int
        default: 0
      required:
        description: JSON files that must be in it.
        type: list
        elements: str
        default: []
      word:
        description: What the plan says that it is, which decides what is done.
        type: str
        choices: [here, missing, damaged, changed, not validated, touched, adopt, link]
        required: true
      source:
        description: For C(link), the C(path) of the folder that is linked to, and the C(names) of its JSON files.
        type: dict
        default: {}
      urls:
        description: Where the archive is.
        type: list
        elements: str
        required: true
      sha256:
        description: Of the archive.
        type: str
        required: true
      size:
        description: Bytes of the archive, where known.
        type: int
      counts:
        description: Images and annotations that the record promises.
        type: dict
      stand_in:
        description: Whether the record is a stand-in.
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
  keep_archives:
    description: Whether archives stay once they are extracted.
    type: bool
    default: false
  decode:
    description: Which images are decoded.
    type: str
    choices: [sample, all]
    default: sample
  decoders:
    description: Interpreters that may have PIL, tried in this order.
    type: list
    elements: str
    default: [/usr/bin/python3]
  connections:
    description: Connections to one server (aria2 allows 1 to 16).
    type: int
    default: 16
  rate_limit:
    description: Highest bytes per second in aria2's syntax (C(20M)); empty for none.
    type: str
    default: ""
  progress:
    description: Folder for one file of progress per step, removed at the end.
    type: path
    required: true
  user:
    description: Who owns the data.
    type: str
seealso:
  - module: codetr.provision.codetr_fetch
  - module: codetr.provision.codetr_wait
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Bring the validation images
  codetr.provision.codetr_dataset:
    root: /opt/codetr/data
    progress: /opt/codetr/data/.codetr/progress
    links: false
    parts:
      - name: coco-val2017
        kind: images
        path: coco/val2017
        below: val2017/
        strip: 1
        word: missing
        urls: [https://data.example.org/val2017.zip]
        sha256: 4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05
        size: 815585330
        counts: {images: 5000}
"""

RETURN = r"""
parts:
  description: Files, bytes and counts of each part.
  returned: success
  type: dict
  sample: {coco-val2017: {files: 5000, bytes: 788000000, counts: {images: 5000}}}
fetched:
  description: What each download was, by name, with C(url), C(size) and C(resumed).
  returned: success
  type: dict
  sample: {coco-val2017: {url: "https://data.example.org/val2017.zip", size: 815585330, resumed: false}}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.as_user import WorkFailed, as_user
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import DatasetRefused
from ansible_collections.codetr.provision.plugins.module_utils.datasets.run import Options, run
from ansible_collections.codetr.provision.plugins.module_utils.fetch.aria2 import Transfer

PART = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": ["images", "annotations"], "required": True},
    "path": {"type": "str", "required": True},
    "below": {"type": "str", "default": ""},
    "strip": {"type": "int", "default": 0},
    "required": {"type": "list", "elements": "str", "default": []},
    "word": {
        "type": "str",
        "choices": ["here", "missing", "damaged", "changed", "not validated", "touched", "adopt", "link"],
        "required": True,
    },
    "source": {"type": "dict", "default": {}},
    "urls": {"type": "list", "elements": "str", "required": True},
    "sha256": {"type": "str", "required": True},
    "size": {"type": "int"},
    "counts": {"type": "dict"},
    "stand_in": {"type": "bool", "default": False},
}


def main() -> None:
    """Work and report; ``changed`` is always true, because the role only calls this where the plan has work."""
    module = AnsibleModule(
        {
            "root": {"type": "path", "required": True},
            "parts": {"type": "list", "elements": "dict", "required": True, "options": PART},
            "choice": {"type": "dict", "default": {}},
            "links": {"type": "bool", "default": True},
            "keep_archives": {"type": "bool", "default": False},
            "decode": {"type": "str", "choices": ["sample", "all"], "default": "sample"},
            "decoders": {"type": "list", "elements": "str", "default": ["/usr/bin/python3"]},
            "connections": {"type": "int", "default": 16},
            "rate_limit": {"type": "str", "default": ""},
            "progress": {"type": "path", "required": True},
            "user": {"type": "str"},
        },
    )
    asked = module.params
    options = Options(
        root=asked["root"],
        parts=asked["parts"],
        choice=asked["choice"] or None,
        links=asked["links"],
        keep_archives=asked["keep_archives"],
        decode=asked["decode"],
        decoders=asked["decoders"],
        transfer=Transfer(max(1, min(asked["connections"], 16)), asked["rate_limit"]),
        progress=asked["progress"],
    )
    try:
        done = as_user(asked["user"], lambda: run(options), (WorkFailed, DatasetRefused, OSError))
    except WorkFailed as refusal:
        module.fail_json(msg=f"The data below {asked['root']} is not in order: {refusal}")
    module.exit_json(changed=True, **done)


if __name__ == "__main__":
    main()
