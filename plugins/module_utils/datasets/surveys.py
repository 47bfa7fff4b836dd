"""Where surveys of annotation files are kept: made once, believed as long as the file has its size and time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import Callable

from ansible_collections.codetr.provision.plugins.module_utils.datasets import survey
from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import ours
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import DatasetRefused
from ansible_collections.codetr.provision.plugins.module_utils.datasets.survey import Survey


def _where(root: str, path: str) -> str:
    return ours(root, "surveys", os.path.basename(path))


def make(root: str, paths: Iterable[str], on_progress: Callable[[int, int], None], processes: int = survey.AT_ONCE) -> None:
    """Survey the files that have no survey yet, or changed since.

    Args:
        on_progress: called with bytes read and bytes in all.
        processes: how many are at work at the same time.

    Raises:
        DatasetRefused: one of them is not in order.
    """
    survey.survey_all({path: _where(root, path) for path in paths}, on_progress, processes)


def forget(root: str, path: str) -> None:
    """Have the next ``make`` read the file. Another copy of it may have its name, size and time, and not its bytes."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_where(root, path))


def load(root: str, path: str) -> Survey:
    """The survey of a file, after ``make``.

    Raises:
        DatasetRefused: somebody changed the file since.
    """
    found = survey.load(_where(root, path), path)
    if found is None:
        raise DatasetRefused(f"{path} was changed while it was validated. Run again when nothing else works on it.")
    return found
