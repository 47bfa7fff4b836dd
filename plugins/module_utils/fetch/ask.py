"""One small request to a server that was too busy: is it still, and for how long does it want to be left alone?"""

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
    """What the server says now.

    Attributes:
        busy: it still wants no requests.
        wait: seconds that it wants to be left alone, or None where it does not say.
    """

    busy: bool
    wait: float | None = None


def ask(url: str) -> Answer:
    """Ask for the first byte of ``url``. Only a clear "busy" counts: whatever else is wrong, the next download says better."""
    try:
        with _opener(url).open(_request(url), timeout=ANSWER_SECONDS):
            return Answer(busy=False)
    except urllib.error.HTTPError as error:
        error.close()
        return Answer(True, _wait(error.headers)) if error.code in BUSY else Answer(busy=False)
    except (OSError, ValueError, http.client.HTTPException):
        return Answer(busy=False)


def _opener(url: str) -> urllib.request.OpenerDirector:
    way = proxy(url)
    proxies = urllib.request.ProxyHandler({urlsplit(url).scheme: way} if way else {})
    context = ssl.create_default_context(cafile=ca_bundle() or None)
    return urllib.request.build_opener(proxies, urllib.request.HTTPSHandler(context=context))


def _request(url: str) -> urllib.request.Request:
    request = urllib.request.Request(public(url), headers={"Range": "bytes=0-0", "User-Agent": "codetr-provision"})
    parts = urlsplit(url)
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        # Not to be sent on to wherever the server redirects to.
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
    return request


def _wait(headers: Message) -> float | None:
    """Retry-After in seconds; a date is compared with the server's own clock where it tells that, too."""
    said = (headers.get("Retry-After") or "").strip()
    if said.isdigit():
        return float(said)
    until, now = email.utils.parsedate_tz(said), email.utils.parsedate_tz(headers.get("Date") or "")
    if until is None:
        return None
    return max(0.0, email.utils.mktime_tz(until) - (email.utils.mktime_tz(now) if now else time.time()))
