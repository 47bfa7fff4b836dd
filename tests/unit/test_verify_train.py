"""What verify reads from annotation files and training logs, and how it follows a training, with a training of a few lines."""
from __future__ import annotations

import json
import os
import textwrap
import time
from pathlib import Path

import pytest
import verifypackage
from verify import subset, train, trainlog
from verify.options import Options
from verify.prepare import Prepared
from verify.result import CheckFailed, CheckSkipped


def _annotations(path, images=5):
    content = {
        "images": [{"id": number, "file_name": f"{number}.jpg"} for number in range(images, 0, -1)],
        # image 1 has nothing but a crowd, image 2 has no annotation
        "annotations": [{"image_id": 1, "iscrowd": 1}, *({"image_id": number, "iscrowd": 0} for number in range(3, images + 1))],
        "categories": [{"id": 90, "name": "toothbrush"}],
    }
    path.write_text(json.dumps(content))
    for number in range(1, images + 1):
        (path.parent / f"{number}.jpg").touch()
    return path


def test_a_cut_takes_the_first_images_with_boxes_and_keeps_categories(tmp_path):
    chosen = subset.cut(_annotations(tmp_path / "a.json"), tmp_path, tmp_path / "out" / "cut.json", 2)
    assert [image["id"] for image in chosen] == [3, 4]
    written = json.loads((tmp_path / "out" / "cut.json").read_text())
    assert [item["image_id"] for item in written["annotations"]] == [3, 4]
    assert written["categories"] == [{"id": 90, "name": "toothbrush"}]


def test_a_cut_names_a_missing_image(tmp_path):
    source = _annotations(tmp_path / "a.json")
    (tmp_path / "4.jpg").unlink()
    with pytest.raises(CheckFailed, match=r"1 of 3 images are missing .* 4\.jpg"):
        subset.cut(source, tmp_path, tmp_path / "cut.json", 9)


@pytest.mark.parametrize(("content", "given_words"), [
    (None, "cannot be read"), ("{", "not valid JSON"), ("{}", "no images"), ("[]", "no images"),
])
def test_an_annotation_file_that_is_none_is_refused(tmp_path, content, given_words):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CheckFailed, match=given_words):
        subset.read(path)


def test_lvis_images_lie_in_the_folder_that_their_address_ends_with():
    assert subset.file_of({"coco_url": "http://host/train2017/1.jpg"}) == "train2017/1.jpg"
    assert subset.file_of({"coco_url": "http://host/train2017/1.jpg", "file_name": "1.jpg"}) == "1.jpg"


def _write_log(folder, losses, metrics=None):
    lines = [{"env_info": "..."}, *({"mode": "train", "iter": number, "loss": loss, "d0.loss_cls": 1.0, "lr": 2e-4}
                                    for number, loss in enumerate(losses, 1))]
    lines += [{"mode": "val", "iter": 4, "bbox_mAP_copypaste": "0 0", **metrics}] if metrics else []
    (folder / "20260101.log.json").write_text("\n".join(map(json.dumps, lines)) + '\n{"mode": "tr')


def test_losses_and_metrics_are_read_past_a_line_that_was_cut_off(tmp_path):
    _write_log(tmp_path, [3.0, 2.0], {"bbox_mAP": 0.25, "bbox_mAP_50": 0.5})
    log = trainlog.read(tmp_path)
    assert log.losses[1] == {"iter": 2, "loss": 2.0, "d0.loss_cls": 1.0, "lr": 2e-4}
    assert log.metrics == {"bbox_mAP": 0.25, "bbox_mAP_50": 0.5}
    assert log.average_precision == 0.25
    assert log.complaints(2) == []


def test_lvis_names_its_average_precision_otherwise(tmp_path):
    _write_log(tmp_path, [3.0], {"bbox_AP": 0.1})
    assert trainlog.read(tmp_path).average_precision == 0.1


@pytest.mark.parametrize(("losses", "metrics", "part"), [
    ([3.0], {"bbox_mAP": 0.1}, "1 iterations, not 2"),
    ([3.0, float("nan")], {"bbox_mAP": 0.1}, "loss is nan at iteration 2"),
    ([3.0, float("inf")], {"bbox_mAP": 0.1}, "loss is inf"),
    ([3.0, 2.0], None, "no evaluation"),
])
def test_what_is_wrong_with_a_training_is_said(tmp_path, losses, metrics, part):
    _write_log(tmp_path, losses, metrics)
    assert part in "; ".join(trainlog.read(tmp_path).complaints(2))


def test_a_training_without_a_log_fails(tmp_path):
    with pytest.raises(CheckFailed, match=r"no \.log\.json"):
        trainlog.read(tmp_path)


def test_last_lines_leave_out_progress_bars():
    assert trainlog.last_lines("a\n\n[>>  ] 1/4\r[>>>>] 4/4\nb\n", 2) == "[>>>>] 4/4\nb"


@pytest.mark.parametrize("losses", [
    [9, 8, 7, 6, 5, 4, 3, 2], [9, 200, 9, 9, 9, 5, 5, 5, 5, 5, 5, 300],
], ids=["steadily", "with two that stand out"])
def test_a_loss_that_falls(losses):
    (first, last), output = train.check_falling(losses)
    assert last < first
    assert "less" in output


