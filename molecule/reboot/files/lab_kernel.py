"""Fake hardware of codetr-provision's lab: the kernel release that a host reports. The running kernel belongs to the container host.

Python's start reads it, by lab_kernel.pth beside it.
"""

import os
from pathlib import Path

_real = os.uname


def uname():
    """Return os.uname's fields with the release in /etc/lab-kernel."""
    fields = list(_real())
    fields[2] = Path("/etc/lab-kernel").read_text().strip()
    return os.uname_result(fields)


os.uname = uname
