"""Stand-in for torchvision's ResNet-50 weights: the real names and shapes, random numbers."""

from __future__ import annotations

import math
import random
import sys
from array import array
from pathlib import Path
from typing import Any

from . import data_cache, weights_resnet50, weights_torch
from .weights_torch import Storage, Tensor

NAME = "resnet50-0676ba61"
UPSTREAMS = [{"name": NAME, "url": f"https://download.pytorch.org/models/{NAME}.pth"}]
NOTE = "STAND-IN for torchvision's ResNet-50 weights, made by the test lab of codetr-provision. The numbers are random.\n"

SEED = 50
# A prime, so that rows of a tensor, whose lengths are powers of two and small multiples, do not repeat one another.
PERIOD = 262_139
# The last norm of each block scales its branch: norms with a mean of 0 and a variance of 1 do nothing by themselves, and
# sixteen branches added up at full strength would grow by a factor of 256.
BRANCH_SCALE = 0.2


def build(www: Path, base_url: str, python310: str | None = None) -> dict[str, Any]:
    """Write the checkpoint under ``www``/weights and return its artifact record."""
    del python310
    path = www / "weights" / f"{NAME}.pth"
    sources = [Path(module.__file__ or "") for module in (weights_resnet50, weights_torch)]
    inputs: list[str | Path] = [Path(__file__), *sources, str(path), base_url]

    def make() -> tuple[dict[str, Any], list[Path]]:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        weights_torch.write_state_dict(partial, state_dict(), NOTE)
        partial.replace(path)
        record = {
            "urls": [f"{base_url}/weights/{path.name}"],
            "sha256": data_cache.digest(path),
            "size": path.stat().st_size,
            "version": f"{NAME} (random numbers)",
            "stand_in": True,
        }
        return {"artifacts": {NAME: record}, "config": {}, "stand_ins": [NAME]}, [path]

    return data_cache.remembered(www.parent / "built" / "weights.json", inputs, make)


def state_dict() -> dict[str, Tensor]:
    """Random weights, scaled to keep activations in range (He's rule by fan-in), and norms that change nothing.

    Weights of one scale are views of one storage, each from another place: the file stays a fraction of the real one.
    """
    source = random.Random(SEED)
    normal = array("f", (source.gauss(0.0, 1.0) for _ in range(PERIOD)))
    shapes = dict(weights_resnet50.shapes())
    largest: dict[str, int] = {}
    for name, shape in shapes.items():
        key = _key(name, shape)
        largest[key] = max(largest.get(key, 0), math.prod(shape))
    storages = {key: _storage(key, numbers, normal) for key, numbers in largest.items()}
    return {
        name: Tensor(storages[key], index * 997 % PERIOD if key.startswith("normal") else 0, shape)
        for index, (name, shape) in enumerate(shapes.items())
        for key in [_key(name, shape)]
    }


def _key(name: str, shape: tuple[int, ...]) -> str:
    """Name the storage of a tensor by what is in it."""
    if len(shape) > 1:
        return f"normal{math.prod(shape[1:])}"
    if name.endswith("num_batches_tracked"):
        return "counter"
    if name.endswith("bn3.weight"):
        return "branch"
    return "zeros" if name.endswith(("bias", "running_mean")) else "ones"


def _storage(key: str, numbers: int, normal: array[float]) -> Storage:
    if key == "counter":
        return Storage(key, "LongStorage", 8, bytes(8))
    if not key.startswith("normal"):
        value = {"branch": BRANCH_SCALE, "zeros": 0.0, "ones": 1.0}[key]
        return Storage(key, "FloatStorage", 4, _little_endian(array("f", [value])) * numbers)
    scale = math.sqrt(2.0 / int(key.removeprefix("normal")))
    period = _little_endian(array("f", (value * scale for value in normal)))
    total = (numbers + PERIOD) * 4
    return Storage(key, "FloatStorage", 4, (period * (total // len(period) + 1))[:total])


def _little_endian(values: array[float]) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()
