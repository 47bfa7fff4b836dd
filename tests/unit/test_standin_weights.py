"""The checkpoint that stands in for torchvision's ResNet-50 weights, read back by a reader that knows no more than pickle."""

from __future__ import annotations

import array
import collections
import io
import math
import pickle
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "molecule" / "shared"))

from lab.standins import weights, weights_resnet50, weights_torch


class Reader(pickle.Unpickler):
    """Resolves the names in a checkpoint to plain records: what torch would do, without torch."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, grad, hooks: SimpleNamespace(
                storage=storage, offset=offset, shape=shape, strides=strides, grad=grad, hooks=hooks
            )
        assert module == "torch", f"{module}.{name}"
        return name

    def persistent_load(self, identity):
        kind, storage, key, location, numbers = identity
        assert (kind, location) == ("storage", "cpu")
        return SimpleNamespace(kind=storage, key=key, numbers=numbers)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    www = tmp_path_factory.mktemp("mirror") / "www"
    return www, weights.build(www, "http://lab")


@pytest.fixture(scope="module")
def checkpoint(built):
    with zipfile.ZipFile(built[0] / "weights" / f"{weights.NAME}.pth") as archive:
        state = Reader(io.BytesIO(archive.read("archive/data.pkl"))).load()
        return state, {name.removeprefix("archive/"): archive.read(name) for name in archive.namelist()}


def test_the_record_says_stand_in(built):
    www, result = built
    record = result["artifacts"]["resnet50-0676ba61"]
    assert record["stand_in"] is True
    assert result["stand_ins"] == ["resnet50-0676ba61"]
    assert record["urls"] == ["http://lab/weights/resnet50-0676ba61.pth"]
    assert record["size"] == (www / "weights" / "resnet50-0676ba61.pth").stat().st_size


def test_names_and_shapes_are_those_of_resnet50(checkpoint):
    state, _ = checkpoint
    assert type(state) is collections.OrderedDict
    assert len(state) == 320
    learnt = [tensor.shape for name, tensor in state.items() if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))]
    assert sum(map(math.prod, learnt)) == 25_557_032
    assert state["conv1.weight"].shape == (64, 3, 7, 7)
    assert state["layer3.5.conv2.weight"].shape == (256, 256, 3, 3)
    assert state["layer4.0.downsample.0.weight"].shape == (2048, 1024, 1, 1)
    assert state["fc.weight"].shape == (1000, 2048)
    assert state["bn1.num_batches_tracked"].shape == ()
    assert state["bn1.num_batches_tracked"].storage.kind == "LongStorage"


def test_every_tensor_is_contiguous_and_lies_in_its_storage(checkpoint):
    state, members = checkpoint
    for tensor in state.values():
        width = {"FloatStorage": 4, "LongStorage": 8}[tensor.storage.kind]
        assert len(members[f"data/{tensor.storage.key}"]) == tensor.storage.numbers * width
        assert tensor.offset + math.prod(tensor.shape) <= tensor.storage.numbers
        assert tensor.strides == tuple(math.prod(tensor.shape[axis + 1 :]) for axis in range(len(tensor.shape)))
        assert tensor.grad is False


def test_the_archive_carries_the_mark_and_the_version(checkpoint):
    _, members = checkpoint
    assert members["version"] == b"3\n"
    assert members["STAND-IN.txt"].startswith(b"STAND-IN")


def test_the_numbers_have_the_scale_of_their_layer_and_rows_differ(checkpoint):
    state, members = checkpoint
    for name in ("conv1.weight", "layer1.0.conv2.weight", "fc.weight"):
        tensor = state[name]
        fan_in, count = math.prod(tensor.shape[1:]), math.prod(tensor.shape)
        numbers = array.array("f", members[f"data/{tensor.storage.key}"])[tensor.offset : tensor.offset + count]
        assert math.sqrt(sum(value * value for value in numbers) / count) == pytest.approx(math.sqrt(2 / fan_in), rel=0.05)
        rows = {bytes(numbers[start : start + fan_in]) for start in range(0, count, fan_in)}
        assert len(rows) == tensor.shape[0]


def test_a_tensor_past_the_end_of_its_storage_is_refused(tmp_path):
    storage = weights_torch.Storage("short", "FloatStorage", 4, bytes(8))
    with pytest.raises(ValueError, match="3 numbers from 0 does not fit storage short of 2"):
        weights_torch.write_state_dict(tmp_path / "x.pth", {"a": weights_torch.Tensor(storage, 0, (3,))}, "")


def test_the_same_bytes_come_out_twice_and_the_second_call_builds_nothing(built, tmp_path, monkeypatch):
    _, result = built
    assert weights.build(tmp_path / "www", "http://lab") == result
    monkeypatch.setattr(weights, "state_dict", lambda: pytest.fail("built again"))
    assert weights.build(tmp_path / "www", "http://lab") == result


def test_the_shapes_come_in_torchvisions_order():
    names = [name for name, _ in weights_resnet50.shapes()]
    assert names[:3] == ["conv1.weight", "bn1.weight", "bn1.bias"]
    assert names.index("layer1.0.downsample.0.weight") > names.index("layer1.0.bn3.num_batches_tracked")
    assert names[-2:] == ["fc.weight", "fc.bias"]
