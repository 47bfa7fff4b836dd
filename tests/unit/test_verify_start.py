"""The command line of verify, versions and foreign packages, and a whole run in a Python that has no torch."""
from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from importlib import metadata

import pytest
import verifypackage
from verify import options, versions
from verify.result import CheckFailed


def _arguments(tmp_path, *more):
    for name in ("repo", "data"):
        (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / "repo" / "config.py").touch()
    return ["--repo", str(tmp_path / "repo"), "--config", "config.py", "--data", str(tmp_path / "data"),
            "--out", str(tmp_path / "out"), "--stack", "cpu", *more]


def test_paths_become_absolute_and_lists_are_kept(tmp_path):
    more = ["--expect", "torch=1.11.0", "--expect=mmcv=1.6.0", "--stand-in", "Co-DETR", "--level", "ops"]
    asked = options.parse(_arguments(tmp_path, *more))
    assert asked.config == tmp_path / "repo" / "config.py"
    assert asked.expect == {"torch": "1.11.0", "mmcv": "1.6.0"}
    assert asked.stand_ins == ("Co-DETR",)
    assert asked.reaches("ops")
    assert not asked.reaches("train")


def test_the_scale_is_small_where_speed_is_not_the_question(tmp_path):
    asked = options.parse(_arguments(tmp_path))
    assert (asked.longest, asked.speed_longest, asked.train_images) == (320, 0, 16)
    asked = options.parse(_arguments(tmp_path, "--scale", "160"))
    assert (asked.longest, asked.speed_longest) == (160, 160)
    assert options.parse(_arguments(tmp_path, "--scale", "0")).longest == 0


@pytest.mark.parametrize(("more", "arguments"), [
    (["--expect", "torch"], "NAME=VERSION"),
    (["--config", "absent.py"], "absent.py is not a file"),
    (["--repo", "/absent"], "/absent is not a folder"),
    (["--data", "/absent"], "/absent is not a folder"),
    (["--train-images", "0"], "at least 1"),
    (["--level", "all"], "invalid choice"),
    (["--gpus", "0"], "at least 1"),
    (["--speed-iterations", "3"], "at least 4"),
])
def test_wrong_usage_is_status_2_with_a_sentence(tmp_path, capsys, more, arguments):
    with pytest.raises(SystemExit) as ended:
        options.parse(_arguments(tmp_path, *more))
    assert ended.value.code == 2
    assert arguments in capsys.readouterr().err


@pytest.mark.parametrize(("expected", "found", "same"), [
    ("1.11.0", "1.11.0+cu102", True), ("1.11.0+cu113", "1.11.0+cu102", False), ("3.10", "3.10.13", True), ("3.1", "3.10.13", False),
    ("1.6.0", "1.6.1", False), ("2.11.0+cu130", "2.11.0+cu130", True),
])
def test_versions_match_by_their_parts(expected, found, same):
    assert versions.matches(expected, found) is same


def _package(folder, name, version="0"):
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(f"__version__ = '{version}'\n")


def test_copies_are_found_in_the_order_of_the_path_each_once(tmp_path):
    _package(tmp_path / "a", "mmdet")
    _package(tmp_path / "b", "mmdet")
    (tmp_path / "link").symlink_to("b")
    found = versions.copies("mmdet", [str(tmp_path / "absent"), str(tmp_path / "b"), str(tmp_path / "a"), str(tmp_path / "link")])
    assert [path.parents[1].name for path in found] == ["b", "a"]


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A repository with mmdet, found first; `installed` are the distributions that the environment has."""
    installed = {"mmcv-full": "1.6.0"}

    def version(name):
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    _package(tmp_path / "repo", "mmdet")
    asked = options.parse(_arguments(tmp_path))
    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.syspath_prepend(str(tmp_path / "repo"))
    return asked, installed


def test_a_repository_alone_is_fine(host):
    assert "mmcv-full 1.6.0 alone" in versions.check_foreign(host[0])


def test_another_mmdet_is_named_wherever_it_lies(host, tmp_path, monkeypatch):
    _package(tmp_path / "site", "mmdet")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    with pytest.raises(CheckFailed, match=f"foreign mmdet in {tmp_path / 'site'}"):
        versions.check_foreign(host[0])


def test_the_lite_mmcv_beside_the_full_one_is_named(host):
    host[1]["mmcv"] = "1.7.1"
    with pytest.raises(CheckFailed, match=r"mmcv 1\.7\.1 \(lite\) lies beside mmcv-full 1\.6\.0"):
        versions.check_foreign(host[0])


def test_mmcv_without_ops_is_named(host):
    host[1].clear()
    host[1]["mmcv"] = "2.1.0"
    with pytest.raises(CheckFailed, match="mmcv-full is not installed"):
        versions.check_foreign(host[0])


def test_a_run_without_torch_ends_with_a_whole_result(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(verifypackage.PARENT)}
    # -S: nothing that this machine has installed takes part
    done = subprocess.run([sys.executable, "-B", "-S", "-m", "verify", *_arguments(tmp_path, "--host", "bare", "--expect", "torch=1.11.0")],
                          env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    result = json.loads((tmp_path / "out" / "verify.json").read_text())
    assert (result["schema"], result["host"], result["stack"], result["passed"], result["finished"]) == (1, "bare", "cpu", False, True)
    checks = {check["name"]: check for check in result["checks"]}
    assert "torch cannot be imported" in checks["versions"]["detail"]
    assert checks["train"]["status"] == "skipped"
    assert result["level_passed"] is None
    assert result["levels"] == {"versions": "failed", "ops": "failed", "train": "failed", "speed": "not requested"}
    assert "; no level passed, in " in done.stdout.splitlines()[-1]
    assert all(check["name"] in done.stdout for check in result["checks"])
    assert "Traceback" not in done.stdout + done.stderr


def test_exit_zero_leaves_the_judgement_to_the_caller(tmp_path):
    command = [sys.executable, "-B", "-S", "-m", "verify", *_arguments(tmp_path, "--level", "versions", "--exit-zero")]
    environment = {**os.environ, "PYTHONPATH": str(verifypackage.PARENT)}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0
    assert json.loads((tmp_path / "out" / "verify.json").read_text())["passed"] is False


def test_two_runs_do_not_share_a_result_folder(tmp_path):
    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / "verify.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        environment = dict(os.environ, PYTHONPATH=str(verifypackage.PARENT))
        done = subprocess.run([sys.executable, "-m", "verify", *_arguments(tmp_path)], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"verify: another run uses {tmp_path}/out; wait for it, or end it.\n"
