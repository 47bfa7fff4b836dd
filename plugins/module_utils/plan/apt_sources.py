"""Components added to the distribution's own apt sources, in place.

Beside them, a second source for the same archive without the same Signed-By stops all of apt.
"""

from __future__ import annotations

import re

# The archive's own entries end like this, whatever mirror serves them; a third party's may name the same suite and component.
ARCHIVE = re.compile(r"/debian(?:-security)?(?:\.list)?/?$")
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
    seen, changed = False, {}
    for path, text in sources.items():
        fresh, found = _deb822(text, codename, components) if path.endswith(".sources") else _one_line(text, codename, components)
        seen = seen or found
        if fresh != text:
            changed[path] = fresh
    return changed if seen else None


def names_suite(sources: dict[str, str], suite: str) -> bool:
    """Whether any source names a suite, ``bookworm-backports`` say."""
    lines = [line for text in sources.values() for line in text.splitlines() if not line.lstrip().startswith("#")]
    return any(re.search(rf"(?<![\w-]){re.escape(suite)}(?![\w-])", line) for line in lines)


def _ours(uri: str, suite: str, components: list[str], codename: str) -> bool:
    return suite.replace("/", "-").partition("-")[0] == codename and "main" in components and ARCHIVE.search(uri) is not None


def _added(have: list[str], wanted: list[str]) -> str:
    return " ".join([*have, *(name for name in wanted if name not in have)])


def _one_line(text: str, codename: str, components: list[str]) -> tuple[str, bool]:
    lines, seen = [], False
    for line in text.splitlines():
        entry = ONE_LINE.match(line)
        have = entry["components"].split() if entry else []
        if entry and _ours(entry["uri"], entry["suite"], have, codename):
            seen = True
            if set(components) - set(have):
                line = f"{entry['head']}{entry['uri']} {entry['suite']} {_added(have, components)}{entry['tail']}"
        lines.append(line)
    return "\n".join(lines) + ("\n" if text.endswith("\n") else ""), seen


def _deb822(text: str, codename: str, components: list[str]) -> tuple[str, bool]:
    stanzas, seen = re.split(r"(\n[ \t]*\n)", text), False
    for number, stanza in enumerate(stanzas):
        fields = {key.lower(): value.split() for key, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t]+\S.*)*)", stanza, re.M)}
        have = fields.get("components", [])
        uses = [True for uri in fields.get("uris", []) for suite in fields.get("suites", []) if _ours(uri, suite, have, codename)]
        if not uses or "deb" not in fields.get("types", []) or fields.get("enabled", ["yes"])[:1] == ["no"]:
            continue
        seen = True
        if set(components) - set(have):
            line = f"Components: {_added(have, components)}"
            stanzas[number] = re.sub(r"^Components:.*(?:\n[ \t]+\S.*)*", line, stanza, count=1, flags=re.M | re.I)
    return "".join(stanzas), seen
