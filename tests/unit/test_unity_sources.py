"""The unity build of mmcv-full's ops: how its sources are dealt, and that what breaks unity builds elsewhere is kept apart.

The cases are what others report of unity builds: macros and using-directives that leak, helpers of one name in two files, paths of one
machine in generated sources, a source that gets lost.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "roles" / "codetr_packages" / "files" / "unity_sources.py"
spec = importlib.util.spec_from_file_location("unity_sources", SCRIPT)
assert spec and spec.loader
unity = importlib.util.module_from_spec(spec)
spec.loader.exec_module(unity)

# As in mmcv-full 1.6.0 and 1.7.2: three extensions, of which one has the ops.
SETUP = """import glob
import os

ext_ops = Extension(
            name=ext_name,
            sources=op_files,
            cuda=True)
if True:
        op_files = glob.glob('./mmcv/ops/csrc/pytorch/*.cpp') + \\
            glob.glob('./mmcv/ops/csrc/pytorch/cpu/*.cpp') + \\
            glob.glob('./mmcv/ops/csrc/pytorch/cuda/*.cu')
        ext_ops = extension(
            name=ext_name,
            sources=op_files,
            include_dirs=include_dirs)
"""
HEADER = "#pragma once\n#include <algorithm>\n#include <cmath>\n"


def sdist(root: Path, sources: dict[str, str], setup: str = SETUP) -> Path:
    """An unpacked source archive with these C++ sources, by their path below csrc/pytorch."""
    for folder in unity.FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, text in sources.items():
        path = root / unity.FOLDERS[0] / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (root / "setup.py").write_text(setup)
    (root / "helper.hpp").write_text(HEADER)
    return root


def many(count: int) -> dict[str, str]:
    """Sources that have nothing in common."""
    names = [f"{'' if number % 3 else 'cpu/'}op_{number}.cpp" for number in range(count)]
    return {name: f"int op_{number}(int x) {{ return x + {number}; }}\n" for number, name in enumerate(names)}


def included(root: Path) -> list[list[str]]:
    """What each generated source includes, by path below csrc/pytorch."""
    lines = [path.read_text().splitlines() for path in sorted((root / "unity").glob("*.cpp"))]
    return [[line.removeprefix('#include "../mmcv/ops/csrc/pytorch/').removesuffix('"') for line in each] for each in lines]


@pytest.mark.parametrize(("jobs", "groups"), [(1, 1), (2, 2), (3, 3), (4, 4), (16, 16), (64, 20), (0, 1)])
def test_there_is_a_group_for_each_job_and_each_source_is_in_one(tmp_path: Path, jobs: int, groups: int) -> None:
    sources = many(20)
    unity.prepare(sdist(tmp_path, sources), jobs)
    made = included(tmp_path)
    assert len(made) == groups
    assert sorted(name for group in made for name in group) == sorted(sources)


def test_the_sources_stay_as_they_are_and_includes_are_relative(tmp_path: Path) -> None:
    sources = many(5)
    unity.prepare(sdist(tmp_path, sources), 2)
    assert {name: (tmp_path / unity.FOLDERS[0] / name).read_text() for name in sources} == sources
    # ccache finds nothing again where the unpacked folder's path is part of a source.
    for path in (tmp_path / "unity").iterdir():
        assert all(line.startswith('#include "../mmcv/') for line in path.read_text().splitlines())
        assert str(tmp_path) not in path.read_text()


def test_the_same_sources_make_the_same_groups(tmp_path: Path) -> None:
    made = []
    for name, order in (("a", 1), ("b", -1)):
        (tmp_path / name).mkdir()
        unity.prepare(sdist(tmp_path / name, dict(list(many(30).items())[::order])), 4)
        made.append(included(tmp_path / name))
    assert made[0] == made[1]


def test_setup_py_compiles_the_generated_sources_and_what_they_do_not_include(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sdist(tmp_path, {**many(6), "cuda/nms.cu": "", "cuda/bind.cpp": ""})
    unity.prepare(tmp_path, 2)
    text = (tmp_path / "setup.py").read_text()
    # CUDA's own, and the extension for Parrots, are left alone.
    assert text.count("sources=op_files") == 1
    monkeypatch.chdir(tmp_path)
    compiled: list[list[str]] = []

    def extension(**given: object) -> None:
        compiled.append(list(given["sources"]))  # type: ignore[call-overload]

    exec(text, {"Extension": lambda **_: None, "extension": extension, "ext_name": "x", "op_files": [], "include_dirs": []})
    assert compiled == [["./unity/unity_1.cpp", "./unity/unity_2.cpp", "./mmcv/ops/csrc/pytorch/cuda/nms.cu"]]


@pytest.mark.parametrize(
    ("text", "leaks"),
    [
        ("#ifndef min\n#define min(a, b) (((a) < (b)) ? (a) : (b))\n#endif\n", True),
        ("  #  define LOG_TAG 3\n", True),
        ("#define DECLARE(T) f<T>();\nDECLARE(int)\n#undef DECLARE\n", False),
        ("#undef X\n#define X 1\n", True),
        ("using namespace std;\n", True),
        ("void f() {\n  using namespace std;\n}\n", False),
        ("// #define min\n/*\n#define max\nusing namespace std;\n*/\n", False),
        ("int f() { return 0; }\n", False),
    ],
)
def test_what_leaks_into_sources_that_follow(text: str, leaks: bool) -> None:
    assert unity.parse("x.cpp", text).leaks is leaks


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("template <typename T>\nstruct PreCalc {\n  int pos1;\n};\n", {"PreCalc"}),
        ("class Point2d {\n public:\n  int x;\n};\n", {"Point2d"}),
        ("static inline float clamp(float x,\n                          float y) {\n  if (x) {\n  }\n  return x;\n}\n", {"clamp"}),
        ("template <class T>\nvoid add(T* address, const T& val) {\n  *address += val;\n}\n", {"add"}),
        ("Tensor nms(Tensor boxes, float threshold);\n", set()),
        ("REGISTER_DEVICE_IMPL(nms_impl, CPU, nms_cpu);\n", set()),
        ("constexpr double E = 2.7;\nstatic const int table[2] = {1, 2};\n", {"E", "table"}),
        ("using Pair = std::pair<int, int>;\n", {"Pair"}),
        ("// the right to use, modify, and link (with)\n/* void g() { */\n", set()),
        ("namespace {\nint helper() { return 1; }\n}  // namespace\n", {"helper"}),
    ],
)
def test_names_that_a_source_defines(text: str, names: set[str]) -> None:
    assert unity.parse("x.cpp", text).defines == names


def test_sources_that_define_the_same_name_do_not_meet(tmp_path: Path) -> None:
    same = {name: f"static int helper() {{ return {len(name)}; }}\n" for name in ("a.cpp", "bb.cpp", "cpu/ccc.cpp")}
    unity.prepare(sdist(tmp_path, {**many(9), **same}), 2)
    made = included(tmp_path)
    # Three cannot share two groups, and three groups would keep one of two compilers idle.
    assert len(made) == 4
    assert all(len(set(group) & set(same)) <= 1 for group in made)


def test_sources_that_leak_come_last_one_in_each_group(tmp_path: Path) -> None:
    leaky = {"a.cpp": "#define min(a, b) a\n", "cpu/a.cpp": "using namespace std;\n", "b.cpp": "#define max(a, b) a\n"}
    unity.prepare(sdist(tmp_path, {**many(20), **leaky}), 2)
    made = included(tmp_path)
    assert len(made) == 4
    assert {group[-1] for group in made if set(group) & set(leaky)} == set(leaky)
    assert all(not set(group[:-1]) & set(leaky) for group in made)


@pytest.mark.parametrize(
    ("setup", "sources", "sentence"),
    [
        (SETUP.replace("sources=op_files,\n            include", "sources=files,\n            include"), many(3), "was found 0 times"),
        (SETUP + SETUP, many(3), "was found 2 times"),
        (SETUP, {}, "There are no C++ sources"),
    ],
    ids=["another setup.py", "twice", "no sources"],
)
def test_unknown_sources_are_refused_and_left_as_they_are(tmp_path: Path, setup: str, sources: dict[str, str], sentence: str) -> None:
    sdist(tmp_path, sources, setup)
    done = subprocess.run([sys.executable, str(SCRIPT), str(tmp_path), "--jobs=2"], capture_output=True, text=True)
    assert done.returncode == 1 and sentence in done.stderr and "Traceback" not in done.stderr
    assert (tmp_path / "setup.py").read_text() == setup
    assert not (tmp_path / "unity").exists()


def test_the_command_says_what_it_made(tmp_path: Path) -> None:
    sdist(tmp_path, many(7))
    done = subprocess.run([sys.executable, str(SCRIPT), str(tmp_path), "--jobs=2"], capture_output=True, text=True, check=True)
    assert done.stdout == "2 generated sources include 7 C++ sources.\n"


@pytest.mark.skipif(not shutil.which("g++"), reason="no g++")
def test_what_collides_in_one_source_compiles_as_it_is_dealt(tmp_path: Path) -> None:
    helper = '#include "../../../../helper.hpp"\n'
    sources = {
        # Both define ``struct Weights``; the last two leak a macro and a namespace.
        "align.cpp": helper + "struct Weights {\n  int a;\n};\nint align() { return Weights{1}.a; }\n",
        "rotated.cpp": helper + "struct Weights {\n  int a, b;\n};\nint rotated() { return Weights{1, 2}.b; }\n",
        "mask.cpp": helper + "#define min(a, b) (((a) < (b)) ? (a) : (b))\nint mask() { return min(1, 2); }\n",
        "expand.cpp": helper + "using namespace std;\nint expand() { return max(1, 2); }\n",
        "nms.cpp": helper + "int nms() { return std::min(3, 4); }\n",
        "zero.cpp": helper + "int distance(double, double) { return 7; }\nint zero() { return distance(1., 2.); }\n",
    }
    unity.prepare(sdist(tmp_path, sources), 2)
    generated = sorted((tmp_path / "unity").glob("*.cpp"))
    assert len(generated) == 2
    together = tmp_path / "unity" / "together.cpp"
    together.write_text("".join(path.read_text() for path in generated))
    for path, rc in [*((path, 0) for path in generated), (together, 1)]:
        done = subprocess.run(["g++", "-fsyntax-only", str(path)], capture_output=True, text=True)
        assert done.returncode == rc, done.stderr
    assert re.search(r"redefinition of .struct Weights", done.stderr)
