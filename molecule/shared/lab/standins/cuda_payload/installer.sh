#!/bin/sh
# A stand-in for the runfile of CUDA @VERSION@: the options, the files and the habits of the real one, and nothing that compiles.
set -u
say() { echo "$*" >&2; }
stop() { say "$*"; exit 1; }

silent='' toolkit='' override='' man=yes path=/usr/local/cuda-@MINOR@ tmpdir=/tmp
for option in "$@"; do
  case "$option" in
    --silent) silent=yes ;;
    --toolkit) toolkit=yes ;;
    --override) override=yes ;;
    --no-man-page) man='' ;;
    --installpath=/* | --toolkitpath=/*) path="${option#*=}" ;;
    --tmpdir=/*) tmpdir="${option#*=}" ;;
    --samples | --no-opengl-libs | --no-drm | --defaultroot=/* | --samplespath=/*) ;;
    *) stop "Unrecognized option: $option" ;;
  esac
done
[ -n "$silent" ] || stop "This stand-in has no dialogue: run it with --silent."
[ -n "$toolkit" ] || stop "Nothing was selected to install: this stand-in knows --toolkit only."

# The real one opens it without looking, and dies.
if [ -e /tmp/cuda-installer.log ]; then
  say "Segmentation fault"
  exit 139
fi

free="$(df -Pk "$tmpdir" 2>/dev/null | awk 'NR == 2 {print $4}')"
if [ ! -d "$tmpdir" ] || [ "${free:-0}" -lt @KILOBYTES@ ]; then
  say "Extraction failed."
  stop "Ensure there is enough space in $tmpdir and that the installation package is not corrupt."
fi

root=''
log=/tmp/cuda-installer.log
[ "$(id -u)" -ne 0 ] || { root=yes; log=/var/log/cuda-installer.log; }
echo "[INFO]: Stand-in for CUDA @VERSION@. Command line: $*" >"$log" || exit 1

if [ -z "$override" ]; then
  major="$(gcc -dumpversion 2>/dev/null | cut -d. -f1)"
  if [ -z "$major" ] || [ "$major" -gt @GCC@ ]; then
    echo "[ERROR]: unsupported compiler version: ${major:-none}. Use --override to override this check." >>"$log"
    stop "Failed to verify gcc version. See log at $log for details."
  fi
fi

unpacked="$(mktemp -d "$tmpdir/selfgz.XXXXXX")" || exit 1
trap 'rm -rf "$unpacked"' EXIT
chmod 755 "$unpacked"
tail -c @PAYLOAD_BYTES@ "$0" | tar -xzf - -C "$unpacked" || stop "Extraction failed."
mkdir -p "$path" && cp -a "$unpacked/." "$path/" || stop "Installation failed. See log at $log for details."
echo "[INFO]: Installed into $path" >>"$log"

# What root's installation does on its own, asked or not.
if [ -n "$root" ]; then
  if [ -L /usr/local/cuda ] || [ ! -e /usr/local/cuda ]; then ln -sfn "$path/" /usr/local/cuda; fi
  printf '%s/lib64\n%s/targets/x86_64-linux/lib\n' "$path" "$path" >/etc/ld.so.conf.d/cuda-@DASHED@.conf
  ldconfig
  if [ -n "$man" ]; then
    mkdir -p /usr/local/share/man/man7
    echo ".TH cuda-stand-in 7" >/usr/local/share/man/man7/cuda-stand-in.7
  fi
fi

cat <<SUMMARY
===========
= Summary =
===========

Driver:   Not Selected
Toolkit:  Installed in $path/

Please make sure that
 -   PATH includes $path/bin
 -   LD_LIBRARY_PATH includes $path/lib64, or, add $path/lib64 to /etc/ld.so.conf and run ldconfig as root

To uninstall the CUDA Toolkit, run cuda-uninstaller in $path/bin
Logfile is $log
SUMMARY
exit 0
