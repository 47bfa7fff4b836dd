"""Which package may import which: arrows only point down, and there is no circle."""

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
