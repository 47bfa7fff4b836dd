#!/usr/bin/env bash
# The floor: a plain copy of the archives and a plain write of the extracted files, without any check.
# Usage: floor.sh FOLDER ARCHIVES FILES
set -euo pipefail
cd "$1"
mkdir archives
cp "$2"/*.zip archives/
sync
cp -r "$3" files
sync
