"""A real host, captured by status.yml, replayed: one NVIDIA H200 with driver 580.159.04 handed in from outside, Ubuntu 24.04."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils import planner
from ansible_collections.codetr.provision.plugins.module_utils.host import capture
from ansible_collections.codetr.provision.plugins.modules.codetr_probe import look
from ansible_collections.codetr.provision.plugins.plugin_utils import status
from hostfacts import known, wanted

H200 = Path(__file__).with_name("captures") / "h200.json"


@pytest.fixture(scope="module")
def captured() -> dict[str, Any]:
    return dict(json.loads(H200.read_text()))


def planned(captured: dict[str, Any], folder: Path, **given: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    config = wanted(**given)
    catalog = known(config)
    state = look(capture.unpack(captured, str(folder)), planner.questions(config, catalog), deep=True)
    state["controller_epoch"] = captured["readings"]["epoch"]
    return state, planner.build(state, config, catalog)


def test_the_driver_stays_and_modern_is_chosen(captured: dict[str, Any], tmp_path: Path) -> None:
    state, made = planned(captured, tmp_path)
    (gpu,) = made["gpus"]
    assert (gpu["name"], gpu["device"], gpu["capability"], gpu["driver"]) == ("NVIDIA H200", "2335", "9.0", "nvidia")
    stage = made["stages"]["nvidia_driver"]
    assert (made["stack"], stage["action"]) == ("modern", "keep")
    assert stage["reason"] == "driver 580.159.04 (from outside this system) can run the modern stack and is kept"
    assert state["nvidia_driver"]["loaded"]["open"]
    assert state["nvidia_driver"]["deep"]["library_cuda"] == 13000


def test_the_toolkit_that_is_there_is_seen_and_the_one_for_compatibility_is_no_driver(captured: dict[str, Any], tmp_path: Path) -> None:
    state, _ = planned(captured, tmp_path)
    assert [entry["minor"] for entry in state["cuda_toolkit"]["toolkits"]] == ["13.0"]
    assert state["nvidia_driver"]["library"]["version"] == "580.159.04"
    assert state["nvidia_driver"]["packages"] == {}


@pytest.mark.parametrize(("config", "part"), [
    ({"codetr_stack": "cu113"}, "Stack cu113 has no code for NVIDIA H200"),
    ({"nvidia_driver_branch": "470", "nvidia_driver_replace": True}, "drivers are never downgraded"),
])  # fmt: skip
def test_what_would_harm_it_is_refused(captured: dict[str, Any], tmp_path: Path, config: dict[str, Any], part: str) -> None:
    _, made = planned(captured, tmp_path, **config)
    assert any(part in item["message"] for item in made["problems"])


def test_its_status_for_people(captured: dict[str, Any], tmp_path: Path) -> None:
    told = "\n".join(status.lines(status.summary(*planned(captured, tmp_path))))
    assert "0000:00:06.0  NVIDIA H200  10de:2335  hopper  compute capability 9.0  nvidia bound" in told
    assert "loaded 580.159.04 (open modules), library 580.159.04" in told
    assert "nvidia-smi reports CUDA 13.0; the library reports CUDA 13.0" in told


def test_nothing_in_it_tells_one_machine_from_another(captured: dict[str, Any]) -> None:
    text = json.dumps(captured)
    assert not re.search(r"GPU-(?!0{8})[0-9a-f]{8}-", text)
    assert not re.search(r"(?i)serial number", text)
    assert not re.search(r"://[^/@\s\"]+@", text)


@pytest.mark.parametrize(("text", "scrubbed"), [
    ("GPU UUID: \t GPU-cd0a906c-1e4b-965e-de24-c0f70ad5f340", "removed"),
    ("    Serial Number                          : 1753024032469", "removed"),
    ("MIG-cd0a906c-1e4b-965e-de24-c0f70ad5f340 MIG 1g", "MIG-00000000-0000"),
    ("deb https://me:secret@mirror.example/debian bookworm main", "https://removed@mirror.example"),
])  # fmt: skip
def test_what_identifies_is_replaced(text: str, scrubbed: str) -> None:
    cleaned = capture.scrub(text)
    assert scrubbed in cleaned
    assert not re.search(r"cd0a906c|1753024032469|secret", cleaned)
