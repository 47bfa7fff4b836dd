"""Module codetr_snapshot from the first run to removal, with a host of records and an apt that answers as it would."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.apt import dpkg
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.apt import removal as apt
from ansible_collections.codetr.provision.plugins.module_utils.snapshot import statefile
from ansible_collections.codetr.provision.plugins.module_utils.snapshot.records import Snapshot, StateError
from ansible_collections.codetr.provision.plugins.modules import codetr_receipt, codetr_snapshot

ROLES = Path(__file__).resolve().parents[2] / "roles"
NO_VERBS = ["The", "There", "It", "They", "That", "This", "Nobody", "Neither", "Nor", "What", "Whoever", "Each", "Our", "Look"]
HOLD = "/etc/apt/apt.conf.d/52codetr-provision-nvidia"


class Bench:
    """One stage on one host."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.check_mode = folder, False
        self.host = Snapshot(packages=frozenset({"bash"}))
        self.commands: list[list[str]] = []
        self.needed: dict[str, str] = {}
        monkeypatch.setattr(codetr_snapshot, "take", self.take)
        monkeypatch.setattr(dpkg, "interrupted", lambda host: False)
        monkeypatch.setattr(dpkg, "paragraphs", lambda host: {})
        monkeypatch.setattr(dpkg, "installed", lambda host, pattern: dict.fromkeys(self.host.packages))

    def take(self, watch: Any = (), links: Any = ()) -> Snapshot:
        return replace(self.host, files=self.host.files & frozenset(watch))

    def run_command(self, argv: list[str], **_unused: Any) -> tuple[int, str, str]:
        self.commands.append(argv)
        verb = next((word for word in argv if word in ("install", "purge")), "")
        names = argv[argv.index(verb) + 1 :] if verb else []
        lines = {"install": [f"Inst {name} (1)" for name in [*names, "libaria2-0"]], "purge": [f"Purg {name} [1]" for name in names]}
        extra = [f"Remv {self.needed[name]} [1]" for name in names if name in self.needed and verb == "purge"]
        return 0, "\n".join([*lines.get(verb, []), *extra]), ""

    def call(self, state: str, stage: str = "nvidia_driver", **given: Any) -> dict[str, Any]:
        lists, dicts = {key: [] for key in codetr_snapshot.LISTS}, {key: {} for key in codetr_snapshot.DICTS}
        self.params = {**lists, **dicts, "state": state, "stage": stage, "folder": str(self.folder), "user": None, **given}
        return dict(getattr(codetr_snapshot.Stage(self), state)())  # type: ignore[arg-type]

    def receipt(self, stage: str = "nvidia_driver", **given: Any) -> None:
        codetr_receipt.update({"folder": str(self.folder), "stage": stage, "state": None, "receipt": None, **given})

    def install(self, *names: str, manual: bool = False) -> None:
        self.host = replace(
            self.host,
            packages=self.host.packages | frozenset(names),
            auto=self.host.auto - frozenset(names) if manual else self.host.auto | frozenset(names),
        )


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path / "receipts", monkeypatch)


def test_from_the_first_run_to_removal(bench: Bench):
    assert bench.call("taken", requested=["aria2"], files=[HOLD])["changed"]
    bench.receipt(state="begun")
    assert statefile.read_state(str(bench.folder), "nvidia_driver").note.packages == {"aria2", "libaria2-0"}
    bench.install("libaria2-0")
    bench.install("aria2", manual=True)
    assert bench.call("noted", packages=["gcc", "dkms"], requested=["dkms"])["changed"]
    assert not bench.call("noted", packages=["gcc", "dkms"], requested=["dkms"])["changed"]
    bench.install("gcc")
    bench.install("dkms", manual=True)
    bench.host = replace(bench.host, files=frozenset({HOLD}))
    remember = bench.call("finished", earlier={"toolkits": {}})["remember"]
    assert remember["packages"] == ["aria2", "dkms", "gcc", "libaria2-0"]
    assert (remember["files"], remember["toolkits"]) == ([HOLD], {})
    bench.receipt(receipt={"remember": remember})
    assert [path.name for path in bench.folder.iterdir()] == ["nvidia_driver.json"]
    listed = bench.call("listed", allowed=[HOLD])
    assert (listed["found"], listed["restore"]["packages"], listed["restore"]["files"]) == (True, remember["packages"], [HOLD])
    bench.check_mode = True
    assert bench.call("restored")["changed"]
    assert not [argv for argv in bench.commands if "purge" in argv and "-s" not in argv]
    bench.check_mode = False
    # HOLD is not on this machine; a path that is not allowed would not even be looked for.
    done = bench.call("restored")
    assert (done["changed"], done["restore"]["packages"]) == (True, remember["packages"])
    assert bench.commands[-1] == ["apt-get", *apt.OPTIONS, "purge", *remember["packages"]]
    bench.receipt(state="removed")
    assert list(bench.folder.iterdir()) == []
    assert not bench.call("listed")["found"]


