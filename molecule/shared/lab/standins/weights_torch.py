"""Writer of PyTorch's zip checkpoints for a state dict, without PyTorch.

The format is that of torch.save since 1.6: a stored zip whose ``data.pkl`` rebuilds each tensor from a storage, and one
member per storage with its raw little-endian numbers. Tensors may be views of one storage, as in torch itself.
"""

from __future__ import annotations

import itertools
import math
import pickle
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Storage:
    """Numbers of one type: ``kind`` is torch's class name, such as FloatStorage, and ``width`` bytes is one number."""

    key: str
    kind: str
    width: int
    data: bytes


@dataclass(frozen=True)
class Tensor:
    """Contiguous view of ``storage``, starting at number ``offset``, with this shape."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]


def write_state_dict(path: Path, tensors: Mapping[str, Tensor], note: str) -> None:
    """Write ``tensors`` so that torch.load returns them as an OrderedDict; ``note`` becomes the member STAND-IN.txt."""
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "data.pkl", _pickle(tensors))
        for key, storage in storages.items():
            _add(archive, f"data/{key}", storage.data)
        _add(archive, "version", b"3\n")
        _add(archive, "STAND-IN.txt", note.encode())


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    # A fixed time, so that the same tensors give the same file. torch expects every member in one folder.
    archive.writestr(zipfile.ZipInfo(f"archive/{name}", _EPOCH), data)


def _pickle(tensors: Mapping[str, Tensor]) -> bytes:
    """The opcodes are written by hand: a Pickler would have to import torch to name its classes."""
    items = b"".join(_text(name) + _tensor(tensor) for name, tensor in tensors.items())
    return pickle.PROTO + b"\x02" + _ordered_dict() + pickle.MARK + items + pickle.SETITEMS + pickle.STOP


def _tensor(tensor: Tensor) -> bytes:
    storage, count = tensor.storage, math.prod(tensor.shape)
    numbers = len(storage.data) // storage.width
    if tensor.offset + count > numbers:
        raise ValueError(f"A tensor of {count} numbers from {tensor.offset} does not fit storage {storage.key} of {numbers}.")
    identity = _tuple(_text("storage"), _global("torch", storage.kind), _text(storage.key), _text("cpu"), _integer(numbers))
    strides = list(itertools.accumulate(reversed(tensor.shape[1:]), lambda a, b: a * b, initial=1))[::-1] if tensor.shape else []
    arguments = _tuple(
        identity + pickle.BINPERSID,
        _integer(tensor.offset),
        _tuple(*map(_integer, tensor.shape)),
        _tuple(*map(_integer, strides)),
        pickle.NEWFALSE,  # requires_grad
        _ordered_dict(),  # backward hooks
    )
    return _global("torch._utils", "_rebuild_tensor_v2") + arguments + pickle.REDUCE


def _ordered_dict() -> bytes:
    return _global("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE


def _global(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def _text(value: str) -> bytes:
    data = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


def _integer(value: int) -> bytes:
    return pickle.BININT + struct.pack("<i", value)


def _tuple(*items: bytes) -> bytes:
    return pickle.MARK + b"".join(items) + pickle.TUPLE
