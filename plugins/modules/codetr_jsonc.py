#!/usr/bin/python
"""Set or take away one value of a JSONC file, and keep everything else as it stands."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_jsonc
short_description: One named entry or one key of a JSONC file, everything else kept
version_added: "0.1.0"
description:
  - Sets one entry in a list of objects, found by O(match), or one key of the outermost object, in a file of JSON with comments.
  - Comments, trailing commas, order, indentation, line ends and all other values stay byte for byte.
  - A file that cannot be read as JSONC is left alone. That is a warning and RV(left_alone), not a failure.
  - The file is replaced atomically and keeps its owner and mode. A link is followed. An absent file is created, with its folder.
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
  path:
    description: The file.
    type: path
    required: true
  user:
    description: Who writes it. The module becomes this user before it opens anything.
    type: str
  list_key:
    description: The key of the outermost object whose list holds the entry.
    type: str
  match:
    description: What the entry is known by. The first object in the list that has all of these keys and values is meant.
    type: dict
  key:
    description: The key of the outermost object to set, instead of an entry of a list.
    type: str
  value:
    description: The entry, or the value of O(key).
    type: raw
  state:
    description: Whether it is to be there.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: ansible.builtin.copy
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Name the interpreter to VS Code
  codetr.provision.codetr_jsonc:
    path: /opt/codetr/Co-DETR/.vscode/settings.json
    user: trainer
    key: python.defaultInterpreterPath
    value: /opt/codetr/env/bin/python
"""

RETURN = r"""
left_alone:
  description: Why the file was not touched although it differs; empty otherwise.
  returned: success
  type: str
  sample: ""
"""

import contextlib
import os
import pwd
from typing import Any, Iterator

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils import jsonc
from ansible_collections.codetr.provision.plugins.module_utils.atomic import replace_text


def main() -> None:
    """Read, edit, and write where that changes something."""
    module = AnsibleModule(
        {
            "path": {"type": "path", "required": True},
            "user": {"type": "str"},
            "list_key": {"type": "str", "no_log": False},
            "match": {"type": "dict"},
            "key": {"type": "str", "no_log": False},
            "value": {"type": "raw"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_one_of=[("list_key", "key")],
        mutually_exclusive=[("list_key", "key")],
        required_together=[("list_key", "match")],
        required_if=[("state", "present", ("value",))],
        supports_check_mode=True,
    )
    path = os.path.realpath(module.params["path"])
    try:
        with acting_as(module.params["user"]):
            before = read(path)
            after = edited(before or "", module.params)
            if after != (before or "") and not module.check_mode:
                write(path, after)
    except jsonc.JsoncError as error:
        reason = f"{path} is left as it is, because it cannot be read as JSON with comments ({error}). Mend it, then run again."
        module.warn(reason)
        module.exit_json(changed=False, left_alone=reason)
    except PermissionError as error:
        who = module.params["user"] or "the user that this run works as"
        module.fail_json(
            msg=f"{path} cannot be changed by {who} ({error.strerror or error}). Give its folder to that user with chown, then run again."
        )
    except (ValueError, OSError) as error:
        module.fail_json(msg=str(error))
    diff = {"before_header": path, "after_header": path, "before": before or "", "after": after}
    module.exit_json(changed=after != (before or ""), left_alone="", diff=diff)


@contextlib.contextmanager
def acting_as(user: str | None) -> Iterator[None]:
    """Do what is inside with the rights of ``user``, and be root again afterwards.

    Not for good: Ansible loads parts of itself late, from a file that only root can read, and removes that file at the end.

    Raises:
        ValueError: the user does not exist, or this process is not root and so cannot act for somebody else. The text says what to do.
    """
    try:
        entry = pwd.getpwnam(user) if user else None
    except KeyError:
        raise ValueError(f"There is no user {user!r} on this host. Create it first, or set provision_user to one that exists.") from None
    if entry is None or entry.pw_uid == os.geteuid():
        yield
        return
    if os.geteuid() != 0:
        raise ValueError(f"Working as {user!r} needs root. Give the login user sudo, or set provision_user to the login user.")
    groups, group = os.getgroups(), os.getegid()
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setegid(entry.pw_gid)
    os.seteuid(entry.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def read(path: str) -> str | None:
    """The file's text with its line ends and byte order mark, or None where there is no file."""
    try:
        with open(path, encoding="utf-8", newline="") as handle:
            return handle.read()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise jsonc.JsoncError(f"it is not UTF-8 at byte {error.start}") from None


def edited(text: str, params: dict[str, Any]) -> str:
    """The text after what the parameters ask for."""
    present = params["state"] == "present"
    if params["key"] is not None:
        edits = jsonc.set_key(text, params["key"], params["value"]) if present else jsonc.remove_key(text, params["key"])
    elif present:
        edits = jsonc.set_entry(text, params["list_key"], params["match"], params["value"])
    else:
        edits = jsonc.remove_entry(text, params["list_key"], params["match"])
    return jsonc.apply(text, edits)


def write(path: str, text: str) -> None:
    """Write beside the file and rename, with the old file's owner and mode.

    Raises:
        PermissionError: the folder or the file belongs to somebody else; written anew, the file could not keep its owner.
    """
    old = os.stat(path) if os.path.exists(path) else None
    if old and os.geteuid() not in (0, old.st_uid):
        raise PermissionError(f"it belongs to user id {old.st_uid}")
    mode, owner = (old.st_mode & 0o7777, (old.st_uid, old.st_gid)) if old else (0o644, None)
    replace_text(path, [text], mode, owner)


if __name__ == "__main__":
    main()
