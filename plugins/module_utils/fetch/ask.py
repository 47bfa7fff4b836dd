"""Ask an overloaded server with one small request whether it still is, and how long to wait."""

from __future__ import annotations

import base64
import email.utils
import http.client
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from urllib.parse import unquote, urlsplit

from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import public
from ansible_collections.codetr.provision.plugins.module_utils.fetch.network import ca_bundle, proxy

ANSWER_SECONDS = 10
BUSY = (429, 503)


@dataclass(frozen=True)
class Answer:
    """The server's answer.

    Attributes:
        busy: whether it is still overloaded.
        wait: seconds to wait by its Retry-After, or None without one.
    """

    busy: bool
    wait: float | None = None


def ask(url: str) -> Answer:
    """Request the first byte of ``url``. Only 429 and 503 count as busy; the next download reports any other problem."""
    try:
        with _opener(url).open(_request(url), timeout=ANSWER_SECONDS):
            return Answer(busy=False)
    except urllib.error.HTTPError as error:
        error.close()
        return Answer(True, _wait(error.headers)) if error.code in BUSY else Answer(busy=False)
    except (OSError, ValueError, http.client.HTTPException):
        return Answer(busy=False)


def _opener(url: str) -> urllib.request.OpenerDirector:
    address = proxy(url)
    proxies = urllib.request.ProxyHandler({urlsplit(url).scheme: address} if address else {})
    context = ssl.create_default_context(cafile=ca_bundle() or None)
    return urllib.request.build_opener(proxies, urllib.request.HTTPSHandler(context=context))


def _request(url: str) -> urllib.request.Request:
    request = urllib.request.Request(public(url), headers={"Range": "bytes=0-0", "User-Agent": "codetr-provision"})
    parts = urlsplit(url)
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        # Not sent to the target of a redirect.
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
    return request


def _wait(headers: Message) -> float | None:
    """Return Retry-After in seconds; a date is compared with the server's own clock where it sends one."""
    value = (headers.get("Retry-After") or "").strip()
    if value.isdigit():
        return float(value)
    until, now = email.utils.parsedate_tz(value), email.utils.parsedate_tz(headers.get("Date") or "")
    if until is None:
        return None
    return max(0.0, email.utils.mktime_tz(until) - (email.utils.mktime_tz(now) if now else time.time()))
