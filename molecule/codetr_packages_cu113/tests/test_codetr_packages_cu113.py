"""Stack cu113 itself: the guide's check lines, versions, requirements, and what is a stand-in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

ROOT = Path(__file__).parents[3]
ENV = "/opt/codetr/miniconda3/envs/codetr"
PYTHON = f"{ENV}/bin/python"
LINES = {
    "import torch; print(torch.__version__.split('+')[0])": "1.11.0",
    "import torch; print(torch.version.cuda)": "11.3",
    "import mmcv; print(mmcv.__version__)": "1.6.0",
    "import torchvision; print(torchvision.__version__.split('+')[0])": "0.12.0",
}


def name_of(host: Host) -> str:
    return str(host.backend.get_hostname())


@pytest.mark.parametrize("line", LINES)
def test_the_guides_check_lines(host: Host, line: str) -> None:
    assert host.check_output(f'{PYTHON} -c "{line}"') == LINES[line]


def test_every_package_is_the_locks(host: Host) -> None:
    lock = "cu113-conda-py310" if "conda" in name_of(host) else "cu113-py310"
    wanted = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "stacks" / "locks" / f"{lock}.txt").read_text(), re.M))
    packages = json.loads(host.check_output(f"{PYTHON} -m pip list --disable-pip-version-check --format json"))
    listed = {each["name"].lower(): each["version"] for each in packages}
    installed = {name.replace("_", "-"): version for name, version in listed.items()}
    assert {name: installed.get(name) for name in wanted} == wanted
    assert ("torch" in wanted) is ("conda" not in name_of(host))


def test_every_requirement_is_met(host: Host) -> None:
    assert host.check_output(f"{PYTHON} -m pip check") == "No broken requirements found."


def test_where_torch_came_from(host: Host) -> None:
    records = host.check_output(f"ls {ENV}/conda-meta").split()
    by_conda = [name for name in records if name.startswith(("pytorch-1", "cudatoolkit-11.3", "mkl-2024.0"))]
    assert len(by_conda) == (3 if "conda" in name_of(host) else 0)
    assert not [name for name in records if name.startswith(("pytorch-cuda", "mkl-2024.1"))]


def test_fetched_wheels_take_no_room_afterwards(host: Host) -> None:
    assert host.run("ls /opt/codetr/cache/wheels/torch/*.whl").rc != 0


def test_the_receipt_says_whether_stand_ins_took_part(host: Host, lab: dict[str, Any]) -> None:
    records = lab.get("provision_artifacts", {})
    receipt = json.loads(host.file("/opt/codetr/receipts/packages.json").content_string)
    wheel = "mmcv-full-1.6.0-cu113-torch1.11-cp310"
    assert (receipt["remember"]["wheel"], receipt["stand_in"]) == (wheel, bool(records.get(wheel, {}).get("stand_in")))


def test_the_bill_of_materials_has_the_torch_that_is_there(host: Host) -> None:
    bill = json.loads(host.file("/opt/codetr/receipts/sbom.cdx.json").content_string)
    found = {each["name"]: each["version"] for each in bill["components"]}
    assert found["torch"] == ("1.11.0" if "conda" in name_of(host) else "1.11.0+cu113")


