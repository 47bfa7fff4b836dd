"""Reading apt's source entries."""

from __future__ import annotations

import re


def names_url(text: str, url: str, deb822: bool) -> bool:
    """Whether an enabled source in a file's text is for the URL or something below it."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    stanzas = "\n".join(lines).split("\n\n") if deb822 else lines
    return any(
        re.search(re.escape(url.rstrip("/")) + r"(?:/|\s|$)", stanza) is not None
        and not (deb822 and re.search(r"^Enabled:\s*(?:no|false|off|0)\s*$", stanza, re.M | re.I))
        for stanza in stanzas
    )
