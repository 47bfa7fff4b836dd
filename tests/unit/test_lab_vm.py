"""The script that boots a machine: how it makes a Tesla T4 of QEMU's display."""

from __future__ import annotations

import importlib.util
import io
from types import ModuleType

import pytest
from lab import kinds

# Ids, command, status, revision, class, the rest of the head; and a subsystem.
HEAD = bytes.fromhex("3412 1111 0000 1000 02 00 8003 00000000".replace(" ", "")).ljust(0x2C, b"\0") + bytes.fromhex("f41a0011")


@pytest.fixture(scope="module")
def vm() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vm", kinds.FILES / "vm.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_display_has_the_ids_of_a_card_afterwards(vm: ModuleType) -> None:
    memory = io.BytesIO(b"\xff" * 100 + HEAD + b"\xff" * 100)
    vm.disguise(memory, [(0, 50), (50, 240)])
    changed = memory.getvalue()
    assert changed[:100] == changed[-100:] == b"\xff" * 100
    assert changed[100:112] == bytes.fromhex("de10b81e00001000a1000203")
    assert changed[100 + 0x2C : 100 + 0x30] == bytes.fromhex("de10a212")


@pytest.mark.parametrize("memory", [b"", HEAD + HEAD])
def test_a_display_that_is_not_there_once_is_left_alone(vm: ModuleType, memory: bytes) -> None:
    file = io.BytesIO(memory)
    with pytest.raises(SystemExit, match=r"found [02] times"):
        vm.disguise(file, [(0, 1000)])
    assert file.getvalue() == memory


def test_only_what_qemu_allocated_is_searched(vm: ModuleType) -> None:
    maps = (
        "55aa00000000-55aa00001000 r--p 00000000 fe:00 12 /usr/bin/qemu-system-x86_64\n"
        "55aa00001000-55aa00002000 rw-p 00001000 fe:00 12 /usr/bin/qemu-system-x86_64\n"
        "55ab00000000-55ab00100000 rw-p 00000000 00:00 0 [heap]\n"
        "7f0000000000-7f00a0000000 rw-p 00000000 00:00 0\n"
        "7f0070000000-7f0070001000 r--p 00000000 00:00 0\n"
    )
    assert vm.areas(maps) == [(0x55AB00000000, 0x55AB00100000)]
