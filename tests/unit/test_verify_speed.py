"""How verify measures the speed of a training: figures of its log, and what is watched meanwhile."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from types import SimpleNamespace

import pytest
import verifypackage  # noqa: F401
from verify import processes, speed, watch
from verify.options import Options
from verify.prepare import Prepared
from verify.result import CheckFailed
from verify.watch import Usage


def _records(*times, memory=None):
    return [{"iter": number, "loss": 1.0, "time": taken, "data_time": taken / 10} | ({"memory": memory} if memory else {})
            for number, taken in enumerate(times, 1)]


def test_figures_leave_the_warm_up_out():
    figures = speed.measure(_records(50.0, 9.0, 1.0, 1.0, 4.0, memory=15300), 2, 4, 2)
    assert figures["images_per_second"] == pytest.approx(4 * 2 * 3 / 6, abs=1e-3)
    assert (figures["seconds_per_iteration"], figures["data_seconds"]) == (1.0, 0.1)
    assert (figures["batch"], figures["gpus"], figures["iterations"]) == (4, 2, 3)
    assert figures["peak_memory_bytes"] == 15300 * 2**20


def test_a_processor_counts_as_one_and_has_no_memory_of_gpus():
    figures = speed.measure(_records(2.0, 2.0), 1, 2, 0)
    assert (figures["images_per_second"], figures["peak_memory_bytes"]) == (1.0, None)


@pytest.mark.parametrize("records", [[], _records(1.0, 1.0), _records(1.0, 1.0, 0.0)], ids=["none", "warm-up only", "without time"])
def test_a_training_in_which_nothing_counts_fails(records):
    with pytest.raises(CheckFailed, match="0 of the"):
        speed.measure(records, 2, 2, 0)


def test_use_counts_from_the_end_of_the_warm_up_to_the_last_iteration():
    usage = Usage(gpus=[(1.0, {0: 0.0, 1: 0.0}), (5.0, {0: 80.0, 1: 60.0}), (6.0, {0: 90.0, 1: 70.0}), (9.0, {0: 0.0, 1: 0.0})])
    figures = speed._used(usage, [(2.0, 1), (4.0, 2), (8.0, 3)], 2)
    assert figures["gpu_use_percent"] == 75.0
    assert figures["gpu_use_percent_each"] == {"0": 85.0, "1": 65.0}


@pytest.mark.parametrize(("usage", "reached"), [
    (Usage(without="there is no nvidia-smi"), [(2.0, 1), (4.0, 2)]), (Usage(gpus=[(1.0, {0: 9.0})]), [(2.0, 1), (4.0, 2)]), (Usage(), []),
], ids=["no samples", "none in that time", "nothing ran"])
def test_use_that_was_not_measured_is_absent(usage, reached):
    assert speed._used(usage, reached, 1)["gpu_use_percent"] is None


@pytest.mark.parametrize(("output", "use"), [
    ("0, 97, 15321\n1, 8, 3\n", {0: 97.0, 1: 8.0}), ("0, [N/A], 15321\n", {}), ("No devices were found\n", {}), ("", {}),
    ("3, 100, [Not Supported]", {3: 100.0}),
])
def test_what_nvidia_smi_tells(output, use):
    assert watch.parse(output) == use


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """Put a program by the name of nvidia-smi on the path, or none."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(body):
        if body is not None:
            (folder / "nvidia-smi").write_text(f"#!{sys.executable}\nimport sys, time\n{body}\n")
            (folder / "nvidia-smi").chmod(0o755)
        usage = Usage()
        with watch.watching(os.getpid(), "0,1", usage):
            deadline = time.monotonic() + 5
            while not usage.gpus and usage.without is None and time.monotonic() < deadline:
                time.sleep(0.02)
        return usage

    return put


def test_samples_are_of_the_gpus_that_were_named(smi, tmp_path):
    usage = smi(f"open({str(tmp_path / 'asked')!r}, 'w').write(' '.join(sys.argv[1:])); print('0, 50, 10')")
    assert usage.gpus[0][1] == {0: 50.0}
    assert (tmp_path / "asked").read_text() == "--id=0,1 --query-gpu=index,utilization.gpu,memory.used --format=csv,noheader,nounits"


@pytest.mark.parametrize(("body", "why"), [
    (None, "there is no nvidia-smi"),
    ("print('Failed to initialize NVML'); sys.exit(18)", "nvidia-smi fails: Failed to initialize NVML"),
    ("print('0, [N/A], [N/A]')", "does not report"),
], ids=["missing", "failing", "silent"])
def test_without_samples_there_is_a_reason(smi, body, why):
    usage = smi(body)
    assert usage.gpus == []
    assert why in (usage.without or "")


