"""What the environment says about the way to a server: proxies and the CA bundle. The same for aria2 and for our own requests."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import public

CA_VARIABLES = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
PROXY_VARIABLES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")


def ca_bundle() -> str:
    """Path of the CA bundle that the environment names, or empty."""
    return next((os.environ[name] for name in CA_VARIABLES if os.environ.get(name)), "")


def _variable(name: str) -> str:
    return os.environ.get(name) or os.environ.get(name.upper()) or ""


def environment() -> dict[str, str]:
    """The environment for aria2, which reads the small spelling of the proxy variables only."""
    return {**os.environ, **{name: _variable(name) for name in PROXY_VARIABLES if _variable(name)}}


def proxy(url: str) -> str:
    """The proxy for this URL, with its password; empty where it is reached directly."""
    found = _variable(f"{urlsplit(url).scheme}_proxy") or _variable("all_proxy")
    return "" if found and _bypassed(urlsplit(url).hostname or "") else found


def proxy_in_use(url: str) -> str:
    """The proxy for this URL, for messages: without its password."""
    return public(proxy(url))


def _bypassed(host: str) -> bool:
    """Whether ``no_proxy`` names the host, or, as aria2 understands it too, a network that its address is in."""
    names = _variable("no_proxy")
    if proxy_bypass(host, {"no": names}):
        return True
    try:
        address = ipaddress.ip_address(host)
        return any(address in ipaddress.ip_network(name.strip(), strict=False) for name in names.split(",") if "/" in name)
    except ValueError:
        return False
