"""What apt's failures mean and what to do about them, and the text of the file that unattended upgrades heed."""

from __future__ import annotations

from ansible_collections.codetr.provision.plugins.module_utils.package_manager.manager import Explanation

NO_ANSWER = Explanation(
    "Temporary failure resolving|Could not connect|Connection timed out|Could not resolve",
    "The archive did not answer. Check the host's network and provision_environment (proxy).",
)
LOCKED = Explanation(
    "Could not get lock|Unable to lock directory|Unable to acquire the dpkg frontend lock",
    "Another program has been installing packages for ten minutes. Wait until it ends, then run again.",
)
REFRESH = (
    Explanation(
        "NO_PUBKEY A4B469963BF863CC",
        "An apt source on this host for NVIDIA's repository still trusts the key that NVIDIA replaced in April 2022. "
        "Install NVIDIA's package cuda-keyring or remove that source, then run again.",
    ),
    Explanation(
        "NO_PUBKEY|is not signed|EXPKEYSIG|KEYEXPIRED",
        "An apt source of this host is not signed by a key that the host trusts. Fix or remove it (the output names it), then run again.",
    ),
    Explanation(
        "Conflicting values set for option Signed-By",
        "Two apt sources of this host name the same archive with different keys, which stops all of apt. Remove one, then run again.",
    ),
    Explanation(
        "does not have a Release file|404 +Not Found",
        "An apt source of this host no longer exists. Fix or remove it (the output names it), then run again.",
    ),
    NO_ANSWER,
    LOCKED,
    Explanation("", "apt could not update its package lists."),
)
INSTALL = (
    Explanation(
        "held broken packages",
        "Held packages block the installation. Run `apt-mark showhold` on the host, release what may change, then run again.",
    ),
    Explanation("No space left on device", "The disk is full. Free some space, then run again; unfinished steps are repeated."),
    Explanation(
        "Hash Sum mismatch|File has unexpected size|404 +Not Found",
        "The archive, or a proxy, serves files that do not match its lists. Run again; if that does not help, use another mirror.",
    ),
    NO_ANSWER,
    LOCKED,
)
UNATTENDED = """\
// Written by codetr-provision: an unattended upgrade would leave a library that does not match the loaded module.
Unattended-Upgrade::Package-Blacklist {
  "nvidia-(?!container|docker)";
  "libnvidia-(?!container)";
  "libcuda1";
  "cuda-drivers";
};
"""