def test_nvidia_smi_that_hangs_is_left_alone_after_its_time(smi, monkeypatch):
    monkeypatch.setattr(watch, "ANSWER", 0.3)
    begun = time.monotonic()
    usage = smi("time.sleep(60)")
    assert "did not answer" in (usage.without or "")
    assert time.monotonic() - begun < 5


def test_a_watch_whose_call_never_returns_is_not_waited_for(monkeypatch):
    """A driver that hangs keeps nvidia-smi in the kernel, where it cannot be killed."""
    never = threading.Event()
    monkeypatch.setattr(watch, "ANSWER", 0.1)
    monkeypatch.setattr(watch.shutil, "which", lambda name: name)
    monkeypatch.setattr(watch.subprocess, "run", lambda *_, **__: never.wait() and SimpleNamespace(returncode=0, stdout=""))
    begun = time.monotonic()
    with watch.watching(os.getpid(), "0", Usage()):
        time.sleep(0.05)
    assert time.monotonic() - begun < 2
    never.set()


def test_where_no_gpu_takes_part_memory_is_watched():
    usage = Usage()
    with watch.watching(os.getpid(), "", usage):
        deadline = time.monotonic() + 5
        while not usage.memory and time.monotonic() < deadline:
            time.sleep(0.02)
    assert usage.memory[0][1] > 2**20
    assert usage.without == "no GPU takes part"


def test_a_family_is_found_over_sessions_and_its_memory_counts():
    body = ("import subprocess, sys, time; held = bytearray(64 * 2**20); held[::4096] = b'x' * len(held[::4096]);"
            "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True);"
            "print(child.pid, flush=True); time.sleep(60)")
    parent = subprocess.Popen([sys.executable, "-c", body], stdout=subprocess.PIPE)
    child = int(parent.stdout.readline())
    assert processes.family(parent.pid) == [parent.pid, child]
    assert processes.memory([parent.pid]) > 64 * 2**20
    assert processes.memory([parent.pid, child]) > processes.memory([child])
    processes.end(parent)
    parent.stdout.close()
    assert processes.family(parent.pid) == []
    assert parent.returncode is not None


def test_a_process_that_has_ended_has_no_family_and_no_memory():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert processes.family(ended.pid) == []
    assert processes.memory([ended.pid]) == 0


