"""`conda init bash`, the only command that changes a start-up file of a shell."""

from __future__ import annotations

import re
from pathlib import Path

_BLOCK = re.compile(r"\n?# >>> conda initialize >>>\n.*?# <<< conda initialize <<<\n", re.DOTALL)


def init_bash(root: Path) -> bool:
    """Write the block that loads conda's shell function into ~/.bashrc and return whether the file changed."""
    path = Path.home() / ".bashrc"
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    after = _BLOCK.sub("", before) + (
        "\n# >>> conda initialize >>>\n"
        "# !! Contents within this block are managed by 'conda init' !!\n"
        f'[ ! -f "{root}/etc/profile.d/conda.sh" ] || . "{root}/etc/profile.d/conda.sh"\n'
        "# <<< conda initialize <<<\n"
    )
    if after == before:
        return False
    path.write_text(after, encoding="utf-8")
    return True
