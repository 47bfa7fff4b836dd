"""Whether a host is a container."""

from __future__ import annotations

from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host


def container(host: Host) -> str:
    """What kind of container this is; empty for none."""
    named = (host.read("/run/systemd/container") or "").strip()
    return named or next((kind for path, kind in (("/run/.containerenv", "podman"), ("/.dockerenv", "docker")) if host.exists(path)), "")
