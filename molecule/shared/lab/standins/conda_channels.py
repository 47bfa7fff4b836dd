"""What the stand-in channels hold besides Python and pip: the guide's PyTorch, and what it depends on."""

from __future__ import annotations

from pathlib import Path

from lab.standins import shims
from lab.standins.conda_package import Package, from_wheel, only
from lab.standins.shims import Shim

NAMES = ("conda-forge", "pytorch")
_PYTHON = "python >=3.10,<3.11.0a0"
_TORCH = Shim("torch", "1.11.0", ("torch", "torch_conda"), ("typing-extensions",))
_TORCHVISION = Shim("torchvision", "0.12.0", ("torchvision",), ("numpy", "requests", "torch (==1.11.0)", "pillow (!=8.3.*,>=5.3.0)"))
_NUMPY = Shim("numpy", "2.0.2", ("numpy",))
# Real packages of the package index by conda's name, and what they depend on.
_PURE = {
    "certifi": (),
    "charset-normalizer": (),
    "idna": (),
    "requests": ("certifi >=2017.4.17", "charset-normalizer >=2,<4", "idna >=2.5,<4", "urllib3 >=1.21.1,<3"),
    "typing_extensions": (),
    "urllib3": (),
}
_COMPILED = ("numpy", "pillow")


def packages(wheels: Path, scratch: Path) -> dict[str, tuple[Package, ...]]:
    """Make the packages of each channel.

    Args:
        wheels: folder with the pinned wheels of real packages.
        scratch: an empty folder that the packages are unpacked in.
    """
    real = [from_wheel(_wheel(wheels, name), scratch, (_PYTHON, *depends), name=name) for name, depends in _PURE.items()]
    real += [from_wheel(_wheel(wheels, name), scratch, (_PYTHON,), noarch=False, stored=True) for name in _COMPILED]
    forge = (
        _note("blas", "2.120", "mkl", scratch),
        _note("cudatoolkit", "11.3.1", "standin_0", scratch, "__glibc >=2.17,<3.0.a0"),
        # From 2024.1 on a symbol is gone that torch 1.11.0 loads.
        *(_note("mkl", version, "standin_0", scratch) for version in ("2024.0.0", "2024.1.0")),
        _shim(_NUMPY, "numpy", "standin_0", scratch, _PYTHON),
    )
    cuda = ("cudatoolkit >=11.3,<11.4", _PYTHON, "pytorch-mutex 1.0 cuda")
    vision = ("numpy >=1.11", "pillow >=5.3.0,!=8.3.*", "pytorch 1.11.0", "requests")
    pytorch = (
        _shim(_TORCH, "pytorch", "py3.10_cuda11.3_cudnn8.2.0_0", scratch, *cuda, "blas * mkl", "mkl >=2018", "typing_extensions"),
        _shim(_TORCHVISION, "torchvision", "py310_cu113", scratch, *cuda, *vision),
        _note("pytorch-mutex", "1.0", "cuda", scratch),
    )
    return {"conda-forge": (*real, *forge), "pytorch": pytorch}


def _wheel(wheels: Path, name: str) -> Path:
    return only(wheels, f"{name.replace('-', '_')}-*.whl")


def _note(name: str, version: str, build: str, scratch: Path, *depends: str) -> Package:
    """A package whose only file says what it stands in for; its first two words are the name and the version."""
    root = scratch / f"{name}-{version}"
    (root / "lib").mkdir(parents=True)
    (root / "lib" / f"STAND-IN-{name}.txt").write_text(f"{name} {version}\n{shims.note(name, version)}\n")
    return Package(name, version, build, root, depends)


def _shim(shim: Shim, name: str, build: str, scratch: Path, *depends: str) -> Package:
    """A package with a Python package that can be imported, which pip sees and can uninstall."""
    package = Package(name, shim.version, build, scratch / f"{name}-{shim.version}", depends)
    for path, content in shim.files(INSTALLER="conda\n").items():
        target = package.root / package.site_packages / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return package
