#!/usr/bin/python
"""Note how a host was before a stage, say what the stage brought, and take that back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_snapshot
short_description: Note how a host was before a stage, say what the stage brought, and take that back
description:
  - A stage takes a snapshot of the host before it changes anything, notes what it is about to change, and gets what it brought for its
    receipt.
    Removal goes by the receipt, and by the state file of a run that was cut short.
  - What was there before is never taken back. What somebody else installed or changed since is left alone.
  - The state file STAGE.before lies beside the receipts while the stage is at work; module M(codetr.provision.codetr_receipt) removes it.
  - A state file or receipt that is there and cannot be read is a failure.
version_added: "0.1.0"
extends_documentation_fragment: ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: partial
    details: Only C(restored) shows what it takes back.
  platform:
    support: full
    platforms: debian
options:
  state:
    description:
      - C(taken) writes the state file, unless a run that was cut short has left one, which stays.
      - C(noted) adds to it what is about to change.
      - C(finished) returns what the stage brought.
      - C(listed) returns what C(restored) would take back.
      - C(restored) takes back packages, holds, marks, files, package sources, folders of kernels and links.
    type: str
    choices: [taken, noted, finished, listed, restored]
    required: true
  stage:
    description: The stage's name.
    type: str
    required: true
  folder:
    description: The folder of receipts.
    type: path
    required: true
  user:
    description: Who owns the folder. The default is whoever owns it already.
    type: str
  packages:
    description: Names of all packages that will be installed, as the package manager's simulation says.
    type: list
    elements: str
    default: []
  requested:
    description: The packages among them that are asked for by name.
    type: list
    elements: str
    default: []
  held:
    description: Names of packages that will be held.
    type: list
    elements: str
    default: []
  files:
    description: Our files that will be written.
    type: list
    elements: str
    default: []
  leftovers:
    description: Files that are there only while the stage is at work, or that an installer leaves.
    type: list
    elements: str
    default: []
  uninstall:
    description: Programs that an installer brings and that take its work back.
    type: list
    elements: str
    default: []
  sources:
    description: New texts of the files of package sources that will be edited, by path.
    type: dict
    default: {}
  watch:
    description: Paths, or patterns of paths, whose existence before the stage counts.
    type: list
    elements: str
    default: []
  links:
    description:
      - Targets of links before the stage, by path; null for no link. The plan knows which of them somebody has moved since a run was cut
        short, so this replaces what was noted earlier.
      - C(restored) looks at the paths only.
    type: dict
    default: {}
  earlier:
    description: What the receipt of the stage remembers already.
    type: dict
    default: {}
  allowed:
    description: Patterns of the files that may be removed, whatever a receipt says.
    type: list
    elements: str
    default: []
  own:
    description: Folders of ours that a link may lead to.
    type: list
    elements: str
    default: []
seealso:
  - module: codetr.provision.codetr_receipt
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Take a snapshot of the host
  codetr.provision.codetr_snapshot:
    state: taken
    stage: nvidia_driver
    folder: /opt/codetr/receipts
    user: ubuntu
    requested: [aria2]

- name: Note the packages that will be installed
  codetr.provision.codetr_snapshot:
    state: noted
    stage: nvidia_driver
    folder: /opt/codetr/receipts
    packages: [nvidia-tesla-470-smi, dkms, gcc]
    requested: [nvidia-tesla-470-smi, dkms]

- name: Work out what the stage brought
  codetr.provision.codetr_snapshot:
    state: finished
    stage: nvidia_driver
    folder: /opt/codetr/receipts
  register: driver_changes

- name: Remove what the stage brought
  codetr.provision.codetr_snapshot:
    state: restored
    stage: nvidia_driver
    folder: /opt/codetr/receipts
    allowed: ["/etc/modprobe[.]d/codetr-.*"]
"""

RETURN = r"""
remember:
  description: What the receipt is to remember (C(finished)), or what it remembers (C(listed), C(restored)).
  returned: for these states
  type: dict
  sample: {"packages": ["dkms"], "files": ["/etc/modprobe.d/codetr-nouveau.conf"]}
found:
  description: Whether there is a receipt, or the state file of a run that was cut short.
  returned: C(listed) and C(restored)
  type: bool
  sample: true
restore:
  description: What is taken back, by kind, and under C(kept) the packages that stay, each with the reason.
  returned: C(listed) and C(restored)
  type: dict
  sample: {"packages": ["dkms"], "kept": {"gcc": "needed by build-essential"}, "files": [], "sources": []}
"""

