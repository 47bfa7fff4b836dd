"""The checks of a compiled wheel and of the packages' requirements, with libraries and tools that behave as broken ones do."""

from __future__ import annotations

import runpy
import stat
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import pytest

FILES = Path(__file__).resolve().parents[2] / "roles" / "codetr_packages" / "files"
READELF = """
Dynamic section at offset 0x2df0 contains 4 entries:
 0x0000000000000001 (NEEDED)             Shared library: [libc10.so]
 0x0000000000000001 (NEEDED)             Shared library: [libc10_cuda.so]
 0x0000000000000001 (NEEDED)             Shared library: [libstdc++.so.6]

Symbol table '.dynsym' contains 4 entries:
   Num:    Value          Size Type    Bind   Vis      Ndx Name
   211: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND _Z9elsewherei
   212: 0000000000091e90  1234 FUNC    GLOBAL DEFAULT   13 _Z7nms_cpuN2at6TensorES0_fi
   213: 0000000000092e90    12 FUNC    GLOBAL DEFAULT   13 _Z21roi_align_forward_cpuN2at6TensorE
"""
CUOBJDUMP = """
ELF file    1: nms.1.sm_90.cubin
ELF file    2: nms.2.sm_120.cubin
"""
# What of torch and mmcv the call needs: two boxes are kept, on a processor.
TORCH = """
class cuda:
    @staticmethod
    def is_available(): return False
class Tensor(list):
    def to(self, device): return self
tensor = Tensor
"""
OPS = """
import sys, types, mmcv
mmcv._ext = sys.modules["mmcv._ext"] = types.ModuleType("_ext")
mmcv._ext.nms = mmcv._ext.roi_align = None
def nms(boxes, scores, threshold): return None, [0, 2]
def get_compiling_cuda_version(): return 'not available'
"""
PYBIND = """
  m.def("nms", &nms, "nms (CPU/CUDA) ",
        py::arg("boxes"));
  m.def(
      "roi_align", &roi_align);
"""
KERNELS = """
REGISTER_DEVICE_IMPL(nms_impl, CPU, nms_cpu);
REGISTER_DEVICE_IMPL(roi_align_forward_impl, CPU,
                     roi_align_forward_cpu);
"""


