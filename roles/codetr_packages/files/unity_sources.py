"""Prepare the unpacked sources of mmcv-full for a unity build: a few generated sources include all of its C++ sources.

``python unity_sources.py FOLDER --jobs=2`` writes ``FOLDER/unity/*.cpp`` and edits ``FOLDER/setup.py`` to compile these in place of the
sources that they include, which stay where they are, unchanged. CUDA sources (``.cu``) are left alone. It ends with status 1 and one
sentence when the sources are not laid out as it expects; unpack them again then, and compile them as they are.

Nearly all of the time goes into parsing torch's headers, once for each source that the compiler is given.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import NamedTuple

# Every build of the library compiles the sources of these folders, with or without CUDA.
FOLDERS = ("mmcv/ops/csrc/pytorch", "mmcv/ops/csrc/pytorch/cpu")
GENERATED = "unity"
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
MACRO = re.compile(r"^[ \t]*#[ \t]*(define|undef)[ \t]+(\w+)", re.M)
# Indented, it stands in a function and ends with it.
USING_NAMESPACE = re.compile(r"^using\s+namespace\s+[\w:]+", re.M)
# At the start of a line: the style of these sources indents nothing for a namespace.
DEFINITIONS = (
    re.compile(r"^[A-Za-z_][\w:<>,&*\s]*?[\s&*](\w+)\s*\([^;{}]*\)\s*(?:const\s*)?\{", re.M),
    re.compile(r"^(?:template\s*<[^;{}]*>\s*)?(?:struct|class|enum|union)\s+(\w+)[^;{}()]*\{", re.M),
    re.compile(r"^(?:static|const|constexpr|inline)\b[^;{}()=]*?(\w+)\s*(?:\[[^\]]*\]\s*)*[={;]", re.M),
    re.compile(r"^using\s+(\w+)\s*=", re.M),
)
# setup.py has other extensions, for Parrots and ONNX Runtime; this is the one that has the ops.
EXTENSION = "ext_ops = extension(\n            name=ext_name,\n            sources=op_files,\n"
UNITY_EXTENSION = f"""ext_ops = extension(
            name=ext_name,
            sources=sorted(glob.glob('./{GENERATED}/*.cpp')) + [
                each for each in op_files
                if os.path.dirname(each) not in {tuple(f"./{folder}" for folder in FOLDERS)}
            ],
"""


class Source(NamedTuple):
    """A source, as far as others in the same translation unit matter to it.

    Attributes:
        name: its path below the unpacked folder.
        size: its length, a measure of how long it compiles.
        defines: names that it defines; two sources that define the same name cannot be in one translation unit.
        leaks: whether it changes what follows it, by a macro that it does not undefine or by ``using namespace``.
    """

    name: str
    size: int
    defines: frozenset[str]
    leaks: bool


def parse(name: str, text: str) -> Source:
    """Read from a source's text what matters to its neighbours. Names are compared without their arguments: too careful, never too bold."""
    code = COMMENT.sub(" ", text)
    macros = {macro: directive for directive, macro in MACRO.findall(code)}
    defines = frozenset(found for pattern in DEFINITIONS for found in pattern.findall(code))
    return Source(name, len(code), defines, "define" in macros.values() or bool(USING_NAMESPACE.search(code)))


def deal(sources: list[Source], count: int) -> list[list[Source]] | None:
    """Deal sources to ``count`` groups of about the same size; None when they do not fit.

    A source that leaks comes last in its group, so there is at most one in each. The same sources always make the same groups.
    """
    ordered = sorted(sources, key=lambda source: (not source.leaks, -source.size, source.name))
    groups: list[list[Source]] = [[] for _unused in range(count)]
    for source in ordered:
        fitting = [
            group for group in groups if not any(source.defines & other.defines or (source.leaks and other.leaks) for other in group)
        ]
        if not fitting:
            return None
        min(fitting, key=lambda group: sum(other.size for other in group)).append(source)
    return [sorted(group, key=lambda source: (source.leaks, source.name)) for group in groups if group]


def grouped(sources: list[Source], jobs: int) -> list[list[Source]]:
    """The fewest groups that keep ``jobs`` compilers busy: a multiple of ``jobs``, unless there are fewer sources."""
    count = jobs
    while True:
        groups = deal(sources, count)
        if groups is not None:
            return groups
        count += jobs


def prepare(root: Path, jobs: int) -> list[list[Source]]:
    """Write the generated sources and edit setup.py; the groups.

    Raises:
        SystemExit: the sources are not laid out as expected.
    """
    setup = (root / "setup.py").read_text(encoding="utf-8") if (root / "setup.py").is_file() else ""
    if setup.count(EXTENSION) != 1:
        sys.exit(f"The extension with mmcv-full's ops was found {setup.count(EXTENSION)} times in {root}/setup.py, and should be once.")
    paths = [path for folder in FOLDERS for path in sorted((root / folder).glob("*.cpp"))]
    if not paths:
        sys.exit(f"There are no C++ sources in {root}/{FOLDERS[0]}.")
    groups = grouped([parse(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")) for path in paths], max(1, jobs))
    (root / GENERATED).mkdir()
    for number, group in enumerate(groups, 1):
        # Relative, so that a compiler cache knows them again in another folder.
        text = "".join(f'#include "../{source.name}"\n' for source in group)
        (root / GENERATED / f"unity_{number}.cpp").write_text(text, encoding="utf-8")
    (root / "setup.py").write_text(setup.replace(EXTENSION, UNITY_EXTENSION), encoding="utf-8")
    return groups


def main() -> None:
    """Prepare the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, required=True, help="compilers that will run at once")
    given = parser.parse_args()
    groups = prepare(given.folder, given.jobs)
    print(f"{len(groups)} generated sources include {sum(map(len, groups))} C++ sources.")


if __name__ == "__main__":
    main()