@pytest.mark.parametrize("losses", [
    [5] * 8, [1, 2, 3, 4, 5, 6, 7, 8], [100, 100, 100, 100, 92, 92, 92, 92], [0] * 8,
    [100, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], [float("nan")] * 8,
], ids=["constant", "rising", "by less than images differ", "nothing", "only the first one is larger", "no number"])
def test_a_loss_that_does_not_fall_fails_with_its_figures(losses):
    with pytest.raises(CheckFailed, match=r"does not fall: median of the loss [\d.na]+ over the first \d+ iterations, [\d.na]+"):
        train.check_falling(losses)


def test_too_few_iterations_tell_nothing_about_falling():
    with pytest.raises(CheckSkipped, match="7 iterations are too few"):
        train.check_falling([7, 6, 5, 4, 3, 2, 1])


def test_an_average_precision_that_measured_nothing_fails():
    trained = train.Trained(trainlog.TrainLog(metrics={"bbox_mAP": -1.0}), Path(), "")
    with pytest.raises(CheckFailed, match=r"-1\.0"):
        train.check_evaluation(trained)


@pytest.fixture
def training(tmp_path, monkeypatch):
    """Make a repository whose tools/train.py is `body`, and run it."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(verifypackage.PARENT), "/elsewhere"]))

    def run(body, **options):
        repo, out = tmp_path / "repo", tmp_path / "out"
        (repo / "tools").mkdir(parents=True)
        out.mkdir(exist_ok=True)
        (repo / "tools" / "train.py").write_text(textwrap.dedent(body))
        asked = Options(repo=repo, config=repo / "c.py", data=tmp_path, out=out, stack="cpu", host="h", **{"launcher": "none", **options})
        output: list[tuple[str, int, int]] = []
        return train.run(asked, Prepared(out / "c.py", None, False, ""), 1, lambda *iteration: output.append(iteration)), output

    return run


GOOD = """
    import json, os, pathlib, sys
    print("Epoch [1][1/1]  loss: 1.5")
    folder = pathlib.Path(sys.argv[sys.argv.index("--work-dir") + 1])
    lines = [{"mode": "train", "iter": 1, "loss": 1.5}, {"mode": "val", "bbox_mAP": 0.0}]
    (folder / "now.log.json").write_text("\\n".join(map(json.dumps, lines)))
    (folder / "told.json").write_text(json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]))
"""


def test_a_training_is_followed_and_told_what_it_needs(training):
    trained, output = training(GOOD, seed=7)
    assert output == [("train", 1, 1)]
    arguments, folder, environment = json.loads((trained.work_dir / "told.json").read_text())
    assert arguments[arguments.index("--seed") + 1] == "7"
    assert arguments[arguments.index("--launcher") + 1] == "none"
    assert Path(folder).name == "repo"
    assert environment["PYTHONPATH"] == "/elsewhere"
    assert "loss 1.500 to 1.500" in trained.detail


def test_the_launcher_pytorch_gets_the_variables_of_one_process(training):
    trained, _ = training(GOOD, launcher="pytorch")
    environment = json.loads((trained.work_dir / "told.json").read_text())[2]
    assert environment["WORLD_SIZE"] == "1"
    assert environment["MASTER_PORT"].isdigit()


def test_a_training_that_fails_shows_its_last_lines(training):
    with pytest.raises(CheckFailed, match="exit status 3") as failed:
        training("import sys; print('about to fail'); sys.exit(3)")
    assert "about to fail" in str(failed.value)


def test_a_training_that_is_killed_is_told_from_one_that_ends(training):
    with pytest.raises(CheckFailed, match="killed by signal 9"):
        training("import os; os.kill(os.getpid(), 9)")


def test_a_training_that_ends_well_and_logs_nothing_fails(training):
    with pytest.raises(CheckFailed, match=r"no \.log\.json"):
        training("print('done')")


def test_what_an_earlier_training_left_is_not_taken_for_this_ones(training, tmp_path):
    work = tmp_path / "out" / "work"
    work.mkdir(parents=True)
    (work / "epoch_1.pth").touch()
    _write_log(work, [1.0], {"bbox_mAP": 0.5})
    with pytest.raises(CheckFailed, match=r"no \.log\.json"):
        training("print('done')")
    assert not (work / "epoch_1.pth").exists()


def test_a_training_that_does_not_end_is_ended_with_all_that_it_started(training, tmp_path):
    body = f"""
        import subprocess, sys, threading
        # a session of its own, as torch gives its workers
        other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        open({str(tmp_path / "pid")!r}, "w").write(str(other.pid))
        threading.Event().wait()
    """
    with pytest.raises(CheckFailed, match="did not end within 4 s"):
        training(body, train_timeout=4)
    stat = Path("/proc", (tmp_path / "pid").read_text(), "stat")
    deadline = time.monotonic() + 10
    # a zombie has ended, whether or not anybody has collected it
    while (alive := stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive

