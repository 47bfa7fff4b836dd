"""The files that announce a toolkit: to one shell, to all shells, to the dynamic linker."""

from __future__ import annotations

import shlex

PROFILE = "/etc/profile.d/codetr-cuda.sh"
LDCONF = "/etc/ld.so.conf.d/codetr-cuda.conf"


def head(prefix: str) -> str:
    """The beginning of each file. It names the prefix, because another prefix on the same host may own the file."""
    return f"# Written by codetr-provision for {prefix}."


def environment(path: str, prefix: str, libraries: bool = True) -> str:
    """A file for any POSIX shell to source: the toolkit at ``path`` comes first, and only once however often it is sourced.

    Args:
        libraries: whether its libraries come first, too. For all shells they would hide the libraries that programs bundle.
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
