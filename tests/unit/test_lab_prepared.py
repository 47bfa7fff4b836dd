"""The image of a prepared host: what its name depends on, and which hosts can become it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lab import images, podman, prepared
from lab.settings import LabError

BARE = "localhost/codetr-lab/debian12:1"


@pytest.fixture(autouse=True)
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A checkout with one file in each folder that counts, and one that does not."""
    for source in (*prepared.SOURCES, "roles/codetr_repo", "docs"):
        (tmp_path / source).mkdir(parents=True)
        (tmp_path / source / "main.yml").write_text("one")
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "vars.yml").write_text("{}")
    monkeypatch.setenv("CODETR_LAB_DIR", str(tmp_path / "lab"))
    monkeypatch.setattr(prepared, "repository", lambda: tmp_path)
    monkeypatch.setattr(images, "tag", lambda name: BARE)
    return tmp_path


@pytest.mark.parametrize("path", [*(f"{source}/main.yml" for source in prepared.SOURCES), "plugins/new.py", "lab/vars.yml"])
def test_another_content_has_another_image(checkout: Path, path: str) -> None:
    before = prepared.tag()
    (checkout / path).write_text("two")
    assert prepared.tag() != before


@pytest.mark.parametrize("path", ["roles/codetr_repo/main.yml", "docs/main.yml", "roles/miniconda/README.md", "plugins/__pycache__/x.pyc"])
def test_what_changes_no_prepared_host_is_left_out(checkout: Path, path: str) -> None:
    before = prepared.tag()
    (checkout / path).parent.mkdir(exist_ok=True)
    (checkout / path).write_text("two")
    assert prepared.tag() == before


def test_another_base_image_has_another_image(monkeypatch: pytest.MonkeyPatch) -> None:
    before = prepared.tag()
    monkeypatch.setattr(images, "tag", lambda name: "localhost/codetr-lab/debian12:2")
    assert prepared.tag() != before


@pytest.mark.parametrize("entry", [None, {"Image": "localhost/codetr-lab/debian12:0"}, {"Image": "localhost/codetr-lab/prepared:1"}])
def test_only_a_host_made_from_the_bare_image_is_kept(entry: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(podman, "exists", lambda kind, name: False)
    monkeypatch.setattr(podman, "containers", lambda: {"codetr-lab-host-one": entry} if entry else {})
    with pytest.raises(LabError, match="'one' cannot become the image"):
        prepared.keep("one")


def test_a_host_is_committed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(podman, "exists", lambda kind, name: bool(calls))
    monkeypatch.setattr(podman, "containers", lambda: {"codetr-lab-host-one": {"Image": BARE, "Labels": {}}})
    monkeypatch.setattr(podman, "call", lambda *words: calls.append(words) or "")
    assert prepared.keep("one") == prepared.keep("one") == prepared.tag()
    assert [words[0] for words in calls].count("commit") == 1
    assert calls[0][-2:] == ("codetr-lab-host-one", prepared.tag())


def test_a_missing_image_says_who_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(podman, "exists", lambda kind, name: False)
    with pytest.raises(LabError, match=r"a scenario makes it by molecule/shared/prepared\.yml"):
        images.ensure("prepared")
