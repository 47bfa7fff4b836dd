#!/usr/bin/python
"""Install data sets on a host: fetch, extract, validate, put in place."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_dataset
short_description: Install data sets on a host
version_added: "0.1.0"
description:
  - Fetches the archives of missing parts with aria2, one at a time with many connections, verifies their sha256, and extracts each
    while it arrives, verifying the CRC of every member.
  - Validates annotations against images, cuts both to a subset where configured, creates the relative links of LVIS, and writes manifests
    by which a later run detects a single missing or changed file.
  - Data that this project did not create is validated and used in place, or linked to.
  - A second run on the same folder waits for the first, then does the remaining work.
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
        description: Extract only members whose name starts with this.
        type: str
        default: ""
      strip:
        description: Number of leading components to drop from each member's name.
        type: int
        default: 0
      required:
        description: JSON files that the archive must contain.
        type: list
        elements: str
        default: []
      status:
        description: The status from the plan, which decides what is done.
        type: str
        choices: [current, missing, damaged, changed, not validated, touched, adopt, link]
        required: true
      source:
        description: For C(link), the C(path) of the folder to link to, and the C(names) of its JSON files.
        type: dict
        default: {}
      urls:
        description: URLs of the archive, tried in order.
        type: list
        elements: str
        required: true
      sha256:
        description: The sha256 of the archive.
        type: str
        required: true
      size:
        description: Size of the archive in bytes, where known.
        type: int
      counts:
        description: Expected numbers of images and annotations.
        type: dict
      stand_in:
        description: Whether the record is a stand-in.
        type: bool
        default: false
  choice:
    description: The subset as the manifests record it, with C(subset), C(for) and C(from). Empty for all images.
    type: dict
    default: {}
  links:
    description: Relative links to create, target by path below O(root); LVIS uses COCO's images through them.
    type: dict
    default: {}
  keep_archives:
    description: Whether to keep archives after extraction.
    type: bool
    default: false
  decode:
    description: Which images to decode.
    type: str
    choices: [sample, all]
    default: sample
  decoders:
    description: Interpreters that may have PIL, tried in order.
    type: list
    elements: str
    default: [/usr/bin/python3]
  connections:
    description: Connections to one server (aria2 allows 1 to 16).
    type: int
    default: 16
  rate_limit:
    description: Maximum bytes per second in aria2's syntax (C(20M)); empty for no limit.
    type: str
    default: ""
  progress:
    description: Folder for progress files, one per step; removed at the end.
    type: path
    required: true
  user:
    description: The user who owns the data.
    type: str
seealso:
  - module: codetr.provision.codetr_fetch
  - module: codetr.provision.codetr_wait
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Install the validation images
  codetr.provision.codetr_dataset:
    root: /opt/codetr/data
    progress: /opt/codetr/data/.codetr/progress
    parts:
      - name: coco-val2017
        kind: images
        path: coco/val2017
        below: val2017/
        strip: 1
        status: missing
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
    "status": {
        "type": "str",
        "choices": ["current", "missing", "damaged", "changed", "not validated", "touched", "adopt", "link"],
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
    """Run the job; ``changed`` is always true, because the role only calls the module when there is work."""
    module = AnsibleModule(
        {
            "root": {"type": "path", "required": True},
            "parts": {"type": "list", "elements": "dict", "required": True, "options": PART},
            "choice": {"type": "dict", "default": {}},
            "links": {"type": "dict", "default": {}},
            "keep_archives": {"type": "bool", "default": False},
            "decode": {"type": "str", "choices": ["sample", "all"], "default": "sample"},
            "decoders": {"type": "list", "elements": "str", "default": ["/usr/bin/python3"]},
            "connections": {"type": "int", "default": 16},
            "rate_limit": {"type": "str", "default": ""},
            "progress": {"type": "path", "required": True},
            "user": {"type": "str"},
        },
    )
    option = module.params
    options = Options(
        root=option["root"],
        parts=option["parts"],
        choice=option["choice"] or None,
        links=option["links"],
        keep_archives=option["keep_archives"],
        decode=option["decode"],
        decoders=option["decoders"],
        transfer=Transfer(max(1, min(option["connections"], 16)), option["rate_limit"]),
        progress=option["progress"],
    )
    try:
        done = as_user(option["user"], lambda: run(options), (WorkFailed, DatasetRefused, OSError))
    except WorkFailed as refusal:
        module.fail_json(msg=f"The data below {option['root']} is not valid: {refusal}")
    module.exit_json(changed=True, **done)


if __name__ == "__main__":
    main()
