"""Runs in a container that holds the tree of a host in /tree: makes a disk of it and boots that by QEMU, in software alone.

The container's ssh port is the host's. The machine has something in its PCI bus that says it is a Tesla T4 and is none: good for finding
it and for loading a driver, which then fails.
"""

from __future__ import annotations

import re
import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

DISK = "/srv/disk.img"
SIZE = "16G"
GRUB = "/srv/grub.img"
MONITOR = "/srv/monitor"
MEMORY = "2560"
MODULES = ("biosdisk", "ext2", "linux", "normal", "gzio", "zstd")
# Whatever kernel is installed last: Debian's packages keep these two links.
BOOT = """\
set root=(hd0)
linux /vmlinuz root=/dev/vda rw console=ttyS0 net.ifnames=0
initrd /initrd.img
boot
"""

# The start of the configuration space of QEMU's `bochs-display`, which nothing else has: ids, command, status, revision, class. Its first
# region is as large as a T4's, and all zeros: nouveau looks for a chip there, finds none and gives up.
DISPLAY = re.compile(rb"\x34\x12\x11\x11\x00\x00...\x00\x80\x03", re.DOTALL)
VENDOR, DEVICE, SUBSYSTEM, REVISION, CLASS = 0x10DE, 0x1EB8, 0x12A2, 0xA1, 0x0302


def make_disk() -> None:
    """Make a disk with one file system, of the tree."""
    for name in ("hosts", "resolv.conf", "hostname"):
        shutil.copyfile(f"/etc/{name}", f"/tree/etc/{name}")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", "/tree", DISK, SIZE], check=True)


def make_loader() -> None:
    """Make the boot loader. It is what QEMU starts, and reads the kernel from the disk, at each boot anew."""
    Path("/srv/boot.cfg").write_text(BOOT)
    subprocess.run(["grub-mkimage", "-O", "i386-pc", "-p", "(hd0)", "-c", "/srv/boot.cfg", "-o", "/srv/core.img", *MODULES], check=True)
    Path(GRUB).write_bytes(Path("/usr/lib/grub/i386-pc/lnxboot.img").read_bytes() + Path("/srv/core.img").read_bytes())


def start() -> subprocess.Popen[bytes]:
    """Start QEMU, stopped before the first instruction."""
    return subprocess.Popen([
        "qemu-system-x86_64", "-S", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", MEMORY,
        "-kernel", GRUB, "-drive", f"file={DISK},format=raw,if=virtio,cache=unsafe",
        "-netdev", "user,id=net,hostfwd=tcp:0.0.0.0:22-:22", "-device", "virtio-net-pci,netdev=net",
        "-device", "virtio-rng-pci", "-device", "bochs-display,vgamem=16M",
        "-vga", "none", "-display", "none", "-serial", "stdio", "-monitor", f"unix:{MONITOR},server=on,wait=off",
    ], stdin=subprocess.DEVNULL)  # fmt: skip


def areas(maps: str) -> list[tuple[int, int]]:
    """Return first and last address of what a process (its maps) has allocated, without the guest's memory: that is empty yet."""
    found = []
    for line in maps.splitlines():
        area, rights, _, _, inode = line.split()[:5]
        low, high = (int(end, 16) for end in area.split("-"))
        if rights.startswith("rw") and inode == "0" and high - low < int(MEMORY) << 20:
            found.append((low, high))
    return found


def disguise(memory: BinaryIO, where: list[tuple[int, int]]) -> None:
    """Give the display in the memory of a QEMU the ids of a Tesla T4: QEMU has no option for that."""
    found = []
    for low, high in where:
        memory.seek(low)
        found += [low + match.start() for match in DISPLAY.finditer(memory.read(high - low))]
    if len(found) != 1:
        raise SystemExit(f"QEMU's display was found {len(found)} times in its memory; this script fits another version.")
    for offset, value in ((0x00, struct.pack("<HH", VENDOR, DEVICE)), (0x08, struct.pack("<BBH", REVISION, 0, CLASS)),
                          (0x2C, struct.pack("<HH", VENDOR, SUBSYSTEM))):  # fmt: skip
        memory.seek(found[0] + offset)
        memory.write(value)


def main() -> int:
    """Make the disk, boot, and return QEMU's exit status when the host is off."""
    make_disk()
    make_loader()
    qemu = start()
    with socket.socket(socket.AF_UNIX) as monitor:
        while qemu.poll() is None:
            try:
                monitor.connect(MONITOR)
                break
            except OSError:
                time.sleep(0.1)
        # It greets once all devices are there.
        monitor.recv(1)
        process = Path(f"/proc/{qemu.pid}")
        with (process / "mem").open("r+b", buffering=0) as memory:
            disguise(memory, areas((process / "maps").read_text()))
        monitor.sendall(b"cont\n")
        return qemu.wait()


if __name__ == "__main__":
    sys.exit(main())
