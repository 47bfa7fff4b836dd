"""The whole lab, up and down."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab import access, aptsources, hosts, images, mirror, network, python310, upstreams
from lab.settings import BASE_URL, DEFAULT_IMAGE, MIRROR_ADDRESS, PIP_CACHE, SUBNET, lab_dir
from lab.upstreams import Upstream

# Fields of upstreams.json that Upstream does not have.
DERIVED = ("kind", "stage")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# The variable of each program: a Python with its own certificates does not look for those of the system.
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO")


def environment() -> dict[str, str]:
    """Return the variables for all downloads on the hosts: the shared cache of pip, this machine's proxies and certificates."""
    found = {"PIP_CACHE_DIR": PIP_CACHE}
    found |= aptsources.proxies(f"{SUBNET},{MIRROR_ADDRESS}")
    if any(images.MACHINE_CERTIFICATES.glob("**/*.crt")):
        found |= dict.fromkeys(CERTIFICATE_VARIABLES, CERTIFICATES)
    return found


def earlier() -> list[Upstream] | None:
    """Return what the last `lab up` decided, or None where it no longer fits or there was none."""
    path = lab_dir() / "upstreams.json"
    try:
        found = [Upstream(**{key: entry[key] for key in entry if key not in DERIVED}) for entry in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError):
        # None yet, or one that another version of the lab wrote.
        return None
    return found if upstreams.holds(found) else None


def up(*, keep: bool = False) -> list[Upstream]:
    """Make the image, the network, the mirror and the stand-ins, and write vars.yml, upstreams.json and ssh_config.

    Args:
        keep: do not try the upstreams again where the last run did.
    """
    with network.lock():
        network.refuse_foreign()
        # The image takes as long as the stand-ins, and neither needs the other.
        with ThreadPoolExecutor() as pool:
            started = pool.submit(start_mirror)
            found = (earlier() if keep else None) or upstreams.survey()
            served = upstreams.served(found)
            print(f"Served by the lab: {', '.join(served) or 'nothing'}.", flush=True)
            made = upstreams.build(served, mirror.www(), BASE_URL, python310.find() if served else None)
            started.result()
        found = upstreams.resolve((each for each in found if each.url), made)
        wheels = {"codetr_packages_wheel_cache": str(lab_dir() / "cache" / "wheels")}
        write_variables({**upstreams.merge(made), **wheels, "provision_environment": environment()})
        access.replace(lab_dir() / "upstreams.json", json.dumps([_entry(upstream) for upstream in found], indent=2) + "\n")
        access.write(hosts.running())
    for upstream in found:
        print(f"{'stand-in' if upstream.stand_in else 'real':8}  {upstream.name}: {upstream.why}")
    print(f"The lab is up: mirror {BASE_URL}, files in {lab_dir()}")
    return found


def start_mirror() -> None:
    """Build the images that every run needs and start the mirror."""
    images.ensure(DEFAULT_IMAGE)
    mirror.ensure()


def _entry(upstream: Upstream) -> dict[str, Any]:
    """Return an upstream as in upstreams.json; the report shows `kind`, and `stage` is the one that uses it."""
    return {**asdict(upstream), "kind": "stand-in" if upstream.stand_in else "real", "stage": upstreams.stage(upstream)}


def write_variables(variables: dict[str, Any]) -> None:
    """Write vars.yml, and the link by which Ansible reads it as the variables of `all`: below any inventory's own."""
    # JSON is YAML; the lab needs no library to write it.
    access.replace(lab_dir() / "vars.yml", json.dumps(variables, indent=2, sort_keys=True) + "\n")
    link = lab_dir() / "inventory" / "group_vars" / "all.yml"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(Path("..") / ".." / "vars.yml")


def down() -> None:
    """Remove hosts, mirror and network of this checkout's lab."""
    with network.lock():
        network.refuse_foreign()
        network.remove()
        access.write({})
    print("The lab is down. Images and caches stay.")
