#!/usr/bin/python
"""Fetch one artifact to a path and verify it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_fetch
short_description: Fetch one artifact to a path and verify it
version_added: "0.1.0"
description:
  - Downloads with aria2 (many connections, resumed when interrupted), verifies the sha256 of the whole file, and renames it into place.
  - The file is hashed while it arrives, so that little is left to do after the last byte.
  - An existing file at O(dest) is hashed before it is used. Wrong bytes are removed and never reach O(dest).
  - A URL that fails permanently (404, 403, wrong bytes, a bad certificate) is not tried again. One that fails temporarily (503, 429, 500,
    a cut connection, no answer) is tried again after the other URLs, with increasing waits. Retry-After is obeyed, up to five minutes
    each time, and a server with too many requests gets half the connections. No server is given up as long as bytes arrive.
  - A server that never answers is given up after about ten seconds of waiting, a busy server after a minute and a half, and one whose
    transfer was interrupted after about four minutes.
  - Proxies are taken from the environment, a CA bundle from E(SSL_CERT_FILE), E(CURL_CA_BUNDLE) or E(REQUESTS_CA_BUNDLE).
extends_documentation_fragment: ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details: Hashes a file that exists, and reports whether it would be fetched.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
options:
  name:
    description: Name of the record, for messages.
    type: str
    required: true
  urls:
    description:
      - URLs of the same file, tried in order. http, https, ftp, and file for a file on the host itself.
      - A download continues from one URL to the next. If the result is wrong, each URL is tried from scratch.
    type: list
    elements: str
    required: true
  sha256:
    description: The sha256 of the whole file. A record without one is refused unless O(insecure_ok).
    type: str
  size:
    description: Size in bytes, where known.
    type: int
  dest:
    description:
      - Path of the file. Its folder is created. During the download, the bytes are in C(dest.part) and aria2's control file is
        C(dest.part.aria2). Both are kept after a failure, for the next run.
    type: path
    required: true
  user:
    description: The user who fetches and owns the file.
    type: str
  mode:
    description: Permission bits of the file, as an octal string.
    type: str
    default: "0644"
  connections:
    description: Connections to one server (aria2 allows 1 to 16). A small file gets fewer.
    type: int
    default: 16
  rate_limit:
    description: Maximum bytes per second in aria2's syntax (C(20M)); empty for no limit.
    type: str
    default: ""
  insecure_ok:
    description: Accept a record without sha256, unverified. Such a file is fetched again on each run.
    type: bool
    default: false
  stand_in:
    description: Whether the record is a stand-in; returned in the result.
    type: bool
    default: false
  progress:
    description:
      - File for one line of JSON, updated while fetching, with C(phase), C(done), C(total), C(rate) per second, and C(unit), C(bytes).
      - C(phase) is C(download), C(wait) (C(seconds) is the time left), C(check) or C(done).
    type: path
seealso:
  - module: ansible.builtin.get_url
  - module: codetr.provision.codetr_dataset
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Fetch an archive
  codetr.provision.codetr_fetch:
    name: coco-val2017
    urls: [https://data.example.org/val2017.zip]
    sha256: 4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05
    size: 815585330
    dest: /opt/codetr/data/.codetr/archives/coco-val2017.zip
    user: me
"""

RETURN = r"""
sha256:
  description: The sha256 of the file at O(dest); null in check mode where it would be fetched.
  returned: success
  type: str
  sample: 4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05
size:
  description: Its size in bytes.
  returned: success
  type: int
  sample: 815585330
url:
  description: The URL it came from, without the password; null where nothing was downloaded.
  returned: success
  type: str
  sample: https://data.example.org/val2017.zip
resumed:
  description: Whether the download continued an earlier run.
  returned: success
  type: bool
  sample: false
stand_in:
  description: Whether the record is a stand-in, as in the arguments.
  returned: success
  type: bool
  sample: false
"""

import os
from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.as_user import WorkFailed, as_user
from ansible_collections.codetr.provision.plugins.module_utils.fetch.aria2 import Transfer
from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import FetchFailure
from ansible_collections.codetr.provision.plugins.module_utils.fetch.place import fetch
from ansible_collections.codetr.provision.plugins.module_utils.fetch.record import Request


def main() -> None:
    """Fetch the artifact."""
    module = AnsibleModule(
        {
            "name": {"type": "str", "required": True},
            "urls": {"type": "list", "elements": "str", "required": True},
            "sha256": {"type": "str"},
            "size": {"type": "int"},
            "dest": {"type": "path", "required": True},
            "user": {"type": "str"},
            "mode": {"type": "str", "default": "0644"},
            "connections": {"type": "int", "default": 16},
            "rate_limit": {"type": "str", "default": ""},
            "insecure_ok": {"type": "bool", "default": False},
            "stand_in": {"type": "bool", "default": False},
            "progress": {"type": "path"},
        },
        supports_check_mode=True,
    )
    option = module.params
    try:
        mode = int(option["mode"], 8)
    except ValueError:
        module.fail_json(msg=f'mode is {option["mode"]!r}. Set it to an octal string such as "0644".')
    request = Request(
        name=option["name"],
        urls=option["urls"],
        dest=os.path.abspath(option["dest"]),
        sha256=option["sha256"] or None,
        size=option["size"],
        mode=mode,
        transfer=Transfer(max(1, min(option["connections"], 16)), option["rate_limit"]),
        insecure_ok=option["insecure_ok"],
        progress=option["progress"] or "",
    )
    try:
        outcome = as_user(option["user"], lambda: asdict(fetch(request, check=module.check_mode)), (FetchFailure,))
    except WorkFailed as failure:
        module.fail_json(msg=str(failure), stand_in=option["stand_in"])
    module.exit_json(name=option["name"], dest=request.dest, stand_in=option["stand_in"], **outcome)


if __name__ == "__main__":
    main()
