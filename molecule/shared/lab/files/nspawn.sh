#!/bin/sh
# Runs in a privileged container that holds the tree of a host in /tree: boots it, and again each time it reboots.
# Name, address and name server are those of the container. Everything in /tree survives a reboot.
cp /etc/hosts /etc/resolv.conf /tree/etc/
hostname > /tree/etc/hostname

while :; do
  # As on a VM, /tmp is on the disk.
  SYSTEMD_NSPAWN_TMPFS_TMP=0 systemd-nspawn --boot --directory=/tree --machine="$(hostname)" "$@" \
    --register=no --keep-unit --settings=no --link-journal=no --resolv-conf=off --timezone=off --console=pipe < /dev/null
  status=$?
  # 133 is a reboot, 0 the host's own power-off.
  [ "$status" -eq 133 ] || exit "$status"
done
