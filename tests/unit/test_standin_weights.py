"""The checkpoint that stands in for torchvision's ResNet-50 weights, read back by a reader that knows no more than pickle."""

from __future__ import annotations

import collections
import io
import math
import pickle
import zipfile
from types import SimpleNamespace

import pytest
from lab.standins import weights


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


def test_the_same_bytes_come_out_twice_and_the_second_call_builds_nothing(built, tmp_path, monkeypatch):
    _, result = built
    assert weights.build(tmp_path / "www", "http://lab") == result
    monkeypatch.setattr(weights, "state_dict", lambda: pytest.fail("built again"))
    assert weights.build(tmp_path / "www", "http://lab") == result
