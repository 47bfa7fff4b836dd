"""Puts the package verify on the path of a test that imports this."""
from __future__ import annotations

import sys
from pathlib import Path

PARENT = Path(__file__).resolve().parents[2] / "roles" / "codetr_verify" / "files"
sys.path.insert(0, str(PARENT))
