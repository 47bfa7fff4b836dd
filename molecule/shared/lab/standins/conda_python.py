"""A relocatable conda package out of a CPython that is installed on this machine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab.settings import LabError
from lab.standins.conda_elf import is_elf, minimum_glibc, set_search_path
from lab.standins.conda_package import BUILD_PREFIX, Package

_ASK = """
import json, sys, sysconfig
print(json.dumps({
    "implementation": sys.implementation.name, "version": "%d.%d.%d" % sys.version_info[:3], "prefix": sys.base_prefix,
    "stdlib": sysconfig.get_path("stdlib"), "include": sysconfig.get_path("include"), "libdir": sysconfig.get_config_var("LIBDIR"),
}))
"""
# Test suites, tcl/tk and what needs them, the static library and whatever else was installed: none of it is for an env.
_LEFT_OUT = {"__pycache__", "test", "tests", "idlelib", "idle_test", "tkinter", "turtledemo", "turtle.py", "site-packages"}
_LEFT_OUT_MODULES = re.compile(r"(_tkinter|nis|_test\w*|_xxtest\w*|_ctypes_test|xx\w*|_xx(?!subinterpreters)\w*)\.")
# glibc must be the host's own; libgcc and libstdc++ too, or newer wheels would meet an older one here.
_HOST_LIBRARIES = re.compile(r"(linux-vdso|ld-linux-x86-64|libc|libm|libdl|libpthread|librt|libutil|libresolv|libgcc_s|libstdc\+\+)\.so")


class UnsuitablePython(LabError):
    """The interpreter cannot be packed; the message says which one can."""


@dataclass(frozen=True)
class Interpreter:
    """An installed CPython 3.10 and where its parts lie."""

    executable: Path
    version: str
    prefix: Path
    stdlib: Path
    include: Path
    libdir: Path

    def fingerprint(self) -> str:
        """Changes when the interpreter is rebuilt or replaced."""
        parts = [self.executable, *sorted(self.libdir.glob("libpython3*.so*")), self.stdlib / "os.py", self.stdlib / "lib-dynload"]
        stats = [(path, path.stat()) for path in parts if path.exists()]
        return repr([self.version, *((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats)])


def examine(python310: str | Path) -> Interpreter:
    """Ask an interpreter where it lives.

    Raises:
        UnsuitablePython: it does not start, is no CPython 3.10, or belongs to the operating system.
    """
    command = [str(python310), "-I", "-S", "-B", "-c", _ASK]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        facts = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        detail = getattr(error, "stderr", None) or error
        raise UnsuitablePython(f"{python310} does not run: {str(detail).strip()}. Name a working CPython 3.10.") from error
    if facts["implementation"] != "cpython" or not facts["version"].startswith("3.10."):
        raise UnsuitablePython(f"{python310} is {facts['implementation']} {facts['version']}. Name a CPython 3.10.")
    prefix = Path(facts["prefix"])
    if prefix in (Path("/usr"), Path("/usr/local"), Path("/")):
        raise UnsuitablePython(f"{python310} shares {prefix} with other programs. Name a CPython 3.10 in a folder of its own (pyenv, uv).")
    executable = (prefix / "bin" / "python3.10").resolve()
    # A build that was moved after it was made still names the folder it was made for.
    libdir = Path(facts["libdir"]) if Path(facts["libdir"]).is_relative_to(prefix) else prefix / "lib"
    return Interpreter(executable, facts["version"], prefix, Path(facts["stdlib"]), Path(facts["include"]), libdir)


def python_package(interpreter: Interpreter, root: Path) -> Package:
    """Copy the interpreter into a folder as a conda package that finds itself and its libraries wherever it is linked.

    Raises:
        UnsuitablePython: a library that it needs is missing on this machine, or there is no room for the new search path.
    """
    _copy(interpreter, root)
    _bundle_libraries(interpreter, root)
    elves = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink() and is_elf(path)]
    for path in elves:
        try:
            set_search_path(path, _origin(root, path))
        except ValueError as error:
            raise UnsuitablePython(f"{error}. Name a CPython 3.10 that was installed under a longer path.") from error
    _neutral_prefix(root, interpreter.prefix)
    major, minor = max(minimum_glibc(path) for path in elves)
    return Package("python", interpreter.version, "standin_0", root, (f"__glibc >={major}.{minor}",), stored=True)


def _origin(root: Path, path: Path) -> str:
    """The lib folder, seen from the file itself, in the dynamic loader's own notation."""
    depth = len(path.relative_to(root).parents) - 1
    if path.is_relative_to(root / "lib"):
        return "/".join(["$ORIGIN", *[".."] * (depth - 1)])
    return "/".join(["$ORIGIN", *[".."] * depth, "lib"])


