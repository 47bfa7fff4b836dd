"""Counted edits: all or nothing, forth and back, and never into a file that somebody else has changed."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.edits import EditError, edited

ROOT = Path(__file__).resolve().parents[2]
OLD = b"a = x.cuda()\nb = y.cuda()\nprint(a)\n"
NEW = b"a = x.to(d)\nb = y.to(d)\nprint(b)\n"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entry(**changes: Any) -> dict[str, Any]:
    edits = [{"find": ".cuda()", "replace": ".to(d)", "count": 2}, {"find": "print(a)", "replace": "print(b)", "count": 1}]
    return {"path": "train.py", "sha256_before": sha256(OLD), "sha256_after": sha256(NEW), "edits": edits, **changes}


def test_forth_and_back_and_twice() -> None:
    assert edited(OLD, entry()) == edited(NEW, entry()) == NEW
    assert edited(NEW, entry(), back=True) == edited(OLD, entry(), back=True) == OLD


@pytest.mark.parametrize(
    ("count", "said"), [(3, "stands in 2 places, the list of edits says 3"), (1, "stands in 2 places, the list of edits says 1")]
)
def test_fewer_and_more_places_are_errors(count: int, said: str) -> None:
    with pytest.raises(EditError, match=said):
        edited(OLD, entry(edits=[{"find": ".cuda()", "replace": ".to(d)", "count": count}]))


@pytest.mark.parametrize("back", [False, True])
def test_a_file_that_somebody_changed_is_named_and_left(back: bool) -> None:
    with pytest.raises(EditError, match=r"^train\.py was changed by somebody: .*git checkout -- train\.py"):
        edited(OLD + b"# mine\n", entry(), back=back)


def test_a_list_whose_result_is_another_is_wrong() -> None:
    with pytest.raises(EditError, match="The list of edits is wrong; nothing was written"):
        edited(OLD, entry(sha256_after="0" * 64))


def test_edits_that_build_on_each_other_are_taken_back_in_reverse() -> None:
    steps = [{"find": "one", "replace": "two", "count": 1}, {"find": "two", "replace": "three", "count": 1}]
    chain = {"path": "p", "sha256_before": sha256(b"one"), "sha256_after": sha256(b"three"), "edits": steps}
    assert edited(b"one", chain) == b"three"
    assert edited(b"three", chain, back=True) == b"one"


def run(**arguments: Any) -> dict[str, Any]:
    """Run the module as Ansible does and return its answer."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "plugins" / "modules" / "codetr_edits.py")], input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={"PYTHONPATH": str(ROOT / "playbooks" / "collections"), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return dict(json.loads(done.stdout))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("train.py", "other.py"):
        (tmp_path / name).write_bytes(OLD)
    (tmp_path / "train.py").chmod(0o755)
    return tmp_path


def test_the_module_edits_keeps_the_mode_and_is_idempotent(checkout: Path) -> None:
    wanted = {"repo": str(checkout), "apply": [entry(), entry(path="other.py")]}
    assert run(**wanted)["files"] == [str(checkout / "other.py"), str(checkout / "train.py")]
    assert (checkout / "train.py").read_bytes() == (checkout / "other.py").read_bytes() == NEW
    assert (checkout / "train.py").stat().st_mode & 0o777 == 0o755
    assert run(**wanted)["changed"] is False
    assert run(repo=str(checkout), revert=[entry()])["changed"] is True
    assert (checkout / "train.py").read_bytes() == OLD
    assert sorted(path.name for path in checkout.iterdir()) == ["other.py", "train.py"]


def test_one_file_that_does_not_fit_keeps_all_from_being_written(checkout: Path) -> None:
    (checkout / "other.py").write_bytes(OLD + b"# mine\n")
    answer = run(repo=str(checkout), apply=[entry(), entry(path="other.py")])
    assert answer["failed"] is True
    assert answer["msg"].startswith("other.py was changed by somebody")
    assert (checkout / "train.py").read_bytes() == OLD


def test_check_mode_writes_nothing_and_says_that_it_would(checkout: Path) -> None:
    assert run(repo=str(checkout), apply=[entry()], _ansible_check_mode=True)["changed"] is True
    assert (checkout / "train.py").read_bytes() == OLD


def test_a_file_that_is_not_there_is_named(checkout: Path) -> None:
    answer = run(repo=str(checkout), apply=[entry(path="gone.py")])
    assert answer["failed"] is True
    assert "gone.py" in answer["msg"]
    assert "Traceback" not in answer["msg"]
