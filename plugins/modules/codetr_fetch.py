#!/usr/bin/python
"""Fetch one artifact record to one path, checked."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_fetch
short_description: Fetch one artifact record to one path, checked
version_added: "0.1.0"
description:
  - Downloads with aria2 (many connections, resumed after a cut), checks the sha256 of the whole file, and renames it into place.
  - The sha256 is taken while the file arrives, so that little is left to do after the last byte.
  - A file at O(dest) is believed only after hashing it. Wrong bytes are removed and never reach O(dest).
  - A URL that says no (404, 403), sends wrong bytes, or has a bad certificate is left. One that is only unwell (503, 429, 500,
    a cut, no answer) is tried again, after the other URLs, with longer and longer waits. Retry-After is obeyed up to five minutes
    each time, and a server that has too many requests gets half the connections. As long as bytes arrive, no server is given up.
  - Nobody there is given up after about ten seconds of waiting, a busy server after a minute and a half, and one that was cut off
    in the middle after about four minutes.
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
      - Where the same file is, tried in this order, one after the other. http, https, ftp, and file for a file on the host itself.
      - Bytes of one URL are used with those of the next. Where the whole is wrong then, each is tried from nothing, to find out which lied.
    type: list
    elements: str
    required: true
  sha256:
    description: Of the whole file. A record without one is refused unless O(insecure_ok).
    type: str
  size:
    description: Bytes, where known.
    type: int
  dest:
    description:
      - The file. Its folder is made. While it is fetched, its bytes are in C(dest.part) beside it, and what aria2 knows of them in
        C(dest.part.aria2). Both stay after a failure, for the next run.
    type: path
    required: true
  user:
    description: Who fetches and owns the file.
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
    description: Highest bytes per second in aria2's syntax (C(20M)); empty for none.
    type: str
    default: ""
  insecure_ok:
    description: Take a record without sha256 as it comes. Such a file is fetched anew on each run.
    type: bool
    default: false
  stand_in:
    description: Whether the record is a stand-in; handed back in the result.
    type: bool
    default: false
  progress:
    description:
      - File for one line of JSON, replaced while fetching, with C(phase), C(done), C(total), C(rate) per second, and C(unit), C(bytes).
      - C(phase) is C(download), C(wait) (then C(seconds) says for how long still), C(check) or C(done).
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
  description: Of the file at O(dest); null in check mode where it would be fetched.
  returned: success
  type: str
  sample: 4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05
size:
  description: Its bytes.
  returned: success
  type: int
  sample: 815585330
url:
  description: The URL that gave it, without a password; null where nothing was downloaded.
  returned: success
  type: str
  sample: https://data.example.org/val2017.zip
resumed:
  description: Whether bytes of an earlier run were used.
  returned: success
  type: bool
  sample: false
stand_in:
  description: As in the arguments.
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
    """Fetch and report."""
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
        module.fail_json(msg=f'mode is {option["mode"]!r}. Give permission bits as an octal string such as "0644".')
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
