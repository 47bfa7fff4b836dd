"""The texts of a workspace: environment file and VS Code entry, made from what the plan knows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

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
class Settings:
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
        return PurePosixPath(self.config).stem

    @property
    def config_work_dir(self) -> str:
        """The folder that a training of ``config`` writes to."""
        return self.work_dir or f"{self.work_dirs}/{self.config_name}"

    def training_environment(self) -> dict[str, str]:
        """The guide's eleven variables, the torch home, and the stack's variables."""
        return {**DISTRIBUTED, "MASTER_PORT": str(self.port), "TORCH_HOME": self.torch_home, **self.environment}

    def wrapper_variables(self) -> dict[str, str]:
        """The variables that only our wrappers read."""
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


def unquotable(settings: Settings) -> list[str]:
    """Names of the variables whose value cannot be quoted in a way that both a shell and VS Code read."""
    variables = {**settings.training_environment(), **settings.wrapper_variables()}
    return [name for name, value in variables.items() if re.search(r"['\n\r]", value)]


def environment_file(settings: Settings) -> str:
    """The text of ``codetr.env``: ``KEY=value`` lines, quoted where a shell needs it."""
    lines = [f"{name}={_quoted(value)}" for name, value in {**settings.training_environment(), **settings.wrapper_variables()}.items()]
    return ENV_HEAD + "\n".join(lines) + "\n"


def launch_entry(settings: Settings) -> dict[str, Any]:
    """The entry of ``launch.json`` that runs the same training under VS Code's debugger."""
    return {
        "name": ENTRY_NAME,
        "type": "debugpy",
        "request": "launch",
        "program": "tools/train.py",
        "cwd": "${workspaceFolder}",
        "python": settings.python,
        "console": "integratedTerminal",
        "justMyCode": False,
        # mmcv's distributed launcher divides by the number of GPUs
        "args": [settings.config, "--launcher", "none" if settings.compute == "cpu" else "pytorch", "--work-dir", settings.config_work_dir],
        "env": settings.training_environment(),
    }


def notebook_fill(settings: Settings) -> dict[str, str]:
    """What replaces the placeholders of ``templates/codetr_sandbox.py``."""
    return {"@CONFIG@": settings.config, "@ENV_FILE@": f"{settings.workspace}/codetr.env"}


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[A-Za-z0-9_@%+=:,./-]*", value) else f"'{value}'"
