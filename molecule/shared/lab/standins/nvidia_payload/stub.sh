#!/bin/sh
# A stand-in for NVIDIA's installer of driver @VERSION@, by codetr-provision's lab: a shell script with an archive behind it, as the real one
# is. It takes the real one's options and prints its sentences; what it installs drives nothing.
set -u
extract='' check='' target='' tmpdir="${TMPDIR:-/tmp}"
left=$#
while [ "$left" -gt 0 ]; do
  option="$1"
  shift
  left=$((left - 1))
  case "$option" in
    --check) check=yes ;;
    -x | --extract-only) extract=yes ;;
    --target)
      [ "$left" -gt 0 ] || { echo "--target requires an argument." >&2; exit 1; }
      target="$1"
      shift
      left=$((left - 1))
      ;;
    --tmpdir=*)
      tmpdir="${option#*=}"
      set -- "$@" "$option"
      ;;
    *) set -- "$@" "$option" ;;
  esac
done

archive() { tail -c @PAYLOAD_BYTES@ "$0"; }

printf 'Verifying archive integrity... '
if [ "$(archive | sha256sum | cut -c1-64)" != @PAYLOAD_SHA256@ ]; then
  echo "Error in checksums." >&2
  exit 2
fi
echo OK
[ -z "$check" ] || exit 0

if [ -n "$extract" ]; then
  folder="${target:-NVIDIA-Linux-x86_64-@VERSION@}"
  mkdir "$folder" || exit 1
else
  folder="$(mktemp -d "$tmpdir/selfgz.XXXXXX")" || { echo "Cannot create target directory in $tmpdir" >&2; exit 1; }
  trap 'rm -rf "$folder"' EXIT
fi
echo "Uncompressing NVIDIA Accelerated Graphics Driver for Linux-x86_64 @VERSION@ (@NOTE@)"
archive | tar -xzf - -C "$folder" || { echo "Extraction failed." >&2; exit 1; }
[ -z "$extract" ] || exit 0

cd "$folder" || exit 1
./nvidia-installer "$@"
status=$?
cd / || exit 1
exit "$status"
