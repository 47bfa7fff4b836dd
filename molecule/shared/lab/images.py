"""Host images: a Debian tree by mmdebstrap, as bare as a cloud VM, and small variants of it."""

from __future__ import annotations

import functools
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab import aptsources, podman
from lab.settings import DEFAULT_IMAGE, IMAGE_PREFIX, PREPARED, RELEASES, UID, USER, LabError, lab_dir
from lab.shell import run

PACKAGES = (
    "systemd-sysv", "dbus", "openssh-server", "python3", "sudo", "ca-certificates", "iproute2", "procps",
)
MACHINE_CERTIFICATES = Path("/usr/local/share/ca-certificates")
# Units that run only on a machine with its own hardware.
MASKED = ("systemd-udevd.service", "systemd-modules-load.service", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
          "getty.target", "apt-daily.timer", "apt-daily-upgrade.timer", "systemd-firstboot.service")  # fmt: skip
MASKED_IN_VM = ("apt-daily.timer", "apt-daily-upgrade.timer", "systemd-firstboot.service", "systemd-networkd-wait-online.service")


@dataclass(frozen=True)
class Variant:
    """An image made from another by a shell script run in it, with the command that its hosts start."""

    base: str
    script: str
    command: tuple[str, ...] = ("/sbin/init",)


APT_INSTALL = "apt-get update -q && apt-get install -qy --no-install-recommends"
# A virtual machine has what a container lacks: kernel, devices, network.
VM = f"""\
systemctl unmask {' '.join(MASKED)}
systemctl mask {' '.join(MASKED_IN_VM)}
printf '[Match]\\nVirtualization=vm\\nType=ether\\n[Network]\\nDHCP=yes\\n' > /etc/systemd/network/lab.network
systemctl enable systemd-networkd
{APT_INSTALL} linux-image-amd64
apt-get clean
"""
# Hosts are thrown away: nothing need be on the disk before the next file is written, and nobody reads manuals there.
DPKG = """\
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
"""
CLEAN = "rm -rf /var/lib/apt/lists/*"
VARIANTS = {
    "nopython": Variant(DEFAULT_IMAGE, "apt-get purge -qy 'python3*' && apt-get autoremove -qy --purge"),
    "mirror": Variant(DEFAULT_IMAGE, f"{APT_INSTALL} nginx-light && {CLEAN}", ("nginx", "-g", "daemon off;")),
    # Not of hosts: what runs those that reboot.
    "nspawn": Variant(DEFAULT_IMAGE, f"{APT_INSTALL} systemd-container && {CLEAN}"),
    "qemu": Variant(DEFAULT_IMAGE, f"{APT_INSTALL} qemu-system-x86 qemu-utils grub-common grub-pc-bin e2fsprogs && {CLEAN}"),
    **{f"{release}-vm": Variant(release, VM) for release in RELEASES},
}


def names() -> list[str]:
    """Return the images that can be built."""
    return [*RELEASES, *VARIANTS]


def key_pair() -> Path:
    """Return the private key for the hosts, made on the first call; its public half is beside it."""
    private = lab_dir() / "id_ed25519"
    if not private.exists():
        private.parent.mkdir(parents=True, exist_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "codetr-lab", "-f", private])
    return private


@functools.cache
def overlay(codename: str) -> dict[str, str]:
    """Return the files that the tree of a Debian release gets on top of its packages: path in the image to its text."""
    sources = "\n".join(archive.deb822() for archive in aptsources.archives(codename))
    files = {
        "/etc/apt/sources.list.d/debian.sources": sources,
        "/etc/apt/apt.conf.d/90codetr-lab": aptsources.apt_settings(),
        "/etc/pip.conf": aptsources.pip_settings(),
        "/etc/dpkg/dpkg.cfg.d/codetr-lab": DPKG,
        f"/etc/sudoers.d/{USER}": f"{USER} ALL=(ALL) NOPASSWD: ALL\n",
        f"/home/{USER}/.ssh/authorized_keys": key_pair().with_suffix(".pub").read_text(),
        "/etc/ssh/sshd_config.d/codetr-lab.conf": "PasswordAuthentication no\n",
    }
    certificates = sorted(MACHINE_CERTIFICATES.glob("**/*.crt"))
    files |= {f"{MACHINE_CERTIFICATES}/{path.name}": path.read_text() for path in certificates}
    return {path: text for path, text in files.items() if text}


