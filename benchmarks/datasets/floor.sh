#!/usr/bin/env bash
# The floor: a plain copy of the archives' bytes, and a plain write of the files that come out of them. Nothing is checked.
# Usage: floor.sh FOLDER ARCHIVES FILES
set -euo pipefail
cd "$1"
mkdir archives
cp "$2"/*.zip archives/
sync
cp -r "$3" files
sync
