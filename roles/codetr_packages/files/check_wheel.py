"""Check a compiled wheel of mmcv-full before it is kept: what its library needs, which GPUs it has code for, and that a call returns.

``python check_wheel.py WHEEL --compute-capabilities=9.0,10.0 --cuobjdump=PATH`` runs in the environment that the wheel is for, and ends
with status 1 and one sentence when the library is not fit. Without capabilities the library is one for CPUs. With ``--sources=FOLDER``,
the unpacked sources, the library has to have every op that they define: a source that is left out compiles, links and loads all the same.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

# Linked statically, the library has a C++ runtime of its own beside torch's, and ends the process at its first call.
NEEDED = ("libstdc++.so.6", "libc10.so")
NEEDED_ON_GPU = ("libc10_cuda.so",)
LIMIT = 300  # seconds; loading CUDA on a cold disk is slow
# One box twice and one far away: suppression that works keeps two.
CALL = """
import torch, mmcv.ops
boxes = torch.tensor([[0., 0., 10., 10.], [0., 0., 10., 10.], [50., 50., 60., 60.]])
scores = torch.tensor([.9, .8, .7])
devices = ["cpu"] + (["cuda"] if torch.cuda.is_available() and mmcv.ops.get_compiling_cuda_version() != "not available" else [])
for device in devices:
    kept = len(mmcv.ops.nms(boxes.to(device), scores.to(device), .5)[1])
    assert kept == 2, "nms on %s keeps %d boxes, not 2" % (device, kept)
import json, mmcv._ext
print(json.dumps({"devices": devices, "names": dir(mmcv._ext)}))
"""
# Python names of the ops, and the functions that compute them: these register themselves, and nothing else refers to them.
NAME = re.compile(r'\bm\.def\(\s*"(\w+)"')
KERNEL = re.compile(r"^REGISTER_DEVICE_IMPL\(\s*\w+,\s*\w+,\s*(\w+)\)", re.M)


def needed(library: Path) -> list[str]:
    """The libraries that the dynamic linker loads with this one."""
    printed = subprocess.run(["readelf", "--dynamic", str(library)], capture_output=True, text=True, check=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.+)\]", printed)


def has_code_for(library: Path, cuobjdump: str) -> set[str]:
    """The compute capabilities, as ``9.0``, that the library has machine code for."""
    printed = subprocess.run([cuobjdump, "--list-elf", str(library)], capture_output=True, text=True, check=True).stdout
    return {f"{number[:-1]}.{number[-1]}" for number in re.findall(r"\.sm_(\d+)", printed)}


def symbols(library: Path) -> set[str]:
    """The C++ functions that the library defines, without namespaces and arguments."""
    printed = subprocess.run(["readelf", "--dyn-syms", "--wide", str(library)], capture_output=True, text=True, check=True).stdout
    # Mangled, a name has its length before it: _Z7nms_cpuN2at6TensorES0_f.
    found = re.findall(r"^.*\sFUNC\s+\w+\s+\w+\s+\d+\s+_Z(\d+)(\w+)", printed, re.M)
    return {name[: int(length)] for length, name in found}


def expected(sources: Path) -> tuple[set[str], set[str]]:
    """The Python names and the CPU's functions of all ops in mmcv-full's unpacked sources."""
    folder = sources / "mmcv/ops/csrc/pytorch"
    names = NAME.findall((folder / "pybind.cpp").read_text(encoding="utf-8"))
    texts = [path.read_text(encoding="utf-8") for path in sorted((folder / "cpu").glob("*.cpp"))]
    return set(names), {kernel for text in texts for kernel in KERNEL.findall(text)}


def compare(sources: Path, names: set[str], functions: set[str]) -> str:
    """Compare a library's ``names`` and ``functions`` with what its sources define; what it has of them, for a sentence.

    Raises:
        SystemExit: something is missing.
    """
    wanted, kernels = expected(sources)
    if not wanted or not kernels:
        sys.exit(f"No ops were found in mmcv-full's sources, {sources}.")
    lost = sorted((wanted - names) | (kernels - functions))
    if lost:
        sys.exit(f"mmcv-full's compiled library lacks {len(lost)} of {len(wanted | kernels)} functions of its sources: {', '.join(lost)}.")
    return f"has the {len(wanted)} ops and {len(kernels)} CPU functions of its sources"


def call(folder: Path) -> dict[str, list[str]]:
    """Call the library in a process of its own: the ``devices`` that it answered on, and the ``names`` that it has.

    Raises:
        SystemExit: it does not load, crashes, or computes something else.
    """
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    try:
        done = subprocess.run(
            [sys.executable, "-c", CALL], env=environment, cwd="/", capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"mmcv-full's compiled library does not answer within {LIMIT} s.")
    if done.returncode < 0:
        sys.exit(f"mmcv-full's compiled library ends the process at its first call ({signal.Signals(-done.returncode).name}).")
    if done.returncode:
        sys.exit(f"mmcv-full's compiled library does not work: {done.stderr.strip().splitlines()[-1]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Check the wheel that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--compute-capabilities", default="")
    parser.add_argument("--cuobjdump", default="")
    parser.add_argument("--sources", type=Path)
    given = parser.parse_args()
    wanted = {each for each in given.compute_capabilities.split(",") if each}
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(given.wheel) as archive:
            archive.extractall(folder)
        libraries = list(Path(folder).glob("mmcv/_ext*.so"))
        if len(libraries) != 1:
            sys.exit(f"{given.wheel.name} holds {len(libraries)} compiled libraries (mmcv/_ext*.so), and should hold one.")
        missing = [name for name in NEEDED + (NEEDED_ON_GPU if wanted else ()) if name not in needed(libraries[0])]
        if missing:
            sys.exit(f"mmcv-full's compiled library does not load {', '.join(missing)} dynamically. Compile it with a compiler that does.")
        inside = has_code_for(libraries[0], given.cuobjdump) if wanted else set()
        if not wanted <= inside:
            have, lack = ", ".join(sorted(inside)) or "no GPU", ", ".join(sorted(wanted - inside))
            sys.exit(f"mmcv-full's compiled library has code for {have}, not for {lack}.")
        answer = call(Path(folder))
        ops = f", {compare(given.sources, set(answer['names']), symbols(libraries[0]))}" if given.sources else ""
    code = f", code for {', '.join(sorted(inside))}" if inside else ""
    print(f"{libraries[0].name} loads {', '.join(NEEDED)}{code}{ops}, and answers on {' and '.join(answer['devices'])}")


if __name__ == "__main__":
    main()
