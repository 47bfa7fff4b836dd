"""Checks `versions` and `foreign`: compare the imported packages' versions and locations with those expected."""
from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from verify.options import Options
from verify.result import CheckFailed

# name in the result -> name to import
IMPORTED = {"torch": "torch", "torchvision": "torchvision", "mmcv": "mmcv", "mmdet": "mmdet", "numpy": "numpy", "opencv": "cv2"}
# a folder for each GPU that the driver's module has taken
DRIVERS_GPUS = Path("/proc/driver/nvidia/gpus")
# packages of the repository, which another package of the same name would hide
OF_THE_REPOSITORY = ("mmdet", "projects")


def check_versions(options: Options, found: dict[str, str | None]) -> str:
    """Import every package, fill `found` with versions, and compare them with those expected.

    Raises:
        CheckFailed: a package cannot be imported, has another version, or is not the repository's.
    """
    wrong = []
    outputs = []
    found["python"] = platform.python_version()
    for name, module in IMPORTED.items():
        try:
            found[name] = importlib.import_module(module).__version__
        except Exception as error:  # a broken package may raise anything while it is imported
            found[name] = None
            wrong.append(f"{module} cannot be imported: {type(error).__name__}: {_last_line(error)}")
            outputs.append(str(error))
    if found["torch"]:
        found.update(_gpu())
        wrong += _unseen(options, found)
    wrong += [complaint for name, version in options.expect.items() if (complaint := _compare(name, version, found))]
    if found["mmdet"]:
        wrong += _strangers(options.repo, [name for name in OF_THE_REPOSITORY if (options.repo / name).is_dir()])
        wrong += _unregistered(options.repo)
    if wrong:
        raise CheckFailed("; ".join(wrong), "\n".join(outputs))
    shown = ("python", "torch", "cuda", "torchvision", "mmcv", "mmdet", "numpy", "opencv", "gpu")
    return ", ".join(f"{name} {found.get(name) or 'none'}" for name in shown)


def check_foreign(options: Options) -> str:
    """Look for packages that hide the repository's, or that overwrite one another.

    Raises:
        CheckFailed: names each of them and its location.
    """
    wrong = []
    names = [name for name in OF_THE_REPOSITORY if (options.repo / name).is_dir()]
    for name in names:
        others = [place for place in copies(name, sys.path) if not inside(place, options.repo)]
        wrong += [f"foreign {name} in {place} beside the repository's" for place in others]
        wrong += [complaint for complaint in _strangers(options.repo, [name]) if not others]
    lite, full = _installed("mmcv"), _installed("mmcv-full")
    if lite and full:
        wrong.append(f"the package mmcv {lite} (lite) lies beside mmcv-full {full}: they overwrite one another")
    elif not full:
        wrong.append(f"mmcv-full is not installed (mmcv: {lite or 'not installed either'}), so there is no mmcv._ext")
    if wrong:
        raise CheckFailed("; ".join(wrong))
    return f"{' and '.join(names)} only from {options.repo}; mmcv-full {full} alone"


def matches(expected: str, found: str) -> bool:
    """Whether version `found` is `expected`, or one below it: 3.10 means 3.10.13 too, 1.11.0 means 1.11.0+cu102 too."""
    if "+" not in expected:
        found = found.partition("+")[0]
    return found == expected or found.startswith(expected + ".")


def copies(name: str, paths: Iterable[str]) -> list[Path]:
    """Every package or module `name` in `paths`, in their order, each once."""
    places: list[Path] = []
    for path in paths:
        for candidate in (Path(path or ".") / name / "__init__.py", Path(path or ".") / f"{name}.py"):
            if candidate.is_file() and candidate.resolve() not in places:
                places.append(candidate.resolve())
    return places


def inside(path: Path, folder: Path) -> bool:
    """Whether `path` is in `folder`, following links."""
    return path.resolve().is_relative_to(folder.resolve())


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[-1]


def _gpu() -> dict[str, str | None]:
    import torch

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {"cuda": torch.version.cuda, "gpu": gpu}


def _unseen(options: Options, found: dict[str, str | None]) -> list[str]:
    """A sentence when torch sees none of the driver's GPUs in a stack for GPUs, and would silently train on the CPU."""
    offered = len(list(DRIVERS_GPUS.iterdir())) if DRIVERS_GPUS.is_dir() else 0
    if found["gpu"] or "cuda" not in options.expect or not offered or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
        return []
    import torch

    try:
        torch.cuda.init()
        reason = "it gives no reason"
    except Exception as error:
        reason = _last_line(error)
    return [f"torch finds no GPU, although the driver has {offered}: {reason}"]


def _installed(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _compare(name: str, expected: str, found: dict[str, str | None]) -> str | None:
    version = found[name] if name in found else _installed(name)
    if version is None:
        # a package that could not be imported is reported already
        return None if name in IMPORTED else f"{name} is not installed, expected {expected}"
    return None if matches(expected, version) else f"{name} is {version}, expected {expected}"


def _strangers(repo: Path, names: list[str]) -> list[str]:
    """A sentence for each of `names` that Python imports from outside the repository."""
    wrong = []
    for name in names:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            wrong.append(f"{name} of {repo} cannot be imported: the repository is not installed in this environment")
        elif not inside(Path(spec.origin), repo):
            wrong.append(f"{name} is imported from {Path(spec.origin).parent}, not from {repo}")
    return wrong


def _unregistered(repo: Path) -> list[str]:
    """A sentence when the repository has CoDETR, yet mmdet does not know it after importing `projects`."""
    if not (repo / "projects" / "models" / "co_detr.py").is_file():
        return []
    try:
        importlib.import_module("projects")
        detectors = importlib.import_module("mmdet.models").DETECTORS
    except Exception as error:
        return [f"CoDETR cannot be imported: {type(error).__name__}: {_last_line(error)}"]
    return [] if "CoDETR" in detectors else ["CoDETR is not in the models registry after importing projects"]
