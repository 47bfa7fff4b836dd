#!/usr/bin/env python3
"""Write what follows from the roles' argument specs: defaults, role READMEs and the commented list of all variables.

``python tools/generate.py`` writes; ``--check`` writes nothing and fails, naming the files that would change.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "playbooks" / "collections"))

from ansible_collections.codetr.provision.plugins.module_utils.distribution import Table  # noqa: E402
from ansible_collections.codetr.provision.plugins.module_utils.stages import PROBED, STAGES  # noqa: E402
from ansible_collections.codetr.provision.plugins.plugin_utils.catalog import distributions  # noqa: E402

# Roles that carry out no stage, after those that do.
OTHER_ROLES = ("codetr_verify",)
MODULE_UTILS = "ansible_collections.codetr.provision.plugins.module_utils"


def specs() -> dict[str, dict[str, Any]]:
    """The main entry point's spec of each role, in the order in which roles run."""
    found = {}
    for role in (*STAGES.values(), *OTHER_ROLES):
        path = ROOT / "roles" / role / "meta" / "argument_specs.yml"
        if path.exists():
            found[role] = yaml.safe_load(path.read_text())["argument_specs"]["main"]
    return found


def prose(text: str | list[str]) -> str:
    """A description without Ansible's markup."""
    whole = text if isinstance(text, str) else " ".join(text)
    return re.sub(r"\b[COMV]\(([^)]*)\)", r"\1", whole)


def value(data: Any) -> str:
    """A default as one line of YAML."""
    text = yaml.safe_dump(data, default_flow_style=True, width=10_000, sort_keys=False).strip().removesuffix("...").strip()
    return '""' if data == "" else text


def commented(option: dict[str, Any]) -> list[str]:
    """An option's description and choices as comment lines."""
    text = prose(option["description"])
    if option.get("choices"):
        text += f" One of: {', '.join(str(choice) for choice in option['choices'])}."
    return [f"# {line}" for line in textwrap.wrap(text, 130)]


def defaults(role: str, spec: dict[str, Any]) -> str:
    """A role's defaults/main.yml.

    The config that all roles share lie in preflight and have prefixes of their own, which ansible-lint is told.
    """
    lines = ["---", "# Written by tools/generate.py from meta/argument_specs.yml."]
    for name, option in spec["options"].items():
        waiver = "" if name.startswith(f"{role}_") else "  # noqa: var-naming[no-role-prefix]"
        lines += ["", *commented(option), f"{name}: {value(option['default'])}{waiver}"]
    return "\n".join(lines) + "\n"


def readme(role: str, spec: dict[str, Any]) -> str:
    """A role's README.md."""
    rows = [
        f"| `{name}` | {option['type']}{' of ' + option['elements'] if option.get('elements') else ''} | `{value(option['default'])}` | "
        f"{prose(option['description'])}{' One of: ' + ', '.join(map(str, option['choices'])) + '.' if option.get('choices') else ''} |"
        for name, option in spec["options"].items()
    ]
    return "\n".join(
        [
            f"# codetr.provision.{role}",
            "",
            spec["short_description"] + ".",
            "",
            prose(spec["description"]),
            "",
            "<!-- Written by tools/generate.py from meta/argument_specs.yml. -->",
            "",
            "| variable | type | default | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
            "Works alone from any playbook:",
            "",
            "```yaml",
            "- hosts: all",
            "  gather_facts: false",
            "  roles:",
            f"    - codetr.provision.{role}",
            "```",
            "",
        ]
    )


def knobs(all_specs: dict[str, dict[str, Any]]) -> str:
    """inventory/group_vars/all.yml: every variable, as comments."""
    lines = [
        "---",
        "# Every variable there is, with its default. Written by tools/generate.py; deleting this file changes nothing.",
        "# To set one, write it in a file of your own inventory, or give it with -e.",
    ]
    for role, spec in all_specs.items():
        lines += ["", f"# {role}: {spec['short_description'].lower()}"]
        for name, option in spec["options"].items():
            lines += ["#", *commented(option), f"# {name}: {value(option['default'])}"]
    return "\n".join(lines) + "\n"


def between(path: Path, lines: list[str]) -> str:
    """A file's text with ``lines`` between its ``stages: begin`` and ``stages: end`` marks.

    Raises:
        ValueError: the file lacks a mark.
    """
    found = re.fullmatch(r"(?s)(.*# stages: begin[^\n]*\n).*?( *# stages: end.*)", path.read_text())
    if not found:
        raise ValueError(f"{path} has no lines `# stages: begin` and `# stages: end`.")
    return found[1] + "".join(f"{line}\n" for line in lines) + found[2]


def probes() -> list[str]:
    """The imports of each stage's probe, for the module that runs on the host."""
    imports = [f"from {MODULE_UTILS}.{name} import probe as {name}" for name in sorted(PROBED)]
    return [*imports, "", "PROBES = {", *(f'    "{name}": {name},' for name in PROBED), "}"]


def roles() -> list[str]:
    """The roles of site.yml after preflight, which plans for all of them."""
    return [line for name in PROBED for line in (f"    - role: codetr.provision.{STAGES[name]}", f"      tags: [{name}]")]


def platforms(path: Path, table: Table) -> str:
    """A role's meta/main.yml with the platforms of the table of distributions."""
    names: dict[str, list[str]] = {}
    for release in table.releases:
        if release.supported:
            names.setdefault(release.distribution.capitalize(), []).append(release.codename)
    lines = [line for name, found in names.items() for line in (f"    - name: {name}", f"      versions: [{', '.join(found)}]")]
    return re.sub(r"(  platforms:\n)(?:    .*\n)+", lambda match: match[1] + "".join(f"{line}\n" for line in lines), path.read_text())


def wanted() -> dict[Path, str]:
    """Every generated file and its text."""
    all_specs = specs()
    probe, site = ROOT / "plugins" / "modules" / "codetr_probe.py", ROOT / "playbooks" / "site.yml"
    files = {ROOT / "inventory" / "group_vars" / "all.yml": knobs(all_specs), probe: between(probe, probes()), site: between(site, roles())}
    table = distributions()
    for role, spec in all_specs.items():
        meta = ROOT / "roles" / role / "meta" / "main.yml"
        files[meta] = platforms(meta, table)
        files[ROOT / "roles" / role / "defaults" / "main.yml"] = defaults(role, spec)
        files[ROOT / "roles" / role / "README.md"] = readme(role, spec)
    return files


def main() -> int:
    """Write, or with ``--check`` compare."""
    stale = [path for path, text in wanted().items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what tools/generate.py writes; run `make docs`.")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted()[path])
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
