"""The texts that a workspace holds: environment file, VS Code entry, notebook. Pure functions of what the plan knows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.workspace.probe import MARK, cells_digest

ENTRY_NAME = "codetr: train"
DISTRIBUTED = {
    "LOCAL_RANK": "0",
    "RANK": "0",
    "GROUP_RANK": "0",
    "ROLE_RANK": "0",
    "ROLE_NAME": "default",
    "LOCAL_WORLD_SIZE": "1",
    "WORLD_SIZE": "1",
    "GROUP_WORLD_SIZE": "1",
    "ROLE_WORLD_SIZE": "1",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}
ENV_HEAD = """\
# Written by codetr-provision, which replaces changes. In a shell: set -a; source codetr.env; set +a. In VS Code: "envFile".
"""


@dataclass(frozen=True)
class Desk:
    """What the texts are made of; all paths absolute, but ``config`` may be relative to ``repo``.

    Attributes:
        work_dir: as requested; empty for one folder per config below ``work_dirs``.
        environment: what the stack asks for.
        expect: version by name, for verify.
    """

    workspace: str
    repo: str
    python: str
    config: str
    work_dir: str
    work_dirs: str
    data: str
    torch_home: str
    cache: str
    port: int
    stack: str
    compute: str
    environment: dict[str, str]
    expect: dict[str, str]
    stand_ins: list[str]

    @property
    def config_name(self) -> str:
        """The config's file name without its ending."""
        return Path(self.config).stem

    @property
    def config_work_dir(self) -> str:
        """Where a training of ``config`` writes."""
        return self.work_dir or f"{self.work_dirs}/{self.config_name}"

    def training_environment(self) -> dict[str, str]:
        """The guide's eleven variables, the torch home, and what the stack asks for."""
        return {**DISTRIBUTED, "MASTER_PORT": str(self.port), "TORCH_HOME": self.torch_home, **self.environment}

    def settings(self) -> dict[str, str]:
        """What the wrappers read beside the above."""
        return {
            "CODETR_PYTHON": self.python,
            "CODETR_REPO": self.repo,
            "CODETR_CONFIG": self.config,
            "CODETR_WORK_DIR": self.work_dir,
            "CODETR_WORK_DIRS": self.work_dirs,
            "CODETR_CACHE": self.cache,
            "CODETR_DATA": self.data,
            "CODETR_STACK": self.stack,
            "CODETR_COMPUTE": self.compute,
            "CODETR_EXPECT": " ".join(f"{name}={version}" for name, version in self.expect.items()),
            "CODETR_STAND_INS": " ".join(self.stand_ins),
        }


def unquotable(desk: Desk) -> list[str]:
    """The variables whose value no line of an environment file can hold for a shell and for VS Code alike."""
    return [name for name, value in {**desk.training_environment(), **desk.settings()}.items() if re.search(r"['\n\r]", value)]


def environment_file(desk: Desk) -> str:
    """The text of ``codetr.env``: plain ``KEY=value`` lines, quoted where a shell needs it."""
    lines = [f"{name}={_quoted(value)}" for name, value in {**desk.training_environment(), **desk.settings()}.items()]
    return ENV_HEAD + "\n".join(lines) + "\n"


def launch_entry(desk: Desk) -> dict[str, Any]:
    """The entry of ``launch.json``: the same training under VS Code's debugger."""
    return {
        "name": ENTRY_NAME,
        "type": "debugpy",
        "request": "launch",
        "program": "tools/train.py",
        "cwd": "${workspaceFolder}",
        "python": desk.python,
        "console": "integratedTerminal",
        "justMyCode": False,
        # mmcv's distributed launcher divides by the number of GPUs
        "args": [desk.config, "--launcher", "none" if desk.compute == "cpu" else "pytorch", "--work-dir", desk.config_work_dir],
        "env": desk.training_environment(),
    }


def notebook(source: str, desk: Desk) -> tuple[str, str]:
    """The notebook's text and the digest of its cells.

    Args:
        source: a Python file in the percent format (``# %%``, ``# %% [markdown]``), with ``@CONFIG@`` and ``@ENV_FILE@``.
    """
    filled = source.replace("@CONFIG@", desk.config).replace("@ENV_FILE@", f"{desk.workspace}/codetr.env")
    cells = [
        _cell(kind == " [markdown]", body.strip("\n"))
        for kind, body in re.findall(r"^# %%( \[markdown\])?\n(.*?)(?=^# %%|\Z)", filled, re.M | re.S)
    ]
    book: dict[str, Any] = {
        "cells": [{**cell, "id": f"codetr-{at}"} for at, cell in enumerate(cells)],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    digest = cells_digest(book) or ""
    book["metadata"] = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        MARK: {"cells": digest},
    }
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n", digest


def _cell(markdown: bool, body: str) -> dict[str, Any]:
    if markdown:
        body = re.sub(r"^# ?", "", body, flags=re.M)
        return {"cell_type": "markdown", "metadata": {}, "source": body.splitlines(keepends=True)}
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": body.splitlines(keepends=True)}


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[A-Za-z0-9_@%+=:,./-]*", value) else f"'{value}'"
