#!/usr/bin/env bash
# Write the hash-locked requirements anew. The index is the one that pip on this machine is configured for; no host name is written.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/uv"
"$work/uv/bin/python" -m pip install --quiet --disable-pip-version-check uv
options=(--quiet --generate-hashes --no-emit-index-url --no-header)
"$work/uv/bin/uv" pip compile "${options[@]}" --python-version 3.11 requirements.in --output-file requirements.txt
for list in stacks/locks/*.in; do
    "$work/uv/bin/uv" pip compile "${options[@]}" --allow-unsafe --python-version 3.10 --python-platform x86_64-manylinux_2_28 \
        "$list" --output-file "${list%.in}.txt"
done
