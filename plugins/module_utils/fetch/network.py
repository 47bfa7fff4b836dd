"""Proxies and the CA bundle from the environment, the same for aria2 and for our own requests."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import public

CA_VARIABLES = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
PROXY_VARIABLES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")


def ca_bundle() -> str:
    """Return the path of the CA bundle set in the environment, or empty."""
    return next((os.environ[name] for name in CA_VARIABLES if os.environ.get(name)), "")


def _variable(name: str) -> str:
    return os.environ.get(name) or os.environ.get(name.upper()) or ""


def environment() -> dict[str, str]:
    """Return the environment for aria2, which only reads the proxy variables in lower case."""
    return {**os.environ, **{name: _variable(name) for name in PROXY_VARIABLES if _variable(name)}}


def proxy(url: str) -> str:
    """Return the proxy for this URL, with its password; empty for a direct connection."""
    found = _variable(f"{urlsplit(url).scheme}_proxy") or _variable("all_proxy")
    return "" if found and _bypassed(urlsplit(url).hostname or "") else found


def proxy_in_use(url: str) -> str:
    """Return the proxy for this URL without its password, for messages."""
    return public(proxy(url))


def _bypassed(host: str) -> bool:
    """Whether ``no_proxy`` lists the host, or, as aria2 also allows, a network that contains its address."""
    names = _variable("no_proxy")
    if proxy_bypass(host, {"no": names}):
        return True
    try:
        address = ipaddress.ip_address(host)
        return any(address in ipaddress.ip_network(name.strip(), strict=False) for name in names.split(",") if "/" in name)
    except ValueError:
        return False
