"""How checks become lines and a JSON result, and how known failures are recognised."""
from __future__ import annotations

import json

import pytest
import verifypackage  # noqa: F401
from verify.diagnosis import KNOWN, diagnose
from verify.result import CheckFailed, CheckSkipped, Recorder, Result


class Bench:
    """A recorder with its result and its lines."""

    def __init__(self, skip=frozenset()):
        self.lines: list[str] = []
        self.result = Result("host", "cpu", "train")
        self.recorder = Recorder(self.result, skip, self.lines.append)

    def run(self, name, check, needs=()):
        return self.recorder.run(name, check, needs)


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
    bench.result.finished = True
    assert bench.result.passed


def test_an_unexpected_exception_fails_one_check_and_the_next_still_runs():
    bench = Bench()
    assert not bench.run("model", _raise(RuntimeError("first\nlast")))
    assert bench.run("lvis", lambda: "fine")
    bench.result.finished = True
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
    bench.result.finished = True
    assert bench.result.passed
    assert "(no CPU kernel)" in bench.lines[0]
    assert "--skip" in bench.lines[1]


def test_a_known_failure_gets_cause_and_fix_from_its_output():
    bench = Bench()
    bench.run("step", _raise(CheckFailed("it failed", "RuntimeError: Found no NVIDIA driver on your system")))
    check = bench.result.checks[0]
    assert "GPU" in check.cause
    assert "stack cpu" in check.fix
    assert f"cause: {check.cause}" in bench.lines[0]


def test_json_is_strict_and_carries_stand_ins(tmp_path):
    result = Result("host", "cpu", "train", ["Co-DETR"], losses=[{"iter": 1, "loss": float("nan")}])
    result.write(tmp_path / "verify.json")
    read = json.loads((tmp_path / "verify.json").read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert read["losses"] == [{"iter": 1, "loss": "nan"}]
    assert read["stand_in"] is True
    assert read["stand_ins"] == ["Co-DETR"]
    assert read["passed"] is False
    assert list(tmp_path.iterdir()) == [tmp_path / "verify.json"]


@pytest.mark.parametrize(("output", "word"), [
    ("ImportError: libGL.so.1: cannot open shared object file: No such file or directory", "libgl1"),
    ("ModuleNotFoundError: No module named 'mmcv._ext'", "mmcv-full"),
    ("ModuleNotFoundError: No module named 'mmcv.parallel'", "mmcv-full"),
    ("mmcv/_ext.cpython-310-x86_64-linux-gnu.so: undefined symbol: _ZN3c105ErrorC2E", "torch"),
    ("ImportError: libc10_cuda.so: cannot open shared object file", "mmcv"),
    ("KeyError: 'CoDETR is not in the models registry'", "mmdet and projects"),
    ("AssertionError: MMCV==2.1.0 is used but incompatible. Please install mmcv>=1.3.17, <=1.7.0.", "mmcv-full"),
    ("TypeError: FormatCode() got an unexpected keyword argument 'verify'", "yapf"),
    ("RuntimeError: Numpy is not available", "numpy"),
    ("AttributeError: module 'numpy' has no attribute 'int'", "numpy"),
    ("ImportError: cannot import name 'packaging' from 'pkg_resources'", "setuptools"),
    ("torch: undefined symbol: iJIT_NotifyEvent", "mkl"),
    ("RuntimeError: DataLoader worker is killed by signal: Bus error.", "/dev/shm"),
    ("OSError: models/swin_tiny_patch4_window7_224.pth is not a checkpoint file", "path"),
    ("urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>", "torch home"),
    ("RuntimeError: CUDA error: no kernel image is available for execution on the device", "stack"),
    ("ZeroDivisionError: integer division or modulo by zero", "launcher"),
    ("tools/train.py: killed by signal 9; its last lines:", "memory"),
    ("ModuleNotFoundError: No module named 'fairscale'", "lock file"),
])
def test_failures_that_others_met_are_recognised(output, word):
    known = diagnose(f"Traceback (most recent call last):\n{output}")
    assert known is not None
    assert word in known.fix


def test_what_is_not_known_gets_no_guess():
    assert diagnose("AssertionError: something new") is None


def test_every_fix_tells_what_to_do():
    assert all(known.fix.endswith(".") and known.cause.endswith(".") for known in KNOWN)
