"""Puts the package that the workspace role installs on hosts on the path of a test that imports this."""
from __future__ import annotations

import sys
from pathlib import Path

PARENT = Path(__file__).resolve().parents[2] / "roles" / "codetr_workspace" / "files"
sys.path.insert(0, str(PARENT))
