"""Components added to the distribution's own apt sources, in place.

Beside them, a second source for the same archive without the same Signed-By stops all of apt.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

# The archive's own entries look like this, whatever mirror serves them; a third party's may end in /debian and name the same suite.
ARCHIVE = re.compile(r"(?:/(?:pub|linux|mirrors?))*/debian(?:-security)?(?:/packages|/security)?/?")
LIST = re.compile(r"mirror\+file:.*/debian(?:-security)?\.list")
PROXIED = re.compile(r"[./]debian\.org/debian(?:-security)?/?$")
KEYRING = "debian-archive"
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
    current: dict[str, set[str]] = {}
    for entry in entries:
        current.setdefault(entry.suite, set()).update(entry.components)
    wanting = {suite: [name for name in components if name not in enabled] for suite, enabled in current.items() if "main" in enabled}
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


class Entry(NamedTuple):
    """One URI and suite of a source; ``key`` is what it is signed by, or empty."""

    uri: str
    suite: str
    components: list[str]
    key: str


def _entries(path: str, text: str) -> list[Entry]:
    """Each enabled entry for packages."""
    if path.endswith(".sources"):
        return [entry for stanza in re.split(r"\n[ \t]*\n", text) for entry in _of_stanza(stanza)]
    return [entry for line in text.splitlines() for entry in _of_line(line)]


def _of_line(line: str) -> list[Entry]:
    match = ONE_LINE.match(line)
    return [Entry(match["uri"], match["suite"], match["components"].split(), match["head"])] if match else []


def _of_stanza(stanza: str) -> list[Entry]:
    fields = {key.lower(): value.split() for key, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t]+\S.*)*)", stanza, re.M)}
    off = fields.get("enabled", ["yes"])[:1][0].lower() in ("no", "false", "off", "0", "without", "disable")
    if off or "deb" not in fields.get("types", []):
        return []
    key = " ".join(fields.get("signed-by", []))
    return [Entry(uri, suite, fields.get("components", []), key) for uri in fields.get("uris", []) for suite in fields.get("suites", [])]


def _ours(entry: Entry, codename: str) -> bool:
    if re.split(r"[-/]", entry.suite)[0] not in (codename, *ALIASES):
        return False
    named = ARCHIVE.fullmatch(urlsplit(entry.uri).path) or LIST.fullmatch(entry.uri) or PROXIED.search(entry.uri)
    return named is not None or KEYRING in entry.key


def _lacks(entry: Entry, codename: str, wanting: dict[str, list[str]]) -> list[str]:
    """The components to add to one entry: where ``main`` is, what no entry of the same suite has."""
    return wanting.get(entry.suite, []) if _ours(entry, codename) and "main" in entry.components else []


def _one_line(text: str, codename: str, wanting: dict[str, list[str]]) -> str:
    lines = []
    for line in text.splitlines():
        match = ONE_LINE.match(line)
        for entry in _of_line(line):
            added = _lacks(entry, codename, wanting)
            if match and added:
                line = f"{match['head']}{match['uri']} {match['suite']} {' '.join([*entry.components, *added])}{match['tail']}"
        lines.append(line)
    return "\n".join(lines) + ("\n" if text.endswith("\n") else "")


def _deb822(text: str, codename: str, wanting: dict[str, list[str]]) -> str:
    stanzas = re.split(r"(\n[ \t]*\n)", text)
    for number, stanza in enumerate(stanzas):
        entries = _of_stanza(stanza)
        added = list(dict.fromkeys(name for entry in entries for name in _lacks(entry, codename, wanting)))
        if added:
            line = f"Components: {' '.join([*entries[0].components, *added])}"
            stanzas[number] = re.sub(r"^Components:.*(?:\n[ \t]+\S.*)*", line, stanza, count=1, flags=re.M | re.I)
    return "".join(stanzas)
