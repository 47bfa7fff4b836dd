"""The packages themselves: what imports, in which version, and that the compiled ops compute."""

from __future__ import annotations

import json
import re
from pathlib import Path

from testinfra.host import Host

ENV = "/opt/codetr/miniconda3/envs/codetr"
PYTHON = f"{ENV}/bin/python"
LOCK = Path(__file__).parents[3] / "stacks" / "locks" / "cpu-py310.txt"
# One box twice and one far away: NMS that works keeps two.
NMS = """
import torch, mmcv.ops
boxes = torch.tensor([[0., 0., 10., 10.], [0., 0., 10., 10.], [50., 50., 60., 60.]])
print(len(mmcv.ops.nms(boxes, torch.tensor([.9, .8, .7]), .5)[1]))
"""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_pip_lists_the_lock_and_mmcv_and_the_users_own(host: Host) -> None:
    listed = {
        normal(entry["name"]): entry["version"]
        for entry in json.loads(host.check_output(f"{PYTHON} -m pip list --disable-pip-version-check --format json"))
    }
    wanted = {normal(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", LOCK.read_text(), re.M)}
    assert len(wanted) > 60
    assert {name: listed.get(name) for name in wanted} == wanted
    # wheel is what conda's own pip brings; everything else was asked for
    assert set(listed) - set(wanted) <= {"mmcv-full", "colorama", "wheel"}


def test_torch_and_mmcv_are_the_guides(host: Host) -> None:
    versions = host.check_output(f"{PYTHON} -c 'import torch, mmcv; print(torch.__version__.split(\"+\")[0], mmcv.__version__)'")
    assert versions == "1.11.0 1.6.0"


def test_compiled_ops_compute(host: Host) -> None:
    assert host.check_output(f"{PYTHON} -c '{NMS}'") == "2"


def test_numpy_and_torch_understand_each_other(host: Host) -> None:
    assert host.check_output(f"{PYTHON} -W error -c 'import torch; print(torch.ones(2).numpy().sum())'") == "2.0"


def test_foreign_packages_are_gone(host: Host) -> None:
    for name in ("mmdet", "projects"):
        assert host.run(f"{PYTHON} -c 'import {name}'").stderr.rstrip().endswith(f"No module named '{name}'")


def test_nothing_was_compiled_where_the_cache_has_it(host: Host) -> None:
    assert not host.file("/opt/codetr/log/mmcv.log").exists
    assert "Successfully installed mmcv-full-1.6.0" in host.file("/opt/codetr/log/mmcv-install.log").content_string


def test_everything_belongs_to_who_logs_in(host: Host) -> None:
    assert host.check_output("find /opt/codetr ! -user lab -print") == ""


def test_the_receipt_is_whole(host: Host) -> None:
    assert host.file("/opt/codetr/receipts").listdir() == ["env.json", "miniconda.json", "packages.json", "sbom.cdx.json"]
    receipt = json.loads(host.file("/opt/codetr/receipts/packages.json").content_string)
    assert receipt["remember"]["extra"] == ["colorama>=0.4"]
    assert receipt["system_packages"] == [] or "g++" in receipt["system_packages"]


def test_the_bill_of_materials_is_what_pip_lists(host: Host) -> None:
    bill = json.loads(host.file("/opt/codetr/receipts/sbom.cdx.json").content_string)
    assert bill["bomFormat"] == "CycloneDX"
    listed = json.loads(host.check_output(f"{PYTHON} -m pip list --disable-pip-version-check --format json"))
    assert {normal(each["name"]): each["version"] for each in bill["components"]} == {
        normal(each["name"]): each["version"] for each in listed
    }


def test_the_bill_of_materials_is_valid(host: Host) -> None:
    """The role writes it without validation, which takes longer than all the rest."""
    program = (
        "import glob, sys; sys.path.insert(0, glob.glob('/opt/codetr/tools/sbom-*')[0]); "
        "from cyclonedx.schema import SchemaVersion; from cyclonedx.validation.json import JsonStrictValidator; "
        "text = open('/opt/codetr/receipts/sbom.cdx.json').read(); import json; "
        "version = SchemaVersion.from_version(json.loads(text)['specVersion']); "
        "print(JsonStrictValidator(version).validate_str(text), JsonStrictValidator(version).validate_str('{}') is None)"
    )
    assert host.check_output(f'{PYTHON} -B -c "{program}"') == "None False"


def test_every_requirement_is_met(host: Host) -> None:
    assert host.check_output(f"{PYTHON} -m pip check") == "No broken requirements found."
