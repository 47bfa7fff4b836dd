"""The files that make a toolkit known: to one shell, to everybody's shells, to the dynamic linker."""

from __future__ import annotations

import shlex

PROFILE = "/etc/profile.d/codetr-cuda.sh"
LDCONF = "/etc/ld.so.conf.d/codetr-cuda.conf"


def head(prefix: str) -> str:
    """The first words of each file: the same file may be written for another folder of ours, and is then that one's to take back."""
    return f"# Written by codetr-provision for {prefix}."


def environment(path: str, prefix: str, libraries: bool = True) -> str:
    """A file for any POSIX shell to source: the toolkit at ``path`` comes first, and stands there once however often it is sourced.

    Args:
        libraries: whether its libraries come first, too; for everybody that would take the place of those that programs bring along.
    """
    found = 'LD_LIBRARY_PATH="$(codetr_cuda_first "$CUDA_HOME/lib64" "${LD_LIBRARY_PATH:-}")"\n' if libraries else ""
    return f"""{head(prefix)} Source it; the toolkit comes first on PATH, and only once.
codetr_cuda_first() {{ (
  rest="$2:"
  printf '%s' "$1"
  while [ -n "$rest" ]; do
    entry="${{rest%%:*}}"
    rest="${{rest#*:}}"
    [ -z "$entry" ] || [ "$entry" = "$1" ] || printf ':%s' "$entry"
  done
) }}
CUDA_HOME={shlex.quote(path)}
PATH="$(codetr_cuda_first "$CUDA_HOME/bin" "${{PATH:-}}")"
{found}export CUDA_HOME PATH{" LD_LIBRARY_PATH" if libraries else ""}
unset -f codetr_cuda_first
"""


def libraries(paths: list[str], prefix: str) -> str:
    """For /etc/ld.so.conf.d."""
    return "\n".join([head(prefix), *(f"{path}/lib64" for path in paths)]) + "\n"
