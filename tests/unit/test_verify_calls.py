"""Which compiled functions a step calls, told apart from those that verify has no reference for; and what a crash of the library tells."""
from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest
import verifypackage  # noqa: F401
from verify import calls, probe, versions
from verify.options import Options
from verify.result import CheckFailed


@pytest.fixture
def library(monkeypatch):
    module = ModuleType("compiled")
    module.nms = lambda boxes, limit=0: (boxes, limit)  # type: ignore[attr-defined]
    module.carafe_forward = lambda: None  # type: ignore[attr-defined]
    module.number = 3  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "compiled", module)
    return module


def test_calls_are_noted_and_go_through(library):
    before = dict(vars(library))
    with calls.recorded("compiled") as names:
        assert library.nms(1, limit=2) == (1, 2)
    assert names == {"nms"}
    assert vars(library) == before
    library.carafe_forward()
    assert names == {"nms"}


def test_the_library_is_as_before_after_an_error_too(library):
    before = dict(vars(library))
    with pytest.raises(ZeroDivisionError), calls.recorded("compiled"):
        raise ZeroDivisionError
    assert vars(library) == before


@pytest.mark.parametrize(("names", "output"), [
    (set(), "called: none"), ({"softnms", "nms"}, "called: nms, softnms"),
    ({"nms", "carafe_forward"}, "called: carafe_forward, nms; without a reference: carafe_forward"),
])
def test_what_was_called_is_said(names, output):
    assert calls.sentence(names).endswith(output)


@pytest.mark.parametrize(
    ("strings", "output"), [(b"\0libm.so.6\0libstdc++.so.6\0", False), (b"\0libm.so.6\0", True)], ids=["shared", "its own"])
def test_a_crash_names_a_library_with_a_libstdcpp_of_its_own(tmp_path, monkeypatch, strings, output):
    (tmp_path / "_ext.so").write_bytes(b"\x7fELF" + strings)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: SimpleNamespace(origin=str(tmp_path / "_ext.so")))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=-signal.SIGSEGV, stdout="", stderr=""))
    with pytest.raises(CheckFailed, match="SIGSEGV") as failed:
        probe.ops_library()
    assert ("does not name libstdc++.so.6" in str(failed.value)) is output


@pytest.fixture
def gpus(tmp_path, monkeypatch):
    """A host whose driver has one GPU, and a torch that does not see it."""
    (tmp_path / "gpus" / "0000:01:00.0").mkdir(parents=True)
    monkeypatch.setattr(versions, "DRIVERS_GPUS", tmp_path / "gpus")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def init():
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040).")

    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=SimpleNamespace(init=init)))
    return tmp_path


def _unseen(folder, gpu=None, **expect):
    asked = Options(repo=folder, config=folder, data=folder, out=folder, stack="modern", host="h", expect=expect)
    return versions._unseen(asked, {"gpu": gpu})


def test_a_gpu_that_torch_does_not_see_is_named_with_torchs_reason(gpus):
    (output,) = _unseen(gpus, cuda="13.0")
    assert output.startswith("torch finds no GPU, although the driver has 1: The NVIDIA driver on your system is too old")


def test_a_stack_without_cuda_a_gpu_that_is_seen_and_one_that_is_hidden_are_fine(gpus, monkeypatch):
    assert _unseen(gpus, torch="1.11.0") == []
    assert _unseen(gpus, gpu="H200", cuda="13.0") == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert _unseen(gpus, cuda="13.0") == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(versions, "DRIVERS_GPUS", gpus / "absent")
    assert _unseen(gpus, cuda="13.0") == []
