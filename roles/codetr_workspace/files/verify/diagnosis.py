"""Known failures: what their output looks like, where they come from and what helps."""
from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """One known failure; `pattern` is searched for in a check's detail and output."""

    pattern: str
    cause: str
    fix: str


# The first match wins, so what is more specific comes first.
KNOWN = (
    Diagnosis(r"lib(GL|gthread-2\.0|glib-2\.0)\.so\.\d+: cannot open shared object",
              "OpenCV needs system libraries that this host lacks.",
              "Install the packages libgl1 and libglib2.0-0 (the role codetr_packages does)."),
    Diagnosis(r"libc10_cuda\.so|libcudart\.so|libtorch_cuda\w*\.so",
              "mmcv's compiled ops were built for a torch with CUDA, and this torch has none.",
              "Remove mmcv-full and run site.yml again: it builds the ops for this stack."),
    Diagnosis(r"_ext[^\n]*undefined symbol|undefined symbol[^\n]*(c10|torch|at)\b",
              "mmcv's compiled ops were built against another torch than the one installed.",
              "Remove mmcv-full and run site.yml again: it builds the ops against this torch."),
    Diagnosis(r"iJIT_NotifyEvent",
              "This torch from conda does not work with mkl 2024.1 or later.",
              "Pin mkl to 2024.0 or earlier in the environment."),
    Diagnosis(r"No module named '?mmcv\.(_ext|parallel|runner)|module '?mmcv\._ext'? has no attribute|they overwrite one another|"
              r"mmcv-full is not installed",
              "mmcv is not mmcv-full 1.x with its compiled ops: the lite package mmcv, or mmcv 2, has taken its place.",
              "Uninstall mmcv and mmcv-full, then run site.yml again."),
    Diagnosis(r"MMCV==\S+ is used but incompatible",
              "This mmdet does not accept the installed version of mmcv.",
              "Install the mmcv that the stack names: uninstall mmcv-full and run site.yml again."),
    Diagnosis(r"No module named '?mmdet\.registry|CoDETR is not in the|Co\w+ is not in the models? registry|is not in the \w+ registry",
              "A class that the config names is not registered: another mmdet or another `projects` hides the repository's, or the "
              "repository is not installed.",
              "Uninstall the packages mmdet and projects, then run site.yml again: it installs the repository in editable mode."),
    Diagnosis(r"mmdet is imported from|projects is imported from|foreign (mmdet|projects)",
              "Another package hides the one that the repository brings.",
              "Uninstall the package named (pip uninstall), then run site.yml again."),
    Diagnosis(r"Found no NVIDIA driver|Torch not compiled with CUDA enabled|No CUDA GPUs are available",
              "Code of the repository asks for a GPU by name, and this host offers none.",
              "On a host without a GPU choose the stack cpu and run site.yml again: it makes the repository's edits for that."),
    Diagnosis(r"no kernel image is available",
              "torch or mmcv's ops hold no code for this GPU's compute capability.",
              "Choose a stack that supports this GPU (modern for compute capability 9.0 and up) and run site.yml again."),
    Diagnosis(r"ZeroDivisionError[^\n]*modulo",
              "The launcher pytorch divides by the number of GPUs, and there is none.",
              "Use --launcher none on a host without a GPU."),
    Diagnosis(r"CUDA out of memory|OutOfMemoryError",
              "The GPU has too little free memory for this config.",
              "End other processes on the GPU, or choose a smaller config or scale."),
    Diagnosis(r"exit status -9|killed by signal 9|Unable to allocate|DefaultCPUAllocator: can't allocate|MemoryError",
              "The host ran out of memory.",
              "Give the host more memory or swap; a smaller config or --scale needs less."),
    Diagnosis(r"No space left on device",
              "A disk of this host is full.",
              "Free space there, or move the prefix or the result folder to another disk."),
    Diagnosis(r"Bus error|bus error|insufficient shared memory",
              "Shared memory (/dev/shm) is too small for the workers that load data.",
              "Enlarge /dev/shm, or lower data.workers_per_gpu."),
    Diagnosis(r"Numpy is not available|_ARRAY_API not found|compiled using NumPy 1\.x",
              "numpy 2 does not work with this torch or OpenCV, which were built for numpy 1.",
              "Install the numpy that the stack's lock file names: run site.yml again."),
    Diagnosis(r"module 'numpy' has no attribute '(int|float|bool|object)'",
              "The code uses names that numpy 1.24 took away.",
              "Install the numpy that the stack's lock file names: run site.yml again."),
    Diagnosis(r"FormatCode\(\) got an unexpected keyword argument 'verify'",
              "yapf is newer than this mmcv can use.",
              "Install yapf 0.40.1: run site.yml again."),
    Diagnosis(r"cannot import name 'packaging' from 'pkg_resources'|No module named 'pkg_resources'",
              "setuptools does not fit this torch.",
              "Install setuptools 65.5.1: run site.yml again."),
    Diagnosis(r"Please follow config/lvis|No module named 'lvis'|install lvis|Package lvis is not installed",
              "The Python package lvis is not installed.",
              "Run site.yml again; the stack's lock file holds lvis."),
    Diagnosis(r"is not a checkpoint file|backbone weights",
              "The weights that the backbone starts from are not on this host.",
              "Give their path (see the workspace role's artifacts) and run site.yml again, or allow random weights for verify only."),
    Diagnosis(r"URLError|Temporary failure in name resolution|urlopen error|Max retries exceeded",
              "The training tried to download something, and this host could not reach it.",
              "Put the file in the torch home that the workspace role sets up, or open the way to it."),
    Diagnosis(r"Address already in use",
              "Another training uses the port MASTER_PORT.",
              "Wait for it, or set another MASTER_PORT."),
    Diagnosis(r"No module named '?(?P<name>[\w.]+)",
              "A Python package is missing in the environment.",
              "Run site.yml again: it installs all that the stack's lock file names."),
    Diagnosis(r"Permission denied",
              "The user who runs verify may not read or write a file it needs.",
              "Run verify as the user who owns the prefix (provision_user), or correct the owner of that file."),
    Diagnosis(r"No such file or directory[^\n]*(annotations|\.jpg|coco|lvis)|annotation file|images? (is|are) missing",
              "The data are not where the config looks for them, or not complete.",
              "Run site.yml again: the role codetr_datasets completes them."),
)


def diagnose(output: str) -> Diagnosis | None:
    """The first known failure that `output` shows, or None."""
    return next((known for known in KNOWN if re.search(known.pattern, output)), None)
