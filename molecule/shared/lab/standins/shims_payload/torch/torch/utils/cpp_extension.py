"""What the setup.py of a package without compiled code imports. @NOTE@"""

from __future__ import annotations

from typing import NoReturn

from setuptools.command.build_ext import build_ext  # type: ignore[import-untyped]

CUDA_HOME = None


class BuildExtension(build_ext):
    """Builds what setuptools builds."""


def CppExtension(*_: object, **__: object) -> NoReturn:
    raise NotImplementedError("@NOTE@")


def CUDAExtension(*_: object, **__: object) -> NoReturn:
    raise NotImplementedError("@NOTE@")
