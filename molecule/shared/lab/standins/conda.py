"""The stand-in for Miniconda and its channels: two installers and two small channels, around a CPython 3.10 of this machine."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.settings import LabError
from lab.standins import conda_channels, conda_package, shims
from lab.standins.conda_package import BUILD_PREFIX, Package, from_wheel, only
from lab.standins.conda_python import Interpreter, examine, python_package

UPSTREAMS = {
    "miniconda": "https://repo.anaconda.com/miniconda/Miniconda3-py310_24.11.1-0-Linux-x86_64.sh",
    **{name: f"https://conda.anaconda.org/{name}/linux-64/repodata.json.zst" for name in conda_channels.NAMES},
}
VERSIONS = ("24.11.1-0", "25.3.1-1")
"""Versions of the installer: the default, and a newer one to upgrade to. conda's own version is the part before the dash."""

_HERE = Path(__file__).parent
_PAYLOAD = _HERE / "conda_payload"


@dataclass(frozen=True)
class _Parts:
    """The packages by what they are for."""

    python: Package
    pure: tuple[Package, ...]
    base_only: tuple[Package, ...]

    def rebuilt(self, build: str) -> _Parts:
        """The same under another build string, which makes them other packages to conda."""
        python, *others = (replace(package, build=build) for package in (self.python, *self.pure, *self.base_only))
        for package in (python, *others):
            package.describe()
        return _Parts(python, tuple(others[: len(self.pure)]), tuple(others[len(self.pure) :]))


def build(www: Path, base_url: str, python310: str | Path) -> dict[str, Any]:
    """Write the installers and the channels below a web server's folder, unless they are up to date.

    Args:
        www: folder that is served at base_url; `miniconda/` and `conda/` in it belong to this function.
        base_url: where hosts reach it; only the returned records depend on it.
        python310: an interpreter, see `conda_python.examine`.

    Returns:
        `artifacts` (records by name), `config` (variables that point roles at the channels), `stand_ins` (names of UPSTREAMS).

    Raises:
        LabError: the interpreter cannot be packed, or pip cannot get a pinned wheel.
    """
    interpreter = examine(python310)
    key = _key(interpreter)
    stamp = www / "miniconda" / ".stand-in.json"
    built = _stamped(stamp, key)
    if built is None:
        built = _build(www, interpreter)
        stamp.write_text(json.dumps({"key": key, "files": built}))
    base_url = base_url.rstrip("/")
    artifacts = {f"miniconda3-py310_{version}-linux-x86_64": _record(version, built[_file_name(version)], base_url) for version in VERSIONS}
    # A channel has no single file to hash; its record carries the mark to the environment that is made from it.
    channels = {
        name: {"urls": [f"{base_url}/conda/{name}"], "sha256": None, "size": None, "stand_in": True} for name in conda_channels.NAMES
    }
    return {
        "artifacts": {**artifacts, **channels},
        "config": {"miniconda_channel_alias": f"{base_url}/conda"},
        "stand_ins": list(UPSTREAMS),
    }


def _file_name(version: str) -> str:
    """The real installer's file name."""
    return f"Miniconda3-py310_{version}-Linux-x86_64.sh"


def _record(version: str, facts: dict[str, Any], base_url: str) -> dict[str, Any]:
    """The artifact record of one installer."""
    return {
        "urls": [f"{base_url}/miniconda/{_file_name(version)}"],
        "sha256": facts["sha256"],
        "size": facts["size"],
        "version": f"py310_{version}",
        "licence": None,
        "stand_in": True,
    }


