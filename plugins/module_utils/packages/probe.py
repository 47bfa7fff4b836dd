"""The Python packages of an environment, from the names of their metadata folders; nothing is imported."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host


def probe(host: Host, ask: dict[str, Any]) -> dict[str, Any]:
    """``{"site": folder, "dists": {name: version}, "editable": {name: path}, "folders": [...], "conda": {name: version-build}}``

    ``editable`` names the folder that a development install points at. ``folders`` are those of ``ask["shadows"]`` that lie in
    site-packages as a package and so would be imported in place of the repository's. ``conda`` is what conda itself installed.

    Args:
        ask: ``{"env": prefix, "shadows": [module names]}``
    """
    site = site_packages(host, ask["env"])
    dists: dict[str, str] = {}
    editable: dict[str, str] = {}
    names = host.listdir(site) if site else []
    for name in names:
        match = re.match(r"(.+?)-([^-]+)(?:-py[\d.]+)?\.(?:dist-info|egg-info)$", name)
        if match:
            project = normal(match.group(1))
            dists[project] = match.group(2)
            direct = host.read_json(f"{site}/{name}/direct_url.json")
            if isinstance(direct, dict) and (direct.get("dir_info") or {}).get("editable"):
                editable[project] = direct.get("url", "")[len("file://") :]
        elif name.endswith(".egg-link"):
            editable[normal(name[: -len(".egg-link")])] = (host.read(f"{site}/{name}") or "").split("\n")[0].strip()
    records = [re.match(r"(.+)-([^-]+-[^-]+)\.json$", name) for name in host.listdir(f"{ask['env']}/conda-meta")]
    return {
        "site": site,
        "dists": dists,
        "editable": editable,
        "folders": [name for name in ask.get("shadows", []) if name in names],
        "conda": {match.group(1): match.group(2) for match in records if match},
    }


def site_packages(host: Host, env: str) -> str | None:
    """The site-packages folder of an environment, or None where there is none."""
    for name in host.listdir(f"{env}/lib"):
        if re.match(r"python3\.\d+$", name) and host.exists(f"{env}/lib/{name}/site-packages"):
            return f"{env}/lib/{name}/site-packages"
    return None


def normal(name: str) -> str:
    """A project's name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()
