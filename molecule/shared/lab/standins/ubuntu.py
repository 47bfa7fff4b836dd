"""The stand-in for Ubuntu's archive and NVIDIA's apt repositories: packages of the right names, signed by keys of the lab's own.

A scenario that needs them asks with `python -m lab apt`; they are no part of `lab up`.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

from lab.standins import data_cache, ubuntu_apt, ubuntu_driver, ubuntu_kernel, ubuntu_nvidia
from lab.standins.ubuntu_apt import Key
from lab.standins.ubuntu_deb import NOTE, Deb
from lab.standins.ubuntu_driver import Driver, Kernel

CODENAME, VERSION = "jammy", "22.04"
MAINTAINER = "Ubuntu Core Developers <ubuntu-devel-discuss@lists.ubuntu.com>"
DRIVERS = (
    Driver("470-server", "470.256.02", "0ubuntu0.22.04.1", MAINTAINER, opens=False),
    Driver("535-server", "535.261.03", "0ubuntu0.22.04.1", MAINTAINER, opens=True),
)
AWS = Kernel("5.15.0-1084-aws", "5.15.0-1084.91", "5.15.0.1084.85")
# Nobody built modules for this one: what is left is DKMS.
GENERIC = Kernel("5.15.0-143-generic", "5.15.0-143.153", "5.15.0.143.138")
# What NVIDIA calls its key in each repository.
KEY_FILE = "3bf863cc.pub"


def kernels() -> list[Deb]:
    """Return the packages of component main."""
    return [deb for kernel in (AWS, GENERIC) for deb in ubuntu_kernel.packages(kernel)]


def restricted() -> list[Deb]:
    """Return the packages of component restricted."""
    built = [(driver, is_open) for driver in DRIVERS for is_open in ((False, True) if driver.opens else (False,))]
    modules = [deb for driver, is_open in built for deb in ubuntu_driver.prebuilt(driver, AWS, is_open)]
    drivers = [deb for driver in DRIVERS for deb in ubuntu_driver.packages(driver)]
    return [*drivers, *modules, ubuntu_driver.signatures(AWS, built, ubuntu_kernel.MAINTAINER)]


def build(www: Path, keys: Path, base_url: str) -> dict[str, Any]:
    """Write the repositories below a web server's folder, unless they are up to date.

    Args:
        www: folder that is served at base_url; `apt/` in it belongs to this function.
        keys: folder for the keys, not served.
        base_url: where hosts reach it.

    Returns:
        ``{"ubuntu": ..., "nvidia": ...}``, each with ``url, key, sha256, fingerprint``; key is a URL and sha256 the key file's.
        Ubuntu's has ``suites`` and ``components``, NVIDIA's ``base`` (below which the distributions are) and ``distributions``.
    """
    signers = {name: ubuntu_apt.key(keys, name) for name in ("ubuntu", "nvidia")}
    sources = sorted(Path(__file__).parent.glob("ubuntu*.py"))
    inputs: list[str | Path] = [*sources, str(www), base_url, *(signer.public for signer in signers.values())]

    def make() -> tuple[dict[str, Any], list[Path]]:
        root = www / "apt"
        shutil.rmtree(root, ignore_errors=True)
        url = f"{base_url.rstrip('/')}/apt"
        result = {"ubuntu": _ubuntu(root / "ubuntu", f"{url}/ubuntu", signers["ubuntu"])}
        result["nvidia"] = _nvidia(root / "nvidia", f"{url}/nvidia", signers["nvidia"])
        return result, [path for path in root.rglob("*") if path.is_file()]

    return data_cache.remembered(www.parent / "built" / "apt.json", inputs, make)


def _ubuntu(root: Path, url: str, signer: Key) -> dict[str, Any]:
    """An archive with a pool and one suite."""
    suite = root / "dists" / CODENAME
    components = {"main": kernels(), "restricted": restricted()}
    indexes = {f"{name}/binary-amd64/Packages": ubuntu_apt.index(packages, root, f"pool/{name}") for name, packages in components.items()}
    fields = {"Origin": "Ubuntu", "Label": "Ubuntu", "Suite": CODENAME, "Version": VERSION, "Codename": CODENAME}
    fields |= {"Components": " ".join(components), "Description": f"Ubuntu Jammy {VERSION} ({NOTE})"}
    ubuntu_apt.release(suite, fields, indexes, signer)
    (root / "lab.asc").write_text(signer.public)
    return {"url": url, "suites": CODENAME, "components": list(components), **_key(f"{url}/lab.asc", signer)}


def _nvidia(root: Path, url: str, signer: Key) -> dict[str, Any]:
    """Flat repositories, one for each distribution, with the key in each."""
    places = {}
    for name in ubuntu_nvidia.DISTRIBUTIONS:
        folder = root / name / "x86_64"
        index = ubuntu_apt.index(ubuntu_nvidia.packages(name), folder, ".")
        fields = {"Origin": "NVIDIA", "Label": "NVIDIA CUDA", "Description": f"CUDA for {name} ({NOTE})"}
        ubuntu_apt.release(folder, fields, {"Packages": index}, signer)
        (folder / KEY_FILE).write_text(signer.public)
        places[name] = f"{url}/{name}/x86_64"
    own = f"ubuntu{VERSION.replace('.', '')}"
    return {"base": url, "url": places[own], "suites": "/", "distributions": places, **_key(f"{places[own]}/{KEY_FILE}", signer)}


def _key(url: str, signer: Key) -> dict[str, str]:
    return {"key": url, "sha256": hashlib.sha256(signer.public.encode()).hexdigest(), "fingerprint": signer.fingerprint}
