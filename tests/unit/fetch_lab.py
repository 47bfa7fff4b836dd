"""What the tests of downloads share: bytes, records, short waits, and control files made by hand."""

from __future__ import annotations

import hashlib
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.fetch import aria2, lock, network, patience
from ansible_collections.codetr.provision.plugins.module_utils.fetch.aria2 import Transfer
from ansible_collections.codetr.provision.plugins.module_utils.fetch.failure import FetchFailure
from ansible_collections.codetr.provision.plugins.module_utils.fetch.place import Request, fetch

MIB = 1 << 20
BODY = random.Random(1).randbytes(6 * MIB)
OTHER = random.Random(2).randbytes(6 * MIB)


def quicken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits, and nothing of this machine's own proxies and certificates."""
    for name, seconds in {
        "PAUSE_SECONDS": 0.02, "FIRST_WAIT_SECONDS": 0.05, "LONGEST_WAIT_SECONDS": 0.1, "LONGEST_RETRY_AFTER_SECONDS": 2.0,
    }.items():
        monkeypatch.setattr(patience, name, seconds)
    monkeypatch.setattr(lock, "TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(aria2, "STALL_SECONDS", 2)
    for name in network.CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name in network.PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def record(tmp_path: Path, *urls: str, body: bytes = BODY, **more: Any) -> Request:
    """A record of ``body`` that goes to ``file.zip``."""
    wanted = {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "dest": str(tmp_path / "file.zip"), **more}
    return Request(name="thing", urls=list(urls), **wanted)


def leftovers(tmp_path: Path) -> set[str]:
    return {path.name for path in tmp_path.iterdir()}


def assert_arrives(tmp_path: Path, *urls: str, connections: int = 16, rate_limit: str = "") -> None:
    """The fetch ends with the right bytes at the destination, and nothing beside them."""
    got = fetch(record(tmp_path, *urls, transfer=Transfer(connections, rate_limit)))
    assert got.changed
    assert (tmp_path / "file.zip").read_bytes() == BODY
    assert leftovers(tmp_path) == {"file.zip"}


def fails(tmp_path: Path, *urls: str, connections: int = 16) -> str:
    """The fetch ends with nothing at the destination; the sentence."""
    with pytest.raises(FetchFailure) as failure:
        fetch(record(tmp_path, *urls, transfer=Transfer(connections)))
    assert not (tmp_path / "file.zip").exists()
    return str(failure.value)


def control_file(total: int, pieces: str, piece: int = MIB, version: int = 1, on_their_way: dict[int, int] | None = None) -> bytes:
    """A control file as aria2 writes it: ``pieces`` such as ``1101``, and blocks of 16 KiB that are here of pieces on their way."""
    bits = pieces.ljust(-(-len(pieces) // 8) * 8, "0")
    field = int(bits or "0", 2).to_bytes(len(bits) // 8, "big")
    raw = struct.pack(">HIIIQQI", version, 0, 0, piece, total, 0, len(field)) + field
    raw += struct.pack(">I", len(on_their_way or {}))
    for index, blocks in (on_their_way or {}).items():
        here = int(("1" * blocks).ljust(64, "0"), 2).to_bytes(8, "big")
        raw += struct.pack(">III", index, piece, len(here)) + here
    return raw
