"""Find the playbooks, and the environment in which Ansible finds the collection by its full name."""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Ansible's own default, which an explicit ANSIBLE_COLLECTIONS_PATH has to repeat.
DEFAULT_COLLECTIONS = "~/.ansible/collections:/usr/share/ansible/collections"
# Makes the action codetr_wait print records that this command can parse.
PROGRESS_FORMAT = "CODETR_PROVISION_PROGRESS"


class UsageError(Exception):
    """Wrong usage of the command; the text says what to do."""


@dataclass(frozen=True)
class Project:
    """A checkout that runs in place (`root`), or the installed collection (`root` is None)."""

    root: Path | None

    @property
    def folder(self) -> Path:
        """Where ansible-playbook is started."""
        return self.root or Path.cwd()

    def playbook(self, name: str) -> str:
        """A playbook's name on ansible-playbook's command line."""
        return f"codetr.provision.{name}" if self.root is None else str(Path("playbooks", f"{name}.yml"))

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The variables to add to `given`, the environment of this process."""
        # The command may be called by its path, without the virtual environment being active.
        added = {"PATH": os.pathsep.join([str(Path(sys.executable).parent), given.get("PATH", os.defpath)])}
        added[PROGRESS_FORMAT] = "json"
        config = Path(given["ANSIBLE_CONFIG"]) if given.get("ANSIBLE_CONFIG") else self.folder / "ansible.cfg"
        if self.root is not None:
            own = self.root / "playbooks" / "collections"
            added["ANSIBLE_COLLECTIONS_PATH"] = f"{own}:{given.get('ANSIBLE_COLLECTIONS_PATH') or DEFAULT_COLLECTIONS}"
            if config.is_file():
                added["ANSIBLE_CONFIG"] = str(config)
        # ansible-runner turns host key checking off unless the variable is set; keep Ansible's own behaviour.
        if "ANSIBLE_HOST_KEY_CHECKING" not in given:
            added["ANSIBLE_HOST_KEY_CHECKING"] = _host_key_checking(config)
        return added


def _host_key_checking(config: Path) -> str:
    parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    try:
        parser.read(config)
    except configparser.Error as error:
        raise UsageError(f"{config} is not a valid Ansible configuration: {error}") from error
    return parser.get("defaults", "host_key_checking", fallback=None) or "True"


def find(given: str | None) -> Project:
    """The project given by --project, else the checkout that this package lies in, else the installed collection.

    Raises UsageError when the folder given holds no playbooks/site.yml.
    """
    if given is not None:
        root = Path(given).expanduser().resolve()
        if not (root / "playbooks" / "site.yml").is_file():
            raise UsageError(f"--project {given}: there is no playbooks/site.yml in it. Give the folder of the checkout.")
        return Project(root)
    around = Path(__file__).resolve().parents[2]
    return Project(around if (around / "playbooks" / "site.yml").is_file() else None)
