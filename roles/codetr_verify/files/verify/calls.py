"""Record the functions of mmcv's compiled library that are called, and name those that no check `op ...` compares with a reference."""
from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

# op, as verify calls it -> its functions in mmcv._ext
COMPARED = {
    "ms_deform_attn": ("ms_deform_attn_forward", "ms_deform_attn_backward"),
    "roi_align": ("roi_align_forward", "roi_align_backward"),
    "sigmoid_focal_loss": ("sigmoid_focal_loss_forward", "sigmoid_focal_loss_backward"),
    "nms": ("nms",),
    "soft_nms": ("softnms",),
}


@contextmanager
def recorded(library: str = "mmcv._ext") -> Iterator[set[str]]:
    """Collect the names of the library's functions that are called inside the block."""
    module = importlib.import_module(library)
    names: set[str] = set()
    originals = {name: value for name, value in vars(module).items() if callable(value) and not name.startswith("_")}
    for name, function in originals.items():
        setattr(module, name, _noting(name, function, names))
    try:
        yield names
    finally:
        for name, function in originals.items():
            setattr(module, name, function)


def sentence(names: Iterable[str]) -> str:
    """The functions called, and those of them without a reference."""
    functions = {function for functions in COMPARED.values() for function in functions}
    called = sorted(names)
    unknown = [name for name in called if name not in functions]
    text = f"compiled functions called: {', '.join(called) or 'none'}"
    return f"{text}; without a reference: {', '.join(unknown)}" if unknown else text


def _noting(name: str, function: Callable[..., Any], names: set[str]) -> Callable[..., Any]:
    @wraps(function)
    def noting(*arguments: Any, **more: Any) -> Any:
        names.add(name)
        return function(*arguments, **more)
    return noting
