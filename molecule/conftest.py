"""Fixtures about the lab for the tests of all scenarios."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def lab() -> dict[str, Any]:
    """The variables that the lab gives every host."""
    folder = os.environ.get("CODETR_LAB_DIR") or Path(__file__).parents[1] / ".lab"
    return dict(json.loads((Path(folder) / "vars.yml").read_text()))
