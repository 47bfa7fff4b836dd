"""The order of the checks and the level that each belongs to, with checks that do nothing."""
from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import verifypackage  # noqa: F401
from verify import session
from verify.options import LEVELS, Options
from verify.progress import STEPS, Progress
from verify.result import CheckFailed, Recorder, Result
from verify.session import Session
from verify.trainlog import TrainLog

OF_LEVEL = {
    "versions": ["versions", "foreign"],
    "ops": ["config", "model", "ops library", "op nms", "step"],
    "train": ["train", "falling", "checkpoint", "evaluation", "resume", "lvis", "images"],
    "speed": ["speed", "speed plot"],
}
LOSSES = [{"iter": number, "loss": 20.0 - number, "time": 0.5} for number in range(1, 17)]


@pytest.fixture
def begun():
    """The checks that have begun, in order."""
    return []


@pytest.fixture
def run(tmp_path, monkeypatch, begun):
    """Run a session in which everything is fine, but for what is put in the place of a function."""
    prepared = SimpleNamespace(detail="", random_backbone=False, config=SimpleNamespace(model=SimpleNamespace(
        to_dict=lambda: {"type": "nms"})))
    trained = SimpleNamespace(detail="", log=TrainLog(LOSSES, {"bbox_mAP": 0.0}))
    measured = SimpleNamespace(detail="", figures={"images_per_second": 6.5})
    fine = {
        "versions.check_versions": "", "versions.check_foreign": "", "prepare": prepared,
        "model.build": (SimpleNamespace(modules=lambda: []), ""), "model.parameters": 7, "model.train_dataset": LOSSES,
        "model.one_step": (1.5, ""), "probe.ops_library": "", "Session._check_op": "", "train.run": trained,
        "train.check_checkpoint": (9, ""), "resume.check": "", "lvis_data.check": (None, ""), "images.draw_losses": None,
        "images.innermost": None, "images.draw_samples": [], "speed.check": measured, "speed_plot.draw": None,
    }
    for name, value in fine.items():
        monkeypatch.setattr(f"verify.session.{name}", lambda *_, value=value: value)

    def go(level, **broken):
        begun.clear()
        for name, error in broken.items():
            monkeypatch.setattr(f"verify.session.{name.replace('__', '.')}", _raising(error))
        options = Options(repo=tmp_path, config=tmp_path / "c.py", data=tmp_path, out=tmp_path, stack="cpu", host="h", level=level)
        result = Result("h", "cpu", level)
        Session(options, result, Recorder(result, say=lambda text: None, begin=begun.append)).run()
        result.finished = True
        return result

    return go


def _raising(error):
    def check(*_):
        raise error
    return check


@pytest.mark.parametrize("level", LEVELS)
def test_each_level_runs_its_checks_after_those_below_it(run, level):
    result = run(level)
    levels = LEVELS[:LEVELS.index(level) + 1]
    assert [(check.level, check.name) for check in result.checks] == [(name, check) for name in levels for check in OF_LEVEL[name]]
    assert [check.status for check in result.checks] == ["ok"] * len(result.checks)
    assert (result.level_passed, result.passed, result.ended) == (level, True, list(levels))


def test_figures_and_pictures_of_all_levels_are_in_the_result(run):
    result = run("speed")
    assert result.figures["speed"] == {"images_per_second": 6.5}
    assert (result.figures["median_loss_first_quarter"], result.figures["median_loss_last_quarter"]) == (17.5, 5.5)
    assert [image["file"] for image in result.images] == ["loss.png", "speed.png"]


def test_a_training_that_fails_keeps_speed_from_being_measured(run):
    result = run("speed", train__run=CheckFailed("no"))
    record = {check.name: (check.status, check.needs) for check in result.checks}
    assert record["train"] == ("FAIL", None)
    assert record["resume"] == ("skipped", "train")
    assert record["speed"] == ("skipped", "train")
    assert record["lvis"] == ("ok", None)
    assert result.levels == {"versions": "passed", "ops": "passed", "train": "failed", "speed": "not reached"}
    assert result.level_passed == "ops"


def test_a_loss_that_does_not_fall_fails_the_level_and_nothing_else(run, monkeypatch):
    rising = SimpleNamespace(detail="", log=TrainLog([{"iter": number, "loss": number} for number in range(1, 17)], {"bbox_mAP": 0.0}))
    monkeypatch.setattr(session.train, "run", lambda *_: rising)
    result = run("train")
    assert [check.name for check in result.checks if check.status != "ok"] == ["falling"]
    assert result.level_passed == "ops"


def test_each_check_begins_a_step_of_its_level(run, begun):
    run("speed")
    steps = [check for level in LEVELS for check in STEPS[level]]
    assert ["op" if name.startswith("op ") else name for name in begun] == steps


def test_the_step_and_its_iterations_are_written(tmp_path):
    progress = Progress(tmp_path / "progress.json", "train")
    progress.begin("op nms")
    assert json.loads((tmp_path / "progress.json").read_text()) == {
        "doing": "ops, step 6 of 14: comparing the compiled ops with a reference"}
    progress.begin("train")
    progress.iteration(3, 16)
    assert json.loads((tmp_path / "progress.json").read_text()) == {
        "doing": "train, step 8 of 14: training for one epoch", "done": 3, "total": 16, "unit": "iterations"}


def test_a_step_that_cannot_be_written_fails_nothing(tmp_path):
    Progress(tmp_path / "absent" / "progress.json", "ops").begin("model")
