"""Makes `ansible_collections.codetr.provision` importable in tests, as Ansible itself would."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "playbooks" / "collections"))
sys.path.insert(0, str(ROOT / "tests" / "unit"))
