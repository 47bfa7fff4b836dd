"""Fake hardware of codetr-provision's lab: which kernel a host says it runs. The real one belongs to the machine beneath.

Python's start reads it, by lab_kernel.pth beside it.
"""

import os
from pathlib import Path

_real = os.uname


def uname():
    """What os.uname says, with the release that /etc/lab-kernel names."""
    told = list(_real())
    told[2] = Path("/etc/lab-kernel").read_text().strip()
    return os.uname_result(told)


os.uname = uname
