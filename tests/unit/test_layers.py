"""Which package may import which: arrows only point down, there is no circle, and what plans does no I/O."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.stages import STAGES

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
UTILS = PLUGINS / "module_utils"
PREFIX = "ansible_collections.codetr.provision.plugins."
# What stands above the stages; nothing below may import it.
TOP = ("planner",)
# All that a plan may import of the standard library: none of it reads files, the clock or the environment, or runs anything.
PURE = {"__future__", "abc", "collections", "dataclasses", "difflib", "hashlib", "importlib", "json", "re", "shlex", "types", "typing"}
# Of modules that also do I/O, the names that do none.
PURE_NAMES = {
    "os": {"path"},
    "os.path": {"basename", "dirname", "isabs", "join", "normpath"},
    "pathlib": {"PurePosixPath"},
    "urllib.parse": {"quote", "unquote", "urlsplit"},
}
IMPURE_CALLS = {"open", "exec", "eval", "input", "print", "__import__", "Host"}
# What a plan reaches and what may do I/O all the same, with the reason.
DOORS = {
    "module_utils.host.host": "probes read a host through it; a plan imports what stands beside a probe, and may not call Host",
    "module_utils.host.kernels": "a probe reads the running kernel in it; plans import its pure functions on kernels' names",
}


def imports(path: Path) -> Iterator[str]:
    """Names of our own modules that a file imports, without the collection's prefix."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import is not found by this test"
            if node.module and node.module.startswith(PREFIX):
                parent = node.module.removeprefix(PREFIX)
                for alias in node.names:
                    module = f"{parent}.{alias.name}"
                    yield module if (PLUGINS / (module.replace(".", "/") + ".py")).is_file() else parent


def name_of(path: Path) -> str:
    """A file's module name below ``plugins``."""
    return ".".join(path.relative_to(PLUGINS).with_suffix("").parts)


def package_of(module: str) -> str:
    """The package or module directly below ``module_utils`` that a module belongs to."""
    return module.split(".")[1]


GRAPH = {name_of(path): sorted(set(imports(path))) for path in PLUGINS.rglob("*.py") if path.stem != "__init__"}
BELOW = {name: found for name, found in GRAPH.items() if name.startswith("module_utils.")}


@pytest.mark.parametrize("name", sorted(BELOW))
def test_arrows_only_point_down(name: str) -> None:
    own, order = package_of(name), list(STAGES)
    for other in BELOW[name]:
        assert other.startswith("module_utils."), f"{name} imports {other}, which stands above it"
        target = package_of(other)
        if own == target or own in TOP:
            continue
        assert target not in TOP, f"{name} imports {other}, which stands above it"
        if target in order:
            assert own in order, f"{name} is shared by all stages and imports stage {target}"
            assert order.index(target) < order.index(own), f"stage {own} imports the later stage {target}"


def test_there_is_no_circle() -> None:
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for other in GRAPH.get(name, []):
                visit(other, (*path, name))
            done.add(name)

    for name in GRAPH:
        visit(name, ())
    assert len(done) > 100


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_has_a_package_with_its_probe_and_its_plan(stage: str) -> None:
    assert (UTILS / stage / "probe.py").is_file()
    assert (UTILS / stage / "plan.py").is_file()


def reachable(name: str) -> set[str]:
    """A module and all of ours that it imports, directly or not."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += GRAPH.get(module, [])
    return found


PLANNING = sorted({name for stage in STAGES for name in reachable(f"module_utils.{stage}.plan")} | reachable("module_utils.planner"))


def impure(source: str) -> list[str]:
    """What in a module's source does I/O, or could: imports, names of modules, and calls."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [f"line {node.lineno}: import {each.name}" for each in node.names if each.name not in PURE | set(PURE_NAMES)]
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith(PREFIX):
            module = node.module or ""
            allowed = PURE_NAMES.get(module, set())
            if module.split(".")[0] not in PURE:
                found += [f"line {node.lineno}: from {module} import {each.name}" for each in node.names if each.name not in allowed]
        elif isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            if owner in PURE_NAMES and node.attr not in PURE_NAMES[owner]:
                found.append(f"line {node.lineno}: {owner}.{node.attr}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            found.append(f"line {node.lineno}: {node.func.id}()")
    return found


@pytest.mark.parametrize("name", [name for name in PLANNING if name not in DOORS])
def test_a_plan_does_no_io(name: str) -> None:
    """A plan is a function of the state, the config and the catalog: no file, no process, no clock, no environment."""
    path = PLUGINS / (name.replace(".", "/") + ".py")
    assert impure(path.read_text()) == []


def test_every_door_is_one_that_a_plan_reaches() -> None:
    assert len(PLANNING) > 30
    assert set(DOORS) <= set(PLANNING)


@pytest.mark.parametrize(
    "line",
    [
        "from pathlib import Path",
        "import subprocess",
        "import time",
        "import os.path\nos.path.exists(p)",
        "import os\nos.environ['HOME']",
        "import os\nos.path.realpath(p)",
        "open(p)",
        "from os.path import isfile",
        "from urllib.request import urlopen",
        "from datetime import datetime",
        "Host()",
    ],
)
def test_the_rule_sees_io(line: str) -> None:
    assert impure(line) != []
