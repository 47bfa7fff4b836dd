"""The cache of surveys: each is made once and valid as long as the annotation file's size and time are unchanged."""

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
    """Survey the files that have no valid survey.

    Args:
        on_progress: called with bytes read and bytes in total.
        processes: how many run at the same time.

    Raises:
        DatasetRefused: one of them is not valid.
    """
    survey.survey_all({path: _where(root, path) for path in paths}, on_progress, processes)


def forget(root: str, path: str) -> None:
    """Remove a survey. Another copy of the file may have the same name, size and time, but other bytes."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_where(root, path))


def load(root: str, path: str) -> Survey:
    """Return the survey of a file, after ``make``.

    Raises:
        DatasetRefused: the file has changed since.
    """
    found = survey.load(_where(root, path), path)
    if found is None:
        raise DatasetRefused(f"{path} changed while it was validated. Run again when no other process changes it.")
    return found