SCRIPT = """
    import json, os, pathlib, sys
    folder = pathlib.Path(sys.argv[sys.argv.index("--work-dir") + 1])
    (folder / "told.json").write_text(json.dumps([sys.argv[1:], dict(os.environ)]))
    lines = [{"mode": "train", "epoch": 1, "iter": number, "loss": 1.5, "time": 0.5, "data_time": 0.1} for number in range(1, 13)]
    for line in lines:
        print(f"Epoch [1][{line['iter']}/12]", flush=True)
    (folder / "now.log.json").write_text("\\n".join(map(json.dumps, lines)))
"""


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Measure with a tools/train.py of a few lines, on a host with `there` GPUs."""
    (tmp_path / "1.jpg").touch()
    (tmp_path / "a.json").write_text(json.dumps({"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [{"image_id": 1}]}))
    repo, out = tmp_path / "repo", tmp_path / "out"
    (repo / "tools").mkdir(parents=True)
    out.mkdir()
    pipeline = [{"type": "Resize", "img_scale": [(480, 1333), (800, 1333)]}]
    dataset = {"type": "CocoDataset", "ann_file": str(tmp_path / "a.json"), "img_prefix": str(tmp_path), "pipeline": pipeline}
    config = SimpleNamespace(data=SimpleNamespace(val=SimpleNamespace(to_dict=lambda: dataset)))
    base = SimpleNamespace(data={"train": dataset, "samples_per_gpu": 3, "workers_per_gpu": 5})
    prepared = Prepared(out / "c.py", config, False, "", base, {"without_weights": None, "mixed_precision": False})

    def run(script=SCRIPT, there=0, **asked):
        monkeypatch.setattr(speed, "_gpus", lambda: there)
        (repo / "tools" / "train.py").write_text(textwrap.dedent(script))
        options = Options(repo=repo, config=repo / "c.py", data=tmp_path, out=out, stack="cpu", host="h",
                          **{"launcher": "none", "speed_iterations": 8, **asked})
        measured = speed.check(options, prepared)
        settings: dict = {}
        exec((out / "speed_config.py").read_text(), settings)
        return measured, settings

    return run, out


def test_speed_is_measured_with_the_configs_own_batch_workers_and_scales(bench):
    measured, settings = bench[0]()
    data = settings["data"]
    assert (data["samples_per_gpu"], data["workers_per_gpu"]) == (3, 5)
    # one image, as often as eight iterations of three need it
    assert (data["train"]["type"], data["train"]["times"]) == ("RepeatDataset", 24)
    assert settings["checkpoint_config"] is None
    assert measured.figures["scales"] == "480x1333 to 800x1333"
    assert (measured.warmup, measured.figures["iterations"], len(measured.records)) == (2, 10, 12)
    assert measured.figures["images_per_second"] == pytest.approx(3 / 0.5)
    assert measured.figures["peak_memory_bytes"] is None or measured.figures["peak_memory_bytes"] > 0
    assert "GPU use not measured: no GPU takes part" in measured.detail
    assert "6.00 images/s on the CPU" in measured.detail


def test_batch_and_scale_can_be_asked_for(bench):
    measured, settings = bench[0](batch=1, scale=64)
    assert settings["data"]["samples_per_gpu"] == 1
    assert (measured.figures["batch"], measured.figures["scales"]) == (1, "64x64")


def test_more_gpus_than_there_are_fail_before_anything_is_started(bench):
    with pytest.raises(CheckFailed, match=r"4 GPUs are requested \(--gpus\), but torch finds 1"):
        bench[0](there=1, gpus=4)
    assert not (bench[1] / "speed").exists()


@pytest.mark.parametrize(("old", "new", "part"), [
    ("range(1, 13)", "range(0)", "0 of the 0 iterations"),
    ("range(1, 13)", "range(1, 12)", "11 iterations, not 12"),
    ('"loss": 1.5', '"loss": float("nan")', "loss is nan"),
    ('"time": 0.5, ', "", "0 of the 12 iterations have a time"),
])
def test_a_measurement_of_nothing_does_not_pass(bench, old, new, part):
    script = SCRIPT.replace(old, new)
    if old.startswith("range"):
        script = script.replace("/12]", "/12]" if "12)" in new else "/0]")
        script = script.replace("for line in lines:", "for line in [*lines, {'iter': 12}][:12]:") if "12)" in new else script
    with pytest.raises(CheckFailed, match=part):
        bench[0](script)


def test_several_gpus_get_a_process_each_and_the_environment_as_it_is(bench, monkeypatch, tmp_path):
    monkeypatch.setenv("NCCL_NVLS_ENABLE", "0")
    monkeypatch.setenv("RANK", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1,2")
    monkeypatch.setenv("PATH", str(tmp_path))
    script = SCRIPT.replace('"told.json"', 'f"told{os.environ[\'RANK\']}.json"')
    # only the first says how far it is
    script = script.replace("for line in lines:", "for line in lines if os.environ['RANK'] == '0' else []:")
    measured, _ = bench[0](script, there=3, gpus=2)
    record = [json.loads((bench[1] / "speed" / f"told{rank}.json").read_text()) for rank in (0, 1)]
    for rank, (arguments, environment) in enumerate(record):
        assert arguments[arguments.index("--launcher") + 1] == "pytorch"
        assert (environment["RANK"], environment["LOCAL_RANK"], environment["WORLD_SIZE"]) == (str(rank), str(rank), "2")
        assert environment["NCCL_NVLS_ENABLE"] == "0"
    assert record[0][1]["MASTER_PORT"] == record[1][1]["MASTER_PORT"]
    assert (measured.figures["gpus"], measured.figures["images_per_second"]) == (2, pytest.approx(2 * 3 / 0.5))
    assert "GPU use not measured: there is no nvidia-smi" in measured.detail
    assert speed._ids(2) == "3,1"


def test_when_one_process_fails_the_others_are_not_waited_for(bench):
    script = """
        import os, time
        if os.environ["RANK"] == "1":
            raise SystemExit("ncclSystemError: of rank 1")
        time.sleep(60)
    """
    begun = time.monotonic()
    with pytest.raises(CheckFailed, match="exit status 1") as failed:
        bench[0](script, there=2, gpus=2)
    assert "ncclSystemError" in failed.value.output
    assert time.monotonic() - begun < 20


def test_gpus_are_those_that_cuda_shows(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert speed._ids(0) == ""
    assert speed._ids(3) == "0,1,2"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-5d1c, GPU-77aa")
    assert speed._ids(1) == "GPU-5d1c"
