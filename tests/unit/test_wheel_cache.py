"""Compiled wheels that are kept: on the controller, and in the same layout on a mirror."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.plugin_utils import catalog
from webserver import serving

KEY = "mmcv-full-1.7.2_torch-2.11.0_cp312_x86_64-debian12_cu130_sm90_edits-0123abcd"
NAME = "mmcv_full-1.7.2-cp312-cp312-linux_x86_64.whl"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A cache with one wheel, as role codetr_packages leaves it."""
    folder = tmp_path / "wheels" / KEY
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(b"compiled")
    (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(b'compiled').hexdigest()}  {NAME}\n")
    return tmp_path


def test_a_wheel_with_its_hash_is_found(kept: Path) -> None:
    (found,) = catalog.wheels(kept / "wheels").items()
    assert found == (KEY, {"path": f"{kept}/wheels/{KEY}/{NAME}", "file": NAME, "sha256": hashlib.sha256(b"compiled").hexdigest()})


@pytest.mark.parametrize("harm", ["other bytes", "no wheel", "no hash", "a path"])
def test_a_wheel_in_doubt_is_not_taken(kept: Path, harm: str) -> None:
    folder = kept / "wheels" / KEY
    if harm == "other bytes":
        (folder / NAME).write_bytes(b"cut short")
    elif harm == "no wheel":
        (folder / NAME).unlink()
    elif harm == "no hash":
        (folder / "SHA256SUMS").write_text("")
    else:
        (folder / "SHA256SUMS").write_text(f"{hashlib.sha256(b'compiled').hexdigest()}  ../{KEY}/{NAME}\n")
    assert catalog.wheels(kept / "wheels") == {}


def test_a_mirror_serves_the_same_folder(kept: Path) -> None:
    with serving() as web:
        for name in (NAME, "SHA256SUMS"):
            web.files[f"/wheels/{KEY}/{name}"] = (kept / "wheels" / KEY / name).read_bytes()
        url = web.url("")
        found = catalog.mirrored_wheel(f"{url}/", KEY)
        assert found == {"url": f"{url}/wheels/{KEY}/{NAME}", "file": NAME, "sha256": hashlib.sha256(b"compiled").hexdigest()}
        assert catalog.mirrored_wheel(url, "another") == {}
    assert catalog.mirrored_wheel(url, KEY) == {}
