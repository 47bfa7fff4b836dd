"""What the role preflight reads of the plan."""

from __future__ import annotations

from typing import TypedDict


class Params(TypedDict):
    """Nothing: folders and packages are the same for every stage that begins, see ``plugin_utils/base.py``."""
