"""Components added to the distribution's own apt sources, in place.

Beside them, a second source for the same archive without the same Signed-By stops all of apt.
"""

from __future__ import annotations

import re
from typing import List, Tuple

# The archive's own entries end like this, whatever mirror serves them; a third party's may name the same suite and component.
ARCHIVE = re.compile(r"/debian(?:-security)?(?:/packages|/security)?(?:\.list)?/?$")
# What a release is also called; a host that names it so gets what that means today.
ALIASES = ("stable", "oldstable", "oldoldstable")
ONE_LINE = re.compile(
    r"^(?P<head>\s*deb\s+(?:\[[^\]]*\]\s+)?)(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>[^#\n]*?)(?P<tail>\s*(?:#.*)?)$"
)


def with_components(sources: dict[str, str], codename: str, components: list[str]) -> dict[str, str] | None:
    """The files that change when the archive's entries for a release get these components, with their new text.

    Args:
        sources: text of every source file by path.
        codename: of the release; its updates, security and backports suites are taken along.
        components: the components that must be there (``contrib``, ``non-free``).

    Returns:
        New text by path; empty when nothing is missing. None where no entry of the distribution was found.
    """
    entries = [entry for path, text in sources.items() for entry in _entries(path, text) if _ours(entry, codename)]
    have: dict[tuple[str, str], set[str]] = {}
    for uri, suite, there in entries:
        have.setdefault((uri.rstrip("/"), suite), set()).update(there)
    wanting = {key: [name for name in components if name not in there] for key, there in have.items() if "main" in there}
    changed = {}
    for path, text in sources.items():
        fresh = (_deb822 if path.endswith(".sources") else _one_line)(text, codename, wanting)
        if fresh != text:
            changed[path] = fresh
    return changed if wanting else None


def names_suite(sources: dict[str, str], suite: str) -> bool:
    """Whether any source names a suite, ``bookworm-backports`` say."""
    lines = [line for text in sources.values() for line in text.splitlines() if not line.lstrip().startswith("#")]
    return any(re.search(rf"(?<![\w-]){re.escape(suite)}(?![\w-])", line) for line in lines)


Entry = Tuple[str, str, List[str]]


def _entries(path: str, text: str) -> list[Entry]:
    """Each enabled entry for packages: URI, suite, components."""
    if path.endswith(".sources"):
        return [entry for stanza in re.split(r"\n[ \t]*\n", text) for entry in _of_stanza(stanza)]
    lines = [ONE_LINE.match(line) for line in text.splitlines()]
    return [(line["uri"], line["suite"], line["components"].split()) for line in lines if line]


def _of_stanza(stanza: str) -> list[Entry]:
    fields = {key.lower(): value.split() for key, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t]+\S.*)*)", stanza, re.M)}
    if "deb" not in fields.get("types", []) or fields.get("enabled", ["yes"])[:1] == ["no"]:
        return []
    return [(uri, suite, fields.get("components", [])) for uri in fields.get("uris", []) for suite in fields.get("suites", [])]


def _ours(entry: Entry, codename: str) -> bool:
    uri, suite, _ = entry
    return re.split(r"[-/]", suite)[0] in (codename, *ALIASES) and ARCHIVE.search(uri) is not None


def _lacks(entry: Entry, codename: str, wanting: dict[tuple[str, str], list[str]]) -> list[str]:
    """The components to add to one entry: where ``main`` is, what no entry of the same suite has."""
    uri, suite, there = entry
    return wanting.get((uri.rstrip("/"), suite), []) if _ours(entry, codename) and "main" in there else []


def _one_line(text: str, codename: str, wanting: dict[tuple[str, str], list[str]]) -> str:
    lines = []
    for line in text.splitlines():
        match = ONE_LINE.match(line)
        have = match["components"].split() if match else []
        added = _lacks((match["uri"], match["suite"], have), codename, wanting) if match else []
        if match and added:
            line = f"{match['head']}{match['uri']} {match['suite']} {' '.join([*have, *added])}{match['tail']}"
        lines.append(line)
    return "\n".join(lines) + ("\n" if text.endswith("\n") else "")


def _deb822(text: str, codename: str, wanting: dict[tuple[str, str], list[str]]) -> str:
    stanzas = re.split(r"(\n[ \t]*\n)", text)
    for number, stanza in enumerate(stanzas):
        entries = _of_stanza(stanza)
        added = list(dict.fromkeys(name for entry in entries for name in _lacks(entry, codename, wanting)))
        if added:
            line = f"Components: {' '.join([*entries[0][2], *added])}"
            stanzas[number] = re.sub(r"^Components:.*(?:\n[ \t]+\S.*)*", line, stanza, count=1, flags=re.M | re.I)
    return "".join(stanzas)