def setup_script() -> str:
    """Return the script that finishes the tree, run in it by chroot."""
    return (
        f"set -e; useradd --create-home --uid {UID} --shell /bin/bash {USER}\n"
        f"chown -R {UID}:{UID} /home/{USER}; chmod 700 /home/{USER}/.ssh; chmod 440 /etc/sudoers.d/{USER}\n"
        "update-ca-certificates\n"
        f"systemctl mask {' '.join(MASKED)}\n"
        "systemctl enable ssh\n"
        # mmdebstrap leaves the same sources under a name of its own.
        "rm -f /etc/apt/sources.list /etc/apt/sources.list.d/0000* /etc/machine-id; : > /etc/machine-id\n"
    )


def tag(name: str) -> str:
    """Return the full name of an image; its tag is a hash of its inputs.

    Raises:
        LabError: no image has that name.
    """
    if name in RELEASES:
        inputs = repr((PACKAGES, sorted(overlay(RELEASES[name]).items()), setup_script()))
    elif name in VARIANTS:
        inputs = repr((VARIANTS[name], tag(VARIANTS[name].base)))
    else:
        raise LabError(f"There is no image {name!r}: choose one of {', '.join(names())}.")
    return f"{IMAGE_PREFIX}/{name}:{hashlib.sha256(inputs.encode()).hexdigest()[:12]}"


def ensure(name: str) -> str:
    """Build the image called name unless it exists, and return its full name.

    Raises:
        LabError: it is the image of a prepared host, which only roles can make, and it is missing.
    """
    if name == PREPARED:
        from lab import prepared

        if not prepared.exists():
            raise LabError(f"There is no image {prepared.tag()}: a scenario makes it by molecule/shared/prepared.yml.")
        return prepared.tag()
    full = tag(name)
    if podman.exists("image", full):
        return full
    print(f"Building the image {full}.", flush=True)
    if name in RELEASES:
        build_debian(RELEASES[name], full)
    else:
        derive(VARIANTS[name], full)
    podman.remove_old_images(full)
    return full


def build_debian(codename: str, full: str) -> None:
    """Build the tree of a Debian release and import it into podman as full."""
    with tempfile.TemporaryDirectory(dir=lab_dir()) as scratch:
        tree = Path(scratch) / "overlay"
        for path, text in overlay(codename).items():
            target = tree / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        script = Path(scratch) / "setup"
        script.write_text(setup_script())
        sources = Path(scratch) / "debian.sources"
        sources.write_text((tree / "etc/apt/sources.list.d/debian.sources").read_text())
        settings = tree / "etc/apt/apt.conf.d/90codetr-lab"
        archive = Path(scratch) / "tree.tar"
        run([
            "mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}",
            *([f"--aptopt={settings}"] if settings.exists() else []),
            f"--customize-hook=cp -rT {tree} \"$1\"",
            f"--customize-hook=chroot \"$1\" sh -s < {script}",
            codename, archive, sources,
        ])  # fmt: skip
        podman.call("import", "--change", 'CMD ["/sbin/init"]', "--change", f"LABEL {podman.LABEL_ARGUMENT}", archive, full)


def derive(variant: Variant, full: str) -> None:
    """Run a variant's script in its base and keep the result as full."""
    work = f"codetr-lab-build-{full.rpartition(':')[2]}"
    podman.call("rm", "--force", "--ignore", work)
    try:
        podman.call(
            "run", "--name", work, "--label", podman.LABEL_ARGUMENT, "--env", "DEBIAN_FRONTEND=noninteractive",
            ensure(variant.base), "sh", "-ec", variant.script,
        )  # fmt: skip
        command = ", ".join(f'"{word}"' for word in variant.command)
        podman.call("commit", "--quiet", "--change", f"CMD [{command}]", work, full)
    finally:
        podman.call("rm", "--force", "--ignore", work)
