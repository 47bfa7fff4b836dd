#!/usr/bin/python
"""Try from the host whether the addresses that a plan needs answer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_reach
short_description: Try from the host whether the addresses that a plan needs answer
version_added: "0.1.0"
description:
  - Looks up each host name and asks for the head of each URL, all at once, through the proxy in the environment.
  - Never fails by itself. What does not answer is returned, for the plan to turn into sentences.
extends_documentation_fragment: ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    details: Changes nothing in either mode.
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
options:
  urls:
    description: The URLs to try. C(file) URLs are looked up on the host's file system.
    type: list
    elements: str
    required: true
  seconds:
    description: How long to wait for each.
    type: int
    default: 8
  environment:
    description: Proxy and CA bundle variables.
    type: dict
    default: {}
seealso:
  - module: ansible.builtin.uri
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Try an upstream
  codetr.provision.codetr_reach:
    urls: ["https://github.com/Sense-X/Co-DETR"]
"""

RETURN = r"""
silent:
  description: For each URL that did not answer, why.
  returned: success
  type: dict
  sample: {"https://mirror.example.org/": "the name mirror.example.org does not resolve"}
"""

import os
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule


def try_url(url: str, seconds: int) -> str:
    """Why the URL does not answer, or an empty string.

    An HTTP error that a server itself sends for a HEAD (403, 405) is an answer; 404, 407, 410 and 5xx are not.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "file":
        return "" if os.path.exists(urllib.request.url2pathname(parts.path)) else "there is no such file"
    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "codetr-provision"})
    try:
        with urllib.request.build_opener().open(request, timeout=seconds):
            return ""
    except urllib.error.HTTPError as error:
        return f"the server answers {error.code} {error.reason}" if error.code in (404, 407, 410) or error.code >= 500 else ""
    except urllib.error.URLError as error:
        return explain(error.reason, asked(parts), seconds)
    except (OSError, ValueError) as error:
        return explain(error, asked(parts), seconds)


def asked(parts: urllib.parse.SplitResult) -> str:
    """Who is really asked for a URL: its own host, or the proxy that the environment names for it."""
    name = parts.hostname or ""
    proxy = urllib.request.getproxies().get(parts.scheme)
    if not proxy or urllib.request.proxy_bypass(name):
        return name
    return f"{urllib.parse.urlsplit(proxy if '//' in proxy else '//' + proxy).hostname} (the proxy)"


def explain(reason: object, name: str, seconds: int) -> str:
    """One clause on a failed connection, in words that tell name resolution, trust and silence apart."""
    if isinstance(reason, socket.gaierror):
        return f"the name {name} does not resolve"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"the certificate of {name} is not trusted ({reason.verify_message}); set provision_ca_bundle when a proxy re-signs it"
    if isinstance(reason, TimeoutError):
        return f"{name} does not answer within {seconds} s"
    return str(reason)


def main() -> None:
    """Try all at once; the result lists only what is silent."""
    module = AnsibleModule(
        {
            "urls": {"type": "list", "elements": "str", "required": True},
            "seconds": {"type": "int", "default": 8},
            "environment": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    os.environ.update({key: str(value) for key, value in module.params["environment"].items()})
    bundle = os.environ.get("SSL_CERT_FILE", "")
    if bundle and not os.path.exists(bundle):
        del os.environ["SSL_CERT_FILE"]
    urls = list(dict.fromkeys(module.params["urls"]))
    with ThreadPoolExecutor(max_workers=16) as pool:
        answers = list(pool.map(lambda url: try_url(url, module.params["seconds"]), urls))
    module.exit_json(changed=False, silent={url: why for url, why in zip(urls, answers) if why})


if __name__ == "__main__":
    main()
