"""How verify tells a training that went on from a checkpoint from one that began anew."""
from __future__ import annotations

import json
import re
import textwrap
from types import SimpleNamespace

import pytest
import verifypackage  # noqa: F401
from verify import resume, train, trainlog
from verify.options import Options
from verify.prepare import Prepared
from verify.result import CheckFailed


class Numbers(tuple):
    """Enough of a tensor for sums of squares."""

    __slots__ = ()

    def __sub__(self, other):
        return Numbers(one - two for one, two in zip(self, other, strict=True))

    def __pow__(self, exponent):
        return Numbers(one ** exponent for one in self)

    def sum(self):
        return sum(self)

    def double(self):
        return self

    def is_floating_point(self):
        return True

    def dim(self):
        return 2


def _log(epoch, count=2):
    return trainlog.TrainLog([{"iter": number, "loss": 1.0, "epoch": epoch} for number in range(1, count + 1)])


SAID = "mmdet - INFO - resumed epoch 1, iter 16\n"


def test_a_training_that_resumed_where_the_first_ended():
    assert resume.started(SAID, _log(2), 16, 2) == []


@pytest.mark.parametrize(("message", "log", "part"), [
    ("", _log(2), "does not say that it resumed"),
    ("resumed epoch 1, iter 12", _log(2), "resumed epoch 1, iteration 12, not epoch 1, iteration 16"),
    (SAID, _log(1), r"logged the epochs \[1\], not epoch 2 alone"),
    (SAID, trainlog.TrainLog(_log(1).losses + _log(2).losses), r"epochs \[1, 2\]"),
    (SAID, _log(2, 0), "0 iterations, not 2"),
])
def test_one_that_did_not(message, log, part):
    assert any(re.search(part, sentence) for sentence in resume.started(message, log, 16, 2))


def _summary(epoch, iteration, step, weights=(1.0, 1.0)):
    return {"epoch": epoch, "iter": iteration, "state": [step, step], "weights": {"head": Numbers(weights)}}


BEFORE = _summary(1, 16, 16.0)


def test_a_checkpoint_that_follows_the_first():
    wrong, message = resume.continued(BEFORE, _summary(2, 18, 18.0, (1.01, 1.0)), 2)
    assert wrong == []
    assert "weights moved by 0.7%" in message
    assert "step 16 to 18" in message


@pytest.mark.parametrize(("after", "part"), [
    (_summary(1, 18, 18.0, (1.01, 1.0)), "of epoch 1, iteration 18, not of epoch 2, iteration 18"),
    (_summary(2, 2, 18.0, (1.01, 1.0)), "of epoch 2, iteration 2"),
    (_summary(2, 18, 2.0, (1.01, 1.0)), "its optimizer is at step 2 after step 16"),
    (_summary(2, 18, 18.0, (-1.0, 1.0)), "141% away"),
    (_summary(2, 18, 18.0, (float("nan"), 1.0)), "nan% away"),
    (_summary(2, 18, 18.0), "learned nothing"),
    ({**_summary(2, 18, 18.0, (1.01, 1.0)), "state": []}, "a state for 0 parameters, epoch 1's for 2"),
    ({**_summary(2, 18, 18.0), "weights": {"other": Numbers((1.0,))}}, "inf% away"),
])
def test_one_that_began_anew_or_learned_nothing(after, part):
    wrong, _ = resume.continued(BEFORE, after, 2)
    assert any(part in sentence for sentence in wrong), wrong


def test_an_optimizer_without_steps_is_judged_by_the_rest():
    before, after = ({**_summary(*place, None, weights)} for place, weights in (((1, 16), (1.0, 1.0)), ((2, 18), (1.01, 1.0))))
    assert resume.continued(before, after, 2)[0] == []


SCRIPT = """
    import json, pathlib, sys
    folder = pathlib.Path(sys.argv[sys.argv.index("--work-dir") + 1])
    (folder / "arguments.json").write_text(json.dumps(sys.argv))
    print("resumed epoch 1, iter 16")
    lines = [{"mode": "train", "epoch": 2, "iter": number, "loss": 1.5} for number in (1, 2)]
    (folder / "now.log.json").write_text("\\n".join(map(json.dumps, lines)))
    (folder / "epoch_2.pth").touch()
"""


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Resume with a tools/train.py of a few lines, and checkpoints that are made up."""
    for number in (1, 2, 3):
        (tmp_path / f"{number}.jpg").touch()
    ids = (1, 2, 3)
    (tmp_path / "a.json").write_text(json.dumps({
        "images": [{"id": number, "file_name": f"{number}.jpg"} for number in ids],
        "annotations": [{"image_id": number} for number in ids]}))
    repo, out = tmp_path / "repo", tmp_path / "out"
    (repo / "tools").mkdir(parents=True)
    out.mkdir()
    options = Options(repo=repo, config=repo / "c.py", data=tmp_path, out=out, stack="cpu", host="h", launcher="none", seed=3)
    dataset = {"type": "CocoDataset", "ann_file": str(tmp_path / "a.json"), "img_prefix": str(tmp_path), "pipeline": []}
    config = SimpleNamespace(data=SimpleNamespace(val=SimpleNamespace(to_dict=lambda: dataset)))
    prepared = Prepared(out / "c.py", config, False, "", SimpleNamespace(data={"train": dataset}),
                        {"without_weights": None, "mixed_precision": False})
    trained = train.Trained(_log(1, 16), out / "work", "")
    weights = {1: (1.0, 1.0), 2: (1.01, 1.0)}

    def load(path):
        epoch = int(path.stem[-1])
        step = 14 + 2 * epoch
        return {"meta": {"epoch": epoch, "iter": step}, "state_dict": {"head": Numbers(weights[epoch]), "backbone.conv": Numbers((9.0,))},
                "optimizer": {"state": {0: {"step": step}}}}

    monkeypatch.setattr(resume, "load", load)

    def run(script=SCRIPT):
        (repo / "tools" / "train.py").write_text(textwrap.dedent(script))
        return resume.check(options, prepared, trained)

    return run, out


def test_a_second_epoch_is_trained_from_the_firsts_checkpoint(bench):
    run, out = bench
    assert "epoch 2 continued from iteration 16 for 2 more" in run()
    arguments = json.loads((out / "resume" / "arguments.json").read_text())
    assert arguments[arguments.index("--resume-from") + 1] == str(out / "work" / "epoch_1.pth")
    assert "--no-validate" in arguments
    # another seed than the first training's
    assert arguments[arguments.index("--seed") + 1] == "4"
    assert len(json.loads((out / "data" / "resume.json").read_text())["images"]) == resume.IMAGES
    settings: dict = {}
    exec((out / "resume_config.py").read_text(), settings)
    assert settings["runner"]["max_epochs"] == 2


@pytest.mark.parametrize(("old", "new", "part"), [
    ('print("resumed epoch 1, iter 16")', "", "does not say that it resumed"),
    ('(folder / "epoch_2.pth").touch()', "", "left no checkpoint epoch_2.pth"),
    ('"epoch": 2', '"epoch": 1', "not epoch 2 alone"),
])
def test_a_training_that_takes_no_notice_of_the_checkpoint_fails(bench, old, new, part):
    with pytest.raises(CheckFailed, match=part):
        bench[0](SCRIPT.replace(old, new))


def test_a_checkpoint_that_torch_refuses_to_load_shows_in_the_output(bench):
    with pytest.raises(CheckFailed, match="exit status 1") as failed:
        bench[0]("raise RuntimeError('Weights only load failed. In PyTorch 2.6, we changed the default')")
    assert "Weights only load failed" in failed.value.output
