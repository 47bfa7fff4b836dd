"""Which of several sets of packages a package manager can install."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Mapping

from ansible_collections.codetr.provision.plugins.module_utils.package_manager.manager import PackageManager, Run

KERNEL = re.compile(r"linux-image-(?:unsigned-)?\d|kernel-core$")


@dataclass(frozen=True)
class Choice:
    """What installing one set would do; ``why`` it cannot be, or must not."""

    install: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    why: str = ""


def evaluate(manager: PackageManager, run: Run, each: Mapping[str, Any], replaceable: str) -> Choice:
    """What the package manager would do for one set.

    Args:
        each: ``{"packages", "lead", "branch", "suite", "leave"}``, as module codetr_system_packages takes it.
        replaceable: regular expression on whole names of packages that may be removed, or changed although they are held.
    """
    found = manager.simulate(run, each["packages"], each.get("suite") or "")
    if found.why:
        return Choice(why=found.why)

    def foreign(names: Any) -> list[str]:
        return [name for name in names if not re.fullmatch(replaceable, name)]

    held = set(manager.held(run))
    reasons = (
        ("it would remove", foreign(found.remove)),
        ("it would change installed packages:", sorted({*found.changed} - {*foreign(found.changed)}) if each.get("leave") else []),
        ("it would install another kernel:", sorted(name for name in found.install if KERNEL.match(name))),
        ("it would change held packages:", foreign(name for name in found.install if name in held)),
    )
    for what, names in reasons:
        if names:
            return Choice(why=f"{what} {', '.join(names)}")
    lead = each.get("lead") or ""
    if lead:
        version = found.install.get(lead) or manager.version(run, lead)
        if not re.match(rf"(?:\d+:)?{re.escape(each['branch'])}\.", version):
            return Choice(why=f"{lead} is {version or 'not available'} here, and not of branch {each['branch']}")
    return Choice(tuple(sorted(found.install)), tuple(sorted(found.remove)))