def _key(interpreter: Interpreter) -> str:
    """Changes with anything that the output is made of."""
    payload = (path for path in _PAYLOAD.rglob("*") if path.is_file() and path.suffix != ".pyc")
    digest = hashlib.sha256(interpreter.fingerprint().encode())
    for path in sorted([*_HERE.glob("conda*.py"), *payload, *shims.sources()]):
        digest.update(path.relative_to(_HERE).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _stamped(stamp: Path, key: str) -> dict[str, Any] | None:
    """Return the result of an earlier build from the same inputs, if it is complete."""
    try:
        document = json.loads(stamp.read_text())
        files: dict[str, Any] = document["files"]
        present = all((stamp.parent / name).stat().st_size == facts["size"] for name, facts in files.items())
    except (OSError, ValueError, KeyError):
        return None
    channels = [stamp.parents[1] / "conda" / name / subdir for name in conda_channels.NAMES for subdir in ("linux-64", "noarch")]
    complete = present and all((channel / "repodata.json").is_file() for channel in channels)
    return files if complete and document["key"] == key else None


def _build(www: Path, interpreter: Interpreter) -> dict[str, Any]:
    """Write everything and return name, size and sha256 of each installer."""
    shutil.rmtree(www / "miniconda", ignore_errors=True)
    (www / "miniconda").mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="stand-in-conda-") as scratch:
        wheels = _download(Path(scratch) / "wheels")
        parts = _parts(interpreter, wheels, Path(scratch))
        channels = conda_channels.packages(wheels, _folder(Path(scratch) / "channels"))
        channels["conda-forge"] = (parts.python, *parts.pure, *channels["conda-forge"])
        for name, packages in channels.items():
            shutil.rmtree(www / "conda" / name, ignore_errors=True)
            conda_package.write_channel(www / "conda" / name, packages)
        # Miniconda's own packages are other builds than conda-forge's: its cache must not save an environment the download.
        parts = parts.rebuilt("standin_base_0")
        shared = conda_package.tar({package.dist: package.root for package in (parts.python, *parts.pure, *parts.base_only)}, more=True)
        packed = conda_package.gzipped(shared)
        built = {}
        for version in VERSIONS:
            content = _installer(version, parts, packed, len(shared), Path(scratch) / version)
            path = www / "miniconda" / _file_name(version)
            path.write_bytes(content)
            built[path.name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    return built


def _parts(interpreter: Interpreter, wheels: Path, scratch: Path) -> _Parts:
    """Make the packages that both installers share."""
    python = python_package(interpreter, _folder(scratch / "python"))
    bundled = interpreter.stdlib / "ensurepip" / "_bundled"
    pure = tuple(
        from_wheel(wheel, scratch, depends)
        for wheel, depends in (
            (only(bundled, "pip-*.whl"), ("python >=3.10,<3.11.0a0", "setuptools", "wheel")),
            (only(bundled, "setuptools-*.whl"), ("python >=3.10,<3.11.0a0",)),
            (only(wheels, "wheel-*.whl"), ("python >=3.10,<3.11.0a0",)),
        )
    )
    compiled = (only(wheels, "py_rattler-*.whl"), only(wheels, "pyyaml-*.whl"))
    base_only = tuple(from_wheel(wheel, scratch, ("python 3.10.*",), noarch=False) for wheel in compiled)
    return _Parts(python, pure, base_only)


def _download(folder: Path) -> Path:
    """Let pip get the pinned wheels, from wherever it is configured to look."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    command += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.10"]
    command += ["--abi", "cp310", "--abi", "abi3", "--abi", "none"]
    command += ["--platform", "manylinux_2_17_x86_64", "--platform", "manylinux2014_x86_64", "--platform", "any"]
    command += ["--requirement", str(_PAYLOAD / "requirements.txt"), "--dest", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(f"pip could not get what the stand-in for conda is made of. Check pip's index and try again:\n{done.stderr.strip()}")
    return folder


def _conda_package(version: str, root: Path, base_only: tuple[Package, ...]) -> Package:
    """The conda of one installer."""
    root.mkdir(parents=True)
    code = root / "lib" / "python3.10" / "site-packages" / "conda"
    shutil.copytree(_PAYLOAD / "conda", code, ignore=shutil.ignore_patterns("__pycache__"))
    _fill(code / "__init__.py", {"CONDA_VERSION": version})
    for source, target in (("conda", "bin/conda"), ("conda", "condabin/conda"), ("conda.sh", "etc/profile.d/conda.sh")):
        path = root / target
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_PAYLOAD / "etc" / source, path)
        path.chmod(0o755 if source == "conda" else 0o644)
        _fill(path, {"PREFIX": BUILD_PREFIX})
    depends = ("python 3.10.*", *(f"{package.name} {package.version}" for package in base_only))
    package = Package("conda", version, "py310_standin_base_0", root, depends)
    package.describe()
    return package


def _installer(version: str, parts: _Parts, packed: bytes, unpacked: int, scratch: Path) -> bytes:
    """The bytes of one installer: the shell script, then the unpacked packages of the base environment.

    Args:
        packed: the packages that all installers share; unpacked is their size. What is this one's own comes after them, as gzip allows.
    """
    conda = _conda_package(version.partition("-")[0], scratch / "conda", parts.base_only)
    packages = (parts.python, *parts.pure, *parts.base_only, conda)
    manifest = {
        "packages": [package.dist for package in packages],
        "import_from": [f"{package.dist}/{package.site_packages}" for package in (*parts.pure, *parts.base_only, conda)],
        "specs": [f"{package.name}=={package.version}" for package in packages],
    }
    top = _folder(scratch / "top")
    (top / "stand-in-base.json").write_text(json.dumps(manifest, indent=1) + "\n")
    own = conda_package.tar({"": top, conda.dist: conda.root})
    payload = packed + conda_package.gzipped(own)
    header = scratch / "installer.sh"
    shutil.copyfile(_PAYLOAD / "installer.sh", header)
    glibc = parts.python.depends[0].partition(">=")[2]
    # Every file exists twice at the end, in the package cache and linked, mostly as a second name of the same data.
    kilobytes = (unpacked + len(own)) * 5 // 4 // 1024 + 50 * 1024
    values = {"VERSION": f"py310_{version}", "GLIBC": glibc, "KILOBYTES": str(kilobytes), "PAYLOAD_BYTES": str(len(payload))}
    _fill(header, {**values, "PYTHON": parts.python.dist, "CONDA": conda.dist})
    return header.read_bytes() + payload


def _fill(path: Path, values: dict[str, str]) -> None:
    """Replace @NAME@ in a text file."""
    text = path.read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    path.write_text(text)


def _folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path