def tool(folder: Path, name: str, prints: str) -> Path:
    """A program that prints something."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\nprint({prints!r})\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def wheel(folder: Path, ops: str = OPS, library: str = "mmcv/_ext.cpython-312-x86_64-linux-gnu.so") -> Path:
    """A wheel with a library, and with a torch of its own for the call."""
    path = folder / "mmcv_full-1.7.2-cp312-cp312-linux_x86_64.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (("torch.py", TORCH), ("mmcv/__init__.py", ""), ("mmcv/ops.py", ops), (library, "")):
            archive.writestr(name, textwrap.dedent(text))
    return path


def check(monkeypatch: pytest.MonkeyPatch, folder: Path, *options: str, readelf: str = READELF, **made: Any) -> str:
    """Run the script; its exit sentence, empty when it is content."""
    tool(folder, "readelf", readelf)
    dump = tool(folder, "cuobjdump", CUOBJDUMP)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "argv", ["check_wheel.py", str(wheel(folder, **made)), f"--cuobjdump={dump}", *options])
    try:
        runpy.run_path(str(FILES / "check_wheel.py"), run_name="__main__")
    except SystemExit as end:
        return str(end.code)
    return ""


def test_a_good_wheel_passes_and_says_what_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(monkeypatch, tmp_path, "--compute-capabilities=9.0,12.0") == ""
    assert "code for 12.0, 9.0, and answers on cpu" in capsys.readouterr().out


def test_a_wheel_for_processors_needs_nothing_of_cuda(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert check(monkeypatch, tmp_path, readelf=READELF.replace("libc10_cuda.so", "libm.so.6")) == ""


@pytest.mark.parametrize(
    ("options", "made", "part"),
    [
        (["--compute-capabilities=9.0"], {"readelf": READELF.replace("libstdc++.so.6", "libm.so.6")}, "does not load libstdc++.so.6 dyn"),
        (["--compute-capabilities=9.0"], {"readelf": READELF.replace("libc10_cuda.so", "libm.so.6")}, "does not load libc10_cuda.so"),
        (["--compute-capabilities=8.0,9.0"], {}, "has code for 12.0, 9.0, not for 8.0"),
        ([], {"ops": "import os; os.abort()"}, "ends the process at its first call (SIGABRT)"),
        ([], {"ops": OPS.replace("[0, 2]", "[0, 1, 2]")}, "nms on cpu keeps 3 boxes, not 2"),
        ([], {"ops": "raise ImportError('undefined symbol: _ZN3c10')"}, "undefined symbol: _ZN3c10"),
        ([], {"library": "mmcv/nothing.so"}, "holds 0 compiled libraries"),
    ],
)
def test_a_wheel_that_is_not_fit_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[str], made: dict[str, Any], part: str
) -> None:
    assert part in check(monkeypatch, tmp_path, *options, **made)


def sources(folder: Path, pybind: str = PYBIND, kernels: str = KERNELS) -> str:
    """The option that names unpacked sources with these ops."""
    csrc = folder / "source" / "mmcv/ops/csrc/pytorch"
    (csrc / "cpu").mkdir(parents=True)
    (csrc / "pybind.cpp").write_text(pybind)
    (csrc / "cpu" / "nms.cpp").write_text(kernels)
    return f"--sources={folder / 'source'}"


def test_a_library_with_all_ops_of_its_sources_passes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(monkeypatch, tmp_path, sources(tmp_path)) == ""
    assert "has the 2 ops and 2 CPU functions of its sources" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ({"pybind": PYBIND + 'm.def("knn", &knn);'}, "lacks 1 of 5 functions of its sources: knn."),
        ({"kernels": KERNELS + "REGISTER_DEVICE_IMPL(x_impl, CPU, x_cpu);\n"}, "lacks 1 of 5 functions of its sources: x_cpu."),
        # Called, but defined by another library.
        ({"kernels": KERNELS + "REGISTER_DEVICE_IMPL(e_impl, CPU, elsewhere);\n"}, "of its sources: elsewhere."),
        ({"pybind": ""}, "No ops were found in"),
        ({"kernels": ""}, "No ops were found in"),
    ],
    ids=["a Python name", "a CPU function", "one that is not its own", "no names", "no functions"],
)
def test_a_library_that_lost_an_op_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, made: dict[str, str], sentence: str) -> None:
    assert sentence in check(monkeypatch, tmp_path, sources(tmp_path, **made))


def test_a_library_that_hangs_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = (FILES / "check_wheel.py").read_text()
    assert source.count("LIMIT = 300") == 1
    script = tmp_path / "hurried.py"
    script.write_text(source.replace("LIMIT = 300", "LIMIT = 1"))
    tool(tmp_path, "readelf", READELF)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "argv", ["check_wheel.py", str(wheel(tmp_path, ops="import time; time.sleep(60)"))])
    with pytest.raises(SystemExit, match="does not answer within 1 s"):
        runpy.run_path(str(script), run_name="__main__")


@pytest.mark.parametrize(
    ("says", "rc", "ours", "sentence"),
    [
        ("No broken requirements found.", 0, "torch", ""),
        ("lvis 0.5.3 requires opencv-python, which is not installed.", 1, "lvis,torch", "Requirements are not met: lvis 0.5.3 requires"),
        ("Torch_Geometric 2.8 requires numpy<2, but you have numpy 2.5.2.", 1, "torch-geometric", "Requirements are not met"),
        ("jax 0.11.2 requires numpy<2, but you have numpy 2.5.2.", 1, "numpy,torch", ""),
        ("", 2, "torch", "pip check does not run"),
    ],
)
def test_only_what_our_packages_lack_is_judged(monkeypatch: pytest.MonkeyPatch, says: str, rc: int, ours: str, sentence: str) -> None:
    class Done:
        returncode, stdout, stderr = rc, f"{says}\n" if says else "", "no module named pip"

    monkeypatch.setattr("subprocess.run", lambda *_, **__: Done)
    monkeypatch.setattr(sys, "argv", ["pip_check.py", ours])
    try:
        runpy.run_path(str(FILES / "pip_check.py"), run_name="__main__")
        ended = ""
    except SystemExit as end:
        ended = str(end.code)
    assert ended.startswith(sentence) and bool(ended) == bool(sentence)
