"""Which certificates py-rattler trusts. conda brings its own bundle; a bare host may have none at all, and py-rattler cannot start then."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path


def choose_bundle() -> None:
    """Point py-rattler at the bundle that the user named, or else at the one that pip carries."""
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if os.environ.get(name):
            os.environ["SSL_CERT_FILE"] = os.environ[name]
            return
    pip = importlib.util.find_spec("pip")
    if pip and pip.origin:
        os.environ["SSL_CERT_FILE"] = str(Path(pip.origin).parent / "_vendor" / "certifi" / "cacert.pem")