def test_the_first_snapshot_stays_until_the_stage_has_ended(bench: Bench):
    bench.call("taken", links={"/usr/local/cuda": "cuda-12.4"})
    # Cut before the marker was written, it counts for nothing.
    bench.install("tree", manual=True)
    bench.call("taken", links={"/usr/local/cuda": "cuda-12.4"})
    bench.receipt(state="begun")
    bench.call("noted", packages=["gcc"])
    bench.install("gcc")
    bench.install("podman", manual=True)
    bench.call("taken", links={"/usr/local/cuda": "cuda-13.0"})
    state = statefile.read_state(str(bench.folder), "nvidia_driver")
    assert (state.before.packages, state.before.links) == ({"bash", "tree"}, {"/usr/local/cuda": "cuda-13.0"})
    assert state.start == {"bash", "tree", "gcc", "podman"}
    # What others installed meanwhile is not noted, and stays.
    assert bench.call("listed")["restore"]["packages"] == ["gcc"]


@pytest.mark.parametrize("state", ["noted", "finished"])
def test_a_state_file_that_is_gone_while_the_stage_is_at_work_is_told(state: str, bench: Bench):
    bench.folder.mkdir()
    with pytest.raises(StateError, match=r"nvidia_driver\.before is not there, though stage nvidia_driver is at work"):
        bench.call(state)


@pytest.mark.parametrize("state", ["taken", "listed", "restored"])
def test_a_torn_state_file_is_told_and_nothing_is_done(state: str, bench: Bench):
    bench.folder.mkdir()
    bench.receipt(state="begun")
    (bench.folder / "nvidia_driver.before").write_text('{"schema": 1, "bef')
    with pytest.raises(StateError, match=r"nvidia_driver\.before cannot be read"):
        bench.call(state)
    assert (bench.folder / "nvidia_driver.before").read_text() == '{"schema": 1, "bef'
    assert not [argv for argv in bench.commands if "-s" not in argv]


def test_the_torn_receipt_of_another_stage_is_told_too(bench: Bench):
    bench.folder.mkdir()
    (bench.folder / "cuda_toolkit.json").write_text("{")
    with pytest.raises(StateError, match=r"cuda_toolkit\.json cannot be read"):
        bench.call("restored")


def test_two_stages_share_a_source_and_a_package(bench: Bench):
    bench.folder.mkdir()
    bench.install("gcc", "cuda-nvcc")
    bench.install("dkms", manual=True)
    source = "/etc/apt/sources.list.d/codetr-nvidia-cuda.sources"
    bench.host = replace(bench.host, files=frozenset({source}))
    bench.receipt("cuda_toolkit", receipt={"remember": {"packages": ["cuda-nvcc", "gcc"], "files": [source]}})
    bench.receipt(receipt={"remember": {"packages": ["dkms"], "requested": ["dkms"], "files": [source]}})
    bench.needed = {"gcc": "dkms"}
    done = bench.call("restored", "cuda_toolkit", allowed=[source])["restore"]
    assert (done["packages"], done["kept"], done["files"], done["shared"]) == (["cuda-nvcc"], {"gcc": "needed by dkms"}, [], [source])
    bench.receipt("cuda_toolkit", state="removed")
    bench.needed = {}
    done = bench.call("listed", allowed=[source])["restore"]
    assert (done["packages"], done["files"], done["shared"]) == (["dkms", "gcc"], [source], [])


@pytest.mark.parametrize(("stage", "own"), [("nvidia_driver", True), ("cuda_toolkit", False)])
def test_a_stage_may_remove_what_it_wrote_for_the_package_manager_and_no_more(bench: Bench, stage: str, own: bool):
    """Whatever a receipt lists: it may have been changed by somebody who cannot write to /etc."""
    shared = "/etc/apt/sources.list.d/codetr-nvidia-cuda.sources"
    drivers = [HOLD, "/etc/apt/preferences.d/codetr-nvidia-cuda-nvidia-driver"]
    others = ["/etc/apt/sources.list.d/codetr-nvidia-cuda.sources.d", "/etc/passwd"]
    bench.folder.mkdir()
    bench.host = replace(bench.host, files=frozenset({shared, *drivers, *others}))
    bench.receipt(stage, receipt={"remember": {"packages": [], "files": [shared, *drivers, *others]}})
    assert bench.call("listed", stage)["restore"]["files"] == sorted([shared, *(drivers if own else [])])


def test_check_mode_writes_nothing(bench: Bench):
    bench.check_mode = True
    assert bench.call("taken", requested=["aria2"])["changed"]
    assert not bench.folder.exists()


@pytest.mark.parametrize("role", ["nvidia_driver", "cuda_toolkit"])
def test_roles_decide_nothing_by_the_algebra_of_lists(role: str):
    for path in [*(ROLES / role / "tasks").iterdir(), *(ROLES / role / "vars").iterdir()]:
        text = path.read_text()
        assert re.findall(r"\b(?:union|difference|symmetric_difference|intersect|combine|zip)\(", text) == [], path
        assert text.count("\n") <= 150, path


@pytest.mark.parametrize("role", ["nvidia_driver", "cuda_toolkit"])
def test_names_of_tasks_stand_alone(role: str):
    found: list[str] = []

    def collect(tasks: list[dict[str, Any]]) -> None:
        for task in tasks:
            found.append(task["name"])
            for part in ("block", "rescue", "always"):
                collect(task.get(part, []))

    for path in (ROLES / role / "tasks").iterdir():
        collect(yaml.safe_load(path.read_text()))
    assert len(found) > 30
    # A verb comes first, and it says of what.
    for name in found:
        first = name.split()[0]
        assert re.fullmatch(r"[A-Z][a-z]+", first) and first not in NO_VERBS, name
        assert len(name.split()) >= 3, name
