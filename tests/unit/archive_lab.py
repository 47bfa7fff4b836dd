"""Zips as no honest program writes them, and places to extract to."""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import time
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.archive.extract import Order
from ansible_collections.codetr.provision.plugins.module_utils.archive.members import Selection

SHA = "a" * 64
PATIENCE_SECONDS = 60.0


@dataclass
class Raw:
    """One member, each field of its two headers as the test says.

    Attributes:
        data: its bytes in the archive.
        size, crc, packed: as declared; what is right for stored data where they are None.
        local: what the local header says instead, by field's name.
        at: where the central directory says that it is, when not where it is.
    """

    name: str
    data: bytes = b""
    method: int = 0
    size: int | None = None
    crc: int | None = None
    packed: int | None = None
    flags: int = 0
    mode: int = 0
    local: dict[str, Any] = field(default_factory=dict)
    at: int | None = None

    def fields(self) -> dict[str, Any]:
        return {
            "signature": b"PK\3\4", "name": self.name, "method": self.method, "flags": self.flags,
            "size": len(self.data) if self.size is None else self.size,
            "crc": zlib.crc32(self.data) if self.crc is None else self.crc,
            "packed": len(self.data) if self.packed is None else self.packed,
        }


def raw_zip(*members: Raw) -> bytes:
    """The archive's bytes."""
    body, directory = b"", b""
    for member in members:
        said, here = member.fields(), len(body)
        local = {**said, **member.local}
        name = local["name"].encode()
        body += struct.pack("<4s5H3L2H", local["signature"], 20, local["flags"], local["method"], 0, 0, local["crc"], local["packed"],
                            local["size"], len(name), 0) + name + member.data
        name = said["name"].encode()
        directory += struct.pack("<4s6H3L5H2L", b"PK\1\2", 3 << 8 | 20, 20, said["flags"], said["method"], 0, 0, said["crc"],
                                 said["packed"], said["size"], len(name), 0, 0, 0, 0, member.mode << 16,
                                 here if member.at is None else member.at) + name
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, len(members), len(members), len(directory), len(body), 0)
    return body + directory + end


def deflated(name: str, data: bytes, **said: Any) -> Raw:
    """A member that is packed, with everything declared as it is unless the test says otherwise."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(data) + packer.flush()
    return Raw(name, packed, 8, **{"size": len(data), "crc": zlib.crc32(data), **said})


def make_zip(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """An honest one."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name) if compression == zipfile.ZIP_STORED else name, data)
    return path


def order(base: Path, src: Path, **more: Any) -> Order:
    """Extract ``train2017/`` of an archive to ``coco/train2017`` below the base."""
    usual = {"sha256": SHA, "selection": Selection("train2017/", 1), "manifest": str(base / "marks" / "train.json")}
    return Order(src=str(src), dest=str(base / "coco" / "train2017"), **{**usual, **more})


def beside(option: Order) -> set[str]:
    """What lies where the folder goes: the folder, and anything that was left."""
    parent = Path(option.dest).parent
    return {path.name for path in parent.iterdir()} if parent.exists() else set()


def files(folder: Path) -> dict[str, bytes]:
    """The bytes of all files below a folder, by relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def temporary(option: Order) -> set[Path]:
    """The temporary folders of extractions, running ones and cut ones."""
    return set(Path(option.dest).parent.glob("*.part-*"))


def early(option: Order, but: Collection[Path] = ()) -> list[Path]:
    """The files that lie in the temporary folder of a running extraction, which may just be removed; the other folders do not count."""
    return [Path(base, name) for folder in temporary(option) - set(but) for base, _, names in os.walk(folder) for name in names]


def wait_for(condition: Callable[[], bool]) -> Iterator[None]:
    """Yield until the condition holds. A test that waits in vain goes on and fails at what it asserts."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.001)
        yield


@contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own in the folder, where that is allowed."""
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def remount(folder: Path, options: str) -> None:
    """Change the small disk."""
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def is_running(pid: int) -> bool:
    """Whether the process still does anything; one that nobody has waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def children(pid: int) -> list[int]:
    """The processes that a process has started and that are there now; its threads come and go meanwhile."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += [int(name) for name in (task / "children").read_text().split()]
    return found
