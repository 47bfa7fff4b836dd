"""Fixtures that several files of tests use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from datasets_lab import Lab
from fetch_lab import BODY, quicken
from webserver import Faulty, serving


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    """A web server with ``BODY`` at ``/good``, reached without proxies, and a client that waits for moments only."""
    quicken(monkeypatch)
    with serving() as server:
        server.files["/good"] = BODY
        yield server


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Archives of both datasets and an empty data root."""
    return Lab(tmp_path)
