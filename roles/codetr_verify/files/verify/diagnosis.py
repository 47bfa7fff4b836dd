"""Which known failure an output shows; the table is in known.py."""
from __future__ import annotations

import re

from verify.known import KNOWN, Known


def diagnose(output: str) -> Known | None:
    """The first known failure that `output` shows, or None."""
    return next((known for known in KNOWN if re.search(known.pattern, output)), None)
