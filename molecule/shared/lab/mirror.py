"""The web server of the lab: nginx in a container at a fixed address, serving one folder."""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from pathlib import Path

from lab import access, images, network, podman
from lab.settings import BASE_URL, MIRROR, MIRROR_ADDRESS, NETWORK, LabError, lab_dir

# Workers run as root because the files belong to the user of the lab; the container sees them read-only.
CONFIGURATION = """\
user root;
worker_processes 2;
events {}
http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  sendfile on;
  access_log /var/log/nginx/access.log;
  server {
    listen 80;
    root /srv/www;
    autoindex on;
  }
}
"""
START_SECONDS = 20


def www() -> Path:
    """Return the folder that the mirror serves."""
    folder = lab_dir() / "mirror" / "www"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def ensure() -> None:
    """Start the mirror unless it runs from the current image and configuration, and wait until it answers."""
    full = images.ensure("mirror")
    network.ensure()
    configuration = lab_dir() / "mirror" / "nginx.conf"
    if not configuration.exists() or configuration.read_text() != CONFIGURATION:
        podman.call("rm", "--force", "--ignore", "--time", "0", MIRROR)
        access.replace(configuration, CONFIGURATION)
    entry = podman.containers(everything=False).get(MIRROR)
    if entry is None or entry["Image"] != full:
        podman.call("rm", "--force", "--ignore", "--time", "0", MIRROR)
        podman.call(
            "run", "--detach", "--name", MIRROR, "--label", podman.LABEL_ARGUMENT, "--network", NETWORK, "--ip", str(MIRROR_ADDRESS),
            "--volume", f"{www()}:/srv/www:ro", "--volume", f"{configuration}:/etc/nginx/nginx.conf:ro", full,
        )  # fmt: skip
    wait()


def wait(seconds: float = START_SECONDS) -> None:
    """Wait until the mirror serves what was just written, past any proxy of this machine.

    Raises:
        LabError: it does not within seconds.
    """
    token = os.urandom(8).hex()
    (www() / ".token").write_text(token)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + seconds
    while True:
        try:
            with opener.open(f"{BASE_URL}/.token", timeout=2) as answer:
                answered = answer.read().decode()
            reason = "it serves another folder"
        except (OSError, urllib.error.URLError) as error:
            answered, reason = "", str(error)
        if answered == token:
            return
        if time.monotonic() > deadline:
            raise LabError(f"The mirror at {BASE_URL} does not serve {www()}: {reason}. See `podman logs {MIRROR}`.")
        time.sleep(0.1)