import re
from typing import Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.codetr.provision.plugins.module_utils.as_user import WorkFailed, as_user
from ansible_collections.codetr.provision.plugins.module_utils.command import patient
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.package_manager import managers, nvidia_repository
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.manager import PackageManagerFailed
from ansible_collections.codetr.provision.plugins.module_utils.snapshot import changes, parse, restore, statefile
from ansible_collections.codetr.provision.plugins.module_utils.snapshot.records import (
    Note,
    State,
    StateError,
    as_dict,
    changes_from,
    snapshot_from,
)
from ansible_collections.codetr.provision.plugins.module_utils.snapshot.take import take

LISTED = ("auto", "held", "files", "shared", "foreign_sources", "kernels", "uninstall", "keep_configuration")
LISTS = ("packages", "requested", "held", "files", "leftovers", "uninstall", "watch", "allowed", "own")
DICTS = ("sources", "links", "earlier")


class Stage:
    """One call of the module."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module, self.params = module, module.params
        self.folder, self.name = self.params["folder"].rstrip("/"), self.params["stage"]
        self.manager = managers.of(Host())
        module.run_command_environ_update = dict(self.manager.environment)
        self.run = patient(module.run_command, self.manager.locked)

    def taken(self) -> dict:
        """Write the state file, or go on with the one of a run that was cut short."""
        requested = self.params["requested"]
        # Before the first lists of packages it cannot tell.
        coming = self.coming(sorted(self.manager.simulate(self.run, requested).install) if requested else [])
        now = take({*self.params["watch"], *coming.uninstall})
        state = statefile.read_state(self.folder, self.name) or State(before=now)
        before = as_dict(state.before)
        before["links"] = {**before["links"], **self.params["links"]}
        state = State(snapshot_from(before), state.note, now.packages)
        self.write(changes.note(state, now, coming, self.params["sources"]))
        return {"changed": True}

    def noted(self) -> dict:
        """Add what is about to change."""
        state = self.state()
        fresh = changes.note(state, take(), self.coming(self.params["packages"]), self.params["sources"])
        if fresh != state:
            self.write(fresh)
        return {"changed": fresh != state}

    def finished(self) -> dict:
        """What the stage brought, for its receipt."""
        state, earlier = self.state(), changes_from(self.params["earlier"])
        note = state.note
        after = take({*note.files, *note.uninstall, *earlier.files, *earlier.uninstall})
        return {"changed": False, "remember": {**self.params["earlier"], **as_dict(changes.changes(state, after, earlier))}}

    def listed(self) -> dict:
        """What would be taken back."""
        found, remember, plan = self.plan()
        going, needed = restore.removable(plan, self.run)
        return {"changed": False, "found": found, "remember": remember, "restore": self.summary(plan, going, needed)}

    def restored(self) -> dict:
        """Take it back."""
        if not self.module.check_mode and self.manager.interrupted(Host()):
            self.manager.mend(self.run, self.brought())
        found, remember, plan = self.plan()
        if self.module.check_mode:
            going, needed = restore.removable(plan, self.run)
            changed = bool(going or plan.held or plan.files or plan.sources or plan.auto)
            return {"changed": changed, "found": found, "remember": remember, "restore": self.summary(plan, going, needed)}
        done = restore.perform(plan, self.run)
        self.hand_over(done.needed)
        summary = {**self.summary(plan, done.packages, done.needed), **{key: value for key, value in vars(done).items() if key != "needed"}}
        changed = any(value for key, value in vars(done).items() if key != "needed")
        return {"changed": changed, "found": found, "remember": remember, "restore": summary}

    def plan(self) -> tuple:
        """Whether there is anything to go by, what the receipt remembers, and what can be taken back."""
        remember, state = statefile.read_receipt(self.folder, self.name), statefile.read_state(self.folder, self.name)
        receipt = changes_from(remember)
        watch = {*receipt.files, *receipt.uninstall}
        if state:
            watch |= state.note.files | state.note.leftovers | state.note.uninstall
        now = take(watch, self.params["links"])
        used = {path for _unused, files in statefile.others(self.folder, self.name).values() for path in files}
        allowed = [*self.params["allowed"], *map(re.escape, self.of_package_manager())]
        plan = changes.restorable(receipt, state, now, used, allowed, self.params["own"])
        return bool(remember or state), remember, plan

    def of_package_manager(self) -> list:
        """The files that this stage may have written for the package manager."""
        unattended = self.manager.unattended_file() if self.name == "nvidia_driver" else None
        return [*nvidia_repository.own_files(self.manager, self.name), *([unattended[0]] if unattended else [])]

    def brought(self) -> set:
        """The packages that may be ours, by the receipt and by what was noted."""
        state = statefile.read_state(self.folder, self.name)
        noted = state.note.packages - state.before.packages if state else frozenset()
        return set(changes_from(statefile.read_receipt(self.folder, self.name)).packages | noted)

    def hand_over(self, needed: dict) -> None:
        """Let the stage whose packages need one of ours take it along when it goes."""
        receipts = {name: receipt for name, (receipt, _unused) in statefile.others(self.folder, self.name).items()}
        remember = changes_from(statefile.read_receipt(self.folder, self.name))
        fresh = changes.handed_over(needed, remember.requested, receipts)

        def update() -> None:
            for name, receipt in fresh.items():
                statefile.update_receipt(self.folder, name, as_dict(receipt))

        if fresh:
            self.as_owner(update)

    def summary(self, plan: changes.Restore, going: list, needed: dict) -> dict:
        """The lists that a person or a task reads."""
        kept = {**plan.kept, **{name: "needed by " + ", ".join(others) for name, others in needed.items()}}
        listed = {key: sorted(getattr(plan, key)) for key in LISTED}
        return {**listed, "packages": going, "kept": kept, "sources": sorted(plan.sources), "links": dict(plan.links)}

    def coming(self, packages: list) -> Note:
        """What the parameters say is about to change."""
        sets: dict[str, frozenset[str]] = {
            key: frozenset(self.params[key]) for key in ("requested", "held", "files", "leftovers", "uninstall")
        }
        return Note(frozenset(packages), **sets)  # type: ignore[arg-type]

    def state(self) -> State:
        """The state file, which has to be there."""
        path = parse.state_path(self.folder, self.name)
        state = statefile.read_state(self.folder, self.name)
        if state is None:
            raise StateError(f"{path} is not there, though stage {self.name} is at work. Somebody removed it; run again.")
        return state

    def write(self, state: State) -> None:
        """Write the state file as the folder's owner."""
        if self.module.check_mode:
            return
        statefile.make_folder(self.folder, self.params["user"])
        self.as_owner(lambda: statefile.write_state(self.folder, self.name, state))

    def as_owner(self, work: Callable[[], None]) -> None:
        """Do something as the owner of the folder."""

        def working() -> dict:
            work()
            return {}

        as_user(self.params["user"] or statefile.owner_of(self.folder), working, (OSError,))


def main() -> None:
    """Do what the state says."""
    names = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        {
            "state": {"type": "str", "required": True, "choices": ["taken", "noted", "finished", "listed", "restored"]},
            "stage": {"type": "str", "required": True},
            "folder": {"type": "path", "required": True},
            "user": {"type": "str"},
            **{key: names for key in LISTS},
            **{key: {"type": "dict", "default": {}} for key in DICTS},
        },
        supports_check_mode=True,
    )
    stage = Stage(module)
    try:
        result = getattr(stage, module.params["state"])()
    except (StateError, PackageManagerFailed, WorkFailed) as failure:
        module.fail_json(msg=str(failure))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    if module.params["state"] == "restored":
        result["diff"] = {"before": _lines(result["restore"]), "after": ""}
    module.exit_json(**result)


def _lines(summary: dict) -> str:
    return "".join(f"{key}: {item}\n" for key in sorted(summary) if key not in ("kept", "links", "shared") for item in summary[key])


if __name__ == "__main__":
    main()
