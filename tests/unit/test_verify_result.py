"""How checks become lines and a JSON result, and how known failures are recognised."""
from __future__ import annotations

import json

import pytest
import verifypackage  # noqa: F401
from verify.result import Check, CheckFailed, CheckSkipped, Recorder, Result


class Bench:
    """A recorder with its result and its lines."""

    def __init__(self, skip=frozenset()):
        self.lines: list[str] = []
        self.result = Result("host", "cpu", "versions")
        self.recorder = Recorder(self.result, skip, self.lines.append)

    def run(self, name, check, needs=()):
        return self.recorder.run(name, check, needs)

    def end(self):
        """The run has come to its end."""
        self.result.ended.append("versions")
        self.result.finished = True


def _raise(error):
    def check():
        raise error
    return check


def test_a_check_that_returns_is_ok_and_its_detail_is_shown():
    bench = Bench()
    assert bench.run("versions", lambda: "torch 1.11.0")
    assert bench.lines[0].startswith("ok       versions")
    assert "torch 1.11.0" in bench.lines[0]


def test_nothing_passes_before_the_end():
    bench = Bench()
    bench.run("versions", lambda: "fine")
    assert not bench.result.passed
    bench.end()
    assert bench.result.passed


def test_an_unexpected_exception_fails_one_check_and_the_next_still_runs():
    bench = Bench()
    assert not bench.run("model", _raise(RuntimeError("first\nlast")))
    assert bench.run("lvis", lambda: "fine")
    bench.end()
    assert not bench.result.passed
    assert [check.status for check in bench.result.checks] == ["FAIL", "ok"]
    assert "RuntimeError" in bench.result.checks[0].detail


def test_sys_exit_inside_a_check_is_a_failure_too():
    bench = Bench()
    bench.run("model", _raise(SystemExit(3)))
    assert bench.result.checks[0].status == "FAIL"


def test_a_check_is_skipped_when_what_it_needs_is_not_ok_and_so_are_those_behind_it():
    bench = Bench()
    bench.run("config", _raise(CheckFailed("no")))
    bench.run("model", lambda: "fine", needs=("config",))
    bench.run("step", lambda: "fine", needs=("model",))
    assert [check.status for check in bench.result.checks] == ["FAIL", "skipped", "skipped"]
    assert "needs the check model" in bench.result.checks[2].detail


def test_a_skipped_check_says_why_and_does_not_fail_the_run():
    bench = Bench(skip=frozenset({"lvis"}))
    bench.run("op", _raise(CheckSkipped("no CPU kernel")))
    bench.run("lvis", _raise(CheckFailed("not reached")))
    bench.run("step", lambda: "fine")
    bench.end()
    assert bench.result.passed
    assert "(no CPU kernel)" in bench.lines[0]
    assert "--skip" in bench.lines[1]


def test_a_known_failure_gets_cause_and_fix_from_its_output():
    bench = Bench()
    bench.run("step", _raise(CheckFailed("it failed", "RuntimeError: Found no NVIDIA driver on your system")))
    check = bench.result.checks[0]
    assert "GPU" in check.message
    assert "codetr_stack=cpu" in check.fix
    assert check.message in bench.lines[0]


def test_json_is_strict_and_carries_stand_ins(tmp_path):
    result = Result("host", "cpu", "train", ["Co-DETR"], losses=[{"iter": 1, "loss": float("nan")}])
    result.write(tmp_path / "verify.json")
    read = json.loads((tmp_path / "verify.json").read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert read["losses"] == [{"iter": 1, "loss": "nan"}]
    assert read["stand_in"] is True
    assert read["stand_ins"] == ["Co-DETR"]
    assert read["passed"] is False
    assert list(tmp_path.iterdir()) == [tmp_path / "verify.json"]


def _levels(asked, *record, ended=("versions", "ops", "train", "speed"), finished=True):
    """A result of checks told as (level, status) or (level, status, what it waited for)."""
    result = Result("host", "cpu", asked, ended=list(ended), finished=finished, seconds=123.4)
    for number, (level, status, *needs) in enumerate(record):
        result.checks.append(Check(f"{level} {number}", status, "", 0.0, level, *needs))
    return result


OK = ("versions", "ok"), ("ops", "ok"), ("ops", "skipped"), ("train", "ok")


def test_the_highest_level_is_named_when_it_and_all_below_passed():
    result = _levels("train", *OK)
    assert result.levels == {"versions": "passed", "ops": "passed", "train": "passed", "speed": "not requested"}
    assert (result.level_passed, result.passed) == ("train", True)
    assert result.sentence() == "passed, level train, in 123 s"


def test_a_level_above_a_failed_one_does_not_count():
    result = _levels("train", ("versions", "FAIL"), ("ops", "ok"), ("train", "ok"))
    assert result.levels == {"versions": "failed", "ops": "passed", "train": "passed", "speed": "not requested"}
    assert (result.level_passed, result.passed) == (None, False)
    assert result.sentence() == "FAILED: versions 0; no level passed, in 123 s"


def test_a_check_that_waited_for_another_keeps_its_level_from_passing():
    result = _levels("train", *OK, ("train", "skipped", "step"))
    assert result.levels["train"] == "not reached"
    assert (result.level_passed, result.passed) == ("ops", False)
    assert result.sentence() == "NOT PASSED: level train was not reached; level ops passed, in 123 s"


@pytest.mark.parametrize("change", [
    {"ended": ("versions", "ops")}, {"finished": False},
], ids=["cut short", "not at its end"])
def test_a_run_that_was_cut_short_passes_nothing_that_it_did_not_end(change):
    assert not _levels("train", *OK, **change).passed


def test_a_level_whose_checks_were_all_skipped_proves_nothing():
    result = _levels("ops", ("versions", "ok"), ("ops", "skipped"))
    assert result.levels["ops"] == "not reached"
    assert not result.passed


def test_what_is_skipped_on_request_holds_back_what_needs_it():
    bench = Bench(skip=frozenset({"train"}))
    bench.run("versions", lambda: "fine")
    bench.run("train", lambda: "fine")
    bench.run("evaluation", lambda: "fine", needs=("train",))
    bench.end()
    assert [check.needs for check in bench.result.checks] == [None, None, "train"]
    assert not bench.result.passed


def test_the_file_says_which_level_passed(tmp_path):
    _levels("speed", *OK, ("speed", "FAIL")).write(tmp_path / "verify.json")
    read = json.loads((tmp_path / "verify.json").read_text())
    assert read["level_passed"] == "train"
    assert read["levels"]["speed"] == "failed"
    assert read["checks"][0]["level"] == "versions"