def _copy(interpreter: Interpreter, root: Path) -> None:
    """Copy interpreter, standard library, headers, shared library and build configuration."""

    def left_out(folder: str, names: list[str]) -> set[str]:
        in_dynload = Path(folder).name == "lib-dynload"
        return {
            name
            for name in names
            if name in _LEFT_OUT or name.endswith(".a") or (in_dynload and _LEFT_OUT_MODULES.match(name)) or name.startswith("libpython")
        }

    shutil.copytree(interpreter.stdlib, root / "lib" / "python3.10", symlinks=True, ignore=left_out)
    shutil.copytree(interpreter.include, root / "include" / "python3.10", symlinks=True)
    (root / "lib" / "python3.10" / "site-packages").mkdir()
    (root / "lib" / "python3.10" / "site-packages" / "README.txt").write_text("Third-party packages are installed here.\n")
    for library in sorted(interpreter.libdir.glob("libpython3*.so*")):
        shutil.copy2(library, root / "lib" / library.name, follow_symlinks=False)
    if (interpreter.libdir / "pkgconfig").is_dir():
        shutil.copytree(interpreter.libdir / "pkgconfig", root / "lib" / "pkgconfig", symlinks=True)
    (root / "bin").mkdir()
    shutil.copy2(interpreter.executable, root / "bin" / "python3.10")
    (root / "bin" / "python").symlink_to("python3.10")
    (root / "bin" / "python3").symlink_to("python3.10")
    config = interpreter.prefix / "bin" / "python3.10-config"
    if config.is_file():
        shutil.copy2(config.resolve(), root / "bin" / "python3.10-config")
        (root / "bin" / "python3-config").symlink_to("python3.10-config")


def _bundle_libraries(interpreter: Interpreter, root: Path) -> None:
    """Put the system libraries that the interpreter needs beside it; a bare host may lack them.

    An executable that records no search path (a static build) could not find them there, and uses the host's.
    """
    trial = root / "bin" / ".search-path-trial"
    shutil.copy2(interpreter.executable, trial)
    movable = set_search_path(trial, "$ORIGIN")
    trial.unlink()
    modules = [path for path in (interpreter.stdlib / "lib-dynload").glob("*.so") if not _LEFT_OUT_MODULES.match(path.name)]
    listing = [subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=False).stdout for path in modules]
    for soname, target in re.findall(r"^\s*(\S+) => (not found|\S+)", "\n".join(listing), re.MULTILINE):
        if target == "not found":
            raise UnsuitablePython(f"{interpreter.executable} needs {soname}, which is missing. Install it or name another CPython 3.10.")
        wanted = movable and not _HOST_LIBRARIES.match(soname) and not Path(target).is_relative_to(interpreter.prefix)
        if wanted and not (root / "lib" / soname).exists():
            shutil.copy2(Path(target).resolve(), root / "lib" / soname)


def _neutral_prefix(root: Path, prefix: Path) -> None:
    """Replace the folder that the interpreter came from, in text files, by the placeholder that conda replaces again."""
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and str(prefix).encode() in (content := path.read_bytes()) and b"\0" not in content:
            path.write_bytes(content.replace(str(prefix).encode(), BUILD_PREFIX.encode()))
