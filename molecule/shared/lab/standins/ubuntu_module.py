"""Kernel modules and libraries of no content but the right form: modinfo, depmod and ldconfig read them, no kernel loads them.

Runs by itself too, on the lab's hosts, where the stand-in of the driver's DKMS package has it in the place of make and a compiler:
`python3 build.py VERSION KERNEL LICENCE FOLDER`.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

NAMES = ("nvidia", "nvidia-drm", "nvidia-modeset", "nvidia-peermem", "nvidia-uvm")
NOTE = "stand-in of codetr-provision's lab"
MAGIC = b"~Module signature appended~\n"

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_RELOCATABLE, _SHARED = 1, 3
_X86_64 = 62
_PROGBITS, _SYMTAB, _STRTAB = 1, 2, 3
_ALLOC = 2
_SYMBOL_BYTES = 24
# Algorithm RSA, digest SHA-256, identified by an X.509 name: the form that carries the signer's name in plain text.
_SIGNATURE = struct.Struct(">BBBBB3xI")
_RSA, _SHA256, _X509 = 1, 4, 1


def module(name: str, version: str, kernel: str, licence: str) -> bytes:
    """A module's file: what modinfo prints of it, and no code."""
    info: dict[str, str] = {
        "version": version,
        "license": licence,
        "description": NOTE,
        "supported": "external",
        "name": name.replace("-", "_"),
        "depends": "" if name == "nvidia" else "nvidia",
        "retpoline": "Y",
        "vermagic": f"{kernel} SMP mod_unload modversions ",
    }
    if name == "nvidia":
        info["alias"] = "pci:v000010DEd*sv*sd*bc03sc02i00*"
    text = b"".join(f"{key}={value}".encode() + b"\0" for key, value in info.items())
    # An empty symbol table has one entry, of zeros.
    return _elf(_RELOCATABLE, [(".modinfo", _PROGBITS, text), (".symtab", _SYMTAB, bytes(_SYMBOL_BYTES)), (".strtab", _STRTAB, b"\0")])


def library() -> bytes:
    """A shared library with nothing in it."""
    return _elf(_SHARED, [(".comment", _PROGBITS, NOTE.encode() + b"\0")])


def signature(signer: str) -> bytes:
    """What is put behind a module's bytes to sign it; the signer is said, the signature itself is zeros."""
    name, value = signer.encode(), bytes(32)
    return name + value + _SIGNATURE.pack(_RSA, _SHA256, _X509, len(name), 0, len(value)) + MAGIC


def _elf(kind: int, contents: list[tuple[str, int, bytes]]) -> bytes:
    """An ELF file of these sections; a symbol table's strings must be in the section after it."""
    names = ["", *(name for name, _, _ in contents), ".shstrtab"]
    strings = b"".join(name.encode() + b"\0" for name in names)
    body, table = b"", _SECTION.pack(*[0] * 10)
    for number, (name, section, data) in enumerate([*contents, (".shstrtab", _STRTAB, strings)], start=1):
        body += bytes(-len(body) % 8)
        symbols = section == _SYMTAB
        table += _SECTION.pack(
            strings.index(name.encode() + b"\0"), section, _ALLOC if section == _PROGBITS else 0, 0, _HEADER.size + len(body), len(data),
            number + 1 if symbols else 0, 1 if symbols else 0, 8 if symbols else 1, _SYMBOL_BYTES if symbols else 0,
        )  # fmt: skip
        body += data
    body += bytes(-len(body) % 8)
    count = len(contents) + 2
    ident, sections = b"\x7fELF\x02\x01\x01" + bytes(9), _HEADER.size + len(body)
    header = _HEADER.pack(ident, kind, _X86_64, 1, 0, 0, sections, 0, _HEADER.size, 0, 0, _SECTION.size, count, count - 1)
    return header + body + table


def main(version: str, kernel: str, licence: str, folder: str) -> None:
    """Write all modules of a driver for one kernel."""
    for name in NAMES:
        (Path(folder) / f"{name}.ko").write_bytes(module(name, version, kernel, licence))


if __name__ == "__main__":
    main(*sys.argv[1:5])
