#!/bin/sh
#
# NAME:  Miniconda3 (stand-in)
# VER:   @VERSION@
# PLAT:  linux-64
#
# A stand-in for the Miniconda installer, made by a test lab. Nothing in it comes from Anaconda.
# This script ends with a line of its own; a gzipped tar of unpacked conda packages follows.
set -eu
unset LD_LIBRARY_PATH LD_PRELOAD LD_AUDIT PYTHONPATH PYTHONHOME CONDARC

fail() {
    printf 'ERROR: ' >&2
    printf '%s\n' "$@" >&2
    exit 1
}

case $0 in
    *.sh) ;;
    *) fail "Run this installer as a file whose name ends in .sh, by a shell, and do not source it." ;;
esac

BATCH=0
UPDATE=0
PREFIX=${HOME:-/opt}/miniconda3

while getopts "bp:u" option; do
    case $option in
        b) BATCH=1 ;;
        u) UPDATE=1 ;;
        p) PREFIX=$OPTARG ;;
        *)
            printf "ERROR: this stand-in did not recognize an option; it supports -b, -p PREFIX and -u.\n"
            exit 1
            ;;
    esac
done
shift $((OPTIND - 1))

[ "$#" -eq 0 ] || fail "this stand-in takes options only, not '$*'."
[ "$BATCH" -eq 1 ] || fail "this stand-in never asks questions: use batch mode, -b."
case $PREFIX in
    *\ *) fail "Cannot install into directories with spaces: '$PREFIX'" ;;
esac
[ "$(uname -s) $(uname -m)" = "Linux x86_64" ] || fail "this installer is for Linux x86_64, and this is $(uname -s) $(uname -m)."

glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/^glibc //')
lower=$(printf '%s\n%s\n' "@GLIBC@" "${glibc:-0}" | sort -V | head -n 1)
[ "$lower" = "@GLIBC@" ] || fail "Installer requires GLIBC >=@GLIBC@, but system has ${glibc:-none}."

if [ "$UPDATE" -eq 0 ] && [ -e "$PREFIX" ]; then
    fail "File or directory already exists: '$PREFIX'" "To update an existing installation, use the -u option."
fi
mkdir -p "$PREFIX" || fail "Could not create directory: '$PREFIX'. Check permissions and free disk space (@KILOBYTES@ kB needed)."
free=$(df -Pk "$PREFIX" | sed -n '$s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\).*/\1/p')
[ "${free:-0}" -ge @KILOBYTES@ ] || fail "Not enough free disk space: $free kB are available in '$PREFIX', but @KILOBYTES@ kB are required."
PREFIX=$(cd "$PREFIX" && pwd)

printf 'This is a stand-in for Miniconda3 @VERSION@, made by a test lab; it is not Miniconda.\n'
printf 'PREFIX=%s\n' "$PREFIX"
printf 'Unpacking payload...\n'
mkdir -p "$PREFIX/pkgs" "$PREFIX/envs"
header=$(sed -n '/^@@END_HEADER@@$/{=;q;}' "$0")
# Not a pipe: its exit status would be that of tar alone.
payload=$PREFIX/pkgs/.payload.tar.gz
trap 'rm -f "$payload"' EXIT
tail -n +$((header + 1)) "$0" > "$payload" || fail "could not read the payload of $0."
[ "$(wc -c < "$payload")" -eq @PAYLOAD_BYTES@ ] || fail "this installer is incomplete or damaged: fetch it again."
tar -C "$PREFIX/pkgs" --no-same-owner -xzf "$payload" || fail "could not unpack the payload into '$PREFIX'."
[ "$(id -u)" -eq 0 ] || touch "$PREFIX/.nonadmin"

printf 'Installing base environment...\n'
cd "$PREFIX"
"$PREFIX/pkgs/@PYTHON@/bin/python3.10" -I -B "$PREFIX/pkgs/@CONDA@/lib/python3.10/site-packages/conda/bootstrap.py" "$PREFIX" \
    || fail "could not install the base environment into '$PREFIX'."
printf 'installation finished.\n'
exit 0
@@END_HEADER@@
