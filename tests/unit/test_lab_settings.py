"""Names and addresses of the lab."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import settings


def test_every_fixed_address_is_on_the_network_and_its_own() -> None:
    fixed = [settings.address(name) for name in settings.ADDRESSES]
    assert len(set(fixed)) == len(fixed)
    assert all(address in settings.SUBNET for address in fixed)
    assert not {settings.GATEWAY, settings.MIRROR_ADDRESS} & set(fixed)
    assert max(settings.ADDRESSES.values()) < settings.FIRST_FREE


def test_another_name_always_gets_the_same_address_clear_of_the_fixed_ones() -> None:
    chosen = settings.address("some-scenario")
    assert chosen == settings.address("some-scenario")
    assert chosen not in {settings.address(name) for name in settings.ADDRESSES}


def test_an_address_that_is_taken_is_passed_over() -> None:
    first = settings.address("some-scenario")
    second = settings.address("some-scenario", {first})
    assert second != first
    assert second in settings.SUBNET


def test_a_full_network_is_said() -> None:
    everything = set(settings.SUBNET.hosts())
    with pytest.raises(settings.LabError, match="lab down"):
        settings.address("one-too-many", everything)


def test_the_folder_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CODETR_LAB_DIR", str(tmp_path))
    assert settings.lab_dir() == tmp_path
    monkeypatch.delenv("CODETR_LAB_DIR")
    assert settings.lab_dir() == settings.repository() / ".lab"


def test_a_relative_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODETR_LAB_DIR", "somewhere")
    with pytest.raises(settings.LabError, match="absolute"):
        settings.lab_dir()
