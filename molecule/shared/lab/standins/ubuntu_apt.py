"""Signed apt repositories: keys of the lab's own, indexes, releases."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.shell import run
from lab.standins import ubuntu_deb
from lab.standins.ubuntu_deb import Deb

# In the past, so that no host's clock is behind it.
_DATE = "Sat, 01 Jun 2024 00:00:00 UTC"


@dataclass(frozen=True)
class Key:
    """A key that signs a repository: both halves as text, and the fingerprint by which it is pinned."""

    secret: str
    public: str
    fingerprint: str


def key(folder: Path, name: str) -> Key:
    """Return the key called name from folder, made on the first call. The secret half never leaves the lab's folder."""
    secret, public = folder / f"{name}.secret.asc", folder / f"{name}.asc"
    if not (secret.exists() and public.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        with _gpg() as gpg:
            run([*gpg, "--quick-generate-key", f"codetr-provision's lab, stand-in for {name}", "ed25519", "sign", "never"])
            public.write_text(run([*gpg, "--armor", "--export"]))
            secret.touch(mode=0o600)
            secret.write_text(run([*gpg, "--armor", "--export-secret-keys"]))
    return Key(secret.read_text(), public.read_text(), fingerprint(public))


def fingerprint(public: Path) -> str:
    """Return the fingerprint of the key in a file."""
    with _gpg() as gpg:
        lines = run([*gpg, "--with-colons", "--show-keys", public]).splitlines()
    return next(line.split(":")[9] for line in lines if line.startswith("fpr:"))


@contextmanager
def _gpg() -> Iterator[list[str]]:
    """gpg with a home of its own: in /tmp, as its agent's socket may have no long path."""
    home = tempfile.mkdtemp(prefix="lab-gpg-", dir="/tmp")
    try:
        yield ["gpg", "--homedir", home, "--batch", "--no-tty", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
    finally:
        run(["gpgconf", "--homedir", home, "--kill", "all"])
        shutil.rmtree(home, ignore_errors=True)


def index(packages: Iterable[Deb], root: Path, pool: str) -> str:
    """Write the packages into root/pool and return the Packages file that lists them, by paths below root."""
    stanzas = []
    for package in sorted(packages, key=lambda package: package.name):
        path = ubuntu_deb.write(package, root / pool)
        data = path.read_bytes()
        place = path.relative_to(root).as_posix()
        stanzas.append(f"{package.control()}Filename: {place}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n")
    return "\n".join(stanzas)


def release(folder: Path, fields: Mapping[str, str], indexes: Mapping[str, str], signer: Key) -> None:
    """Write the indexes (path below folder to text, plain and compressed) and the signed release files that list them."""
    listed = []
    for name, text in sorted(indexes.items()):
        for path, data in ((folder / name, text.encode()), (folder / f"{name}.gz", gzip.compress(text.encode(), mtime=0))):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            listed.append(f" {hashlib.sha256(data).hexdigest()} {len(data):8} {path.relative_to(folder).as_posix()}\n")
    head = "".join(f"{name}: {value}\n" for name, value in fields.items())
    text = f"{head}Date: {_DATE}\nArchitectures: amd64\nSHA256:\n{''.join(listed)}"
    (folder / "Release").write_text(text)
    with _gpg() as gpg:
        run([*gpg, "--import"], stdin=signer.secret)
        (folder / "InRelease").write_text(run([*gpg, "--clear-sign"], stdin=text))
        (folder / "Release.gpg").write_text(run([*gpg, "--armor", "--detach-sign"], stdin=text))
