"""Jupyter notebooks: made from a Python file in the percent format, and known again by their cells."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

# The key of a notebook's metadata under which ours keeps the digest of the cells that it was written with.
MARKER = "codetr_provision"


def cells_digest(notebook: Any) -> str | None:
    """The sha256 of a notebook's cells without outputs, counts and ids: running it changes nothing. None where it is no notebook."""
    try:
        cells = [[cell["cell_type"], "".join(cell["source"])] for cell in notebook["cells"]]
    except (KeyError, TypeError):
        return None
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def render(source: str, fill: dict[str, str]) -> tuple[str, str]:
    """The notebook's text and the digest of its cells.

    Args:
        source: a Python file in the percent format (``# %%``, ``# %% [markdown]``).
        fill: texts to replace in it first.
    """
    for name, value in fill.items():
        source = source.replace(name, value)
    cells = [
        _cell(kind == " [markdown]", body.strip("\n"))
        for kind, body in re.findall(r"^# %%( \[markdown\])?\n(.*?)(?=^# %%|\Z)", source, re.M | re.S)
    ]
    book: dict[str, Any] = {
        "cells": [{**cell, "id": f"codetr-{number}"} for number, cell in enumerate(cells)],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    digest = cells_digest(book) or ""
    book["metadata"] = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        MARKER: {"cells": digest},
    }
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n", digest


def _cell(markdown: bool, body: str) -> dict[str, Any]:
    if markdown:
        body = re.sub(r"^# ?", "", body, flags=re.M)
        return {"cell_type": "markdown", "metadata": {}, "source": body.splitlines(keepends=True)}
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": body.splitlines(keepends=True)}
