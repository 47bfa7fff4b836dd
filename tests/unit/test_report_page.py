"""The report: what the page shows, that it needs nothing from outside, and that it says what is not real."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from codetr_provision import cli, page, report, summary, wording
from codetr_provision.model import Failure, HostResult, RunResult, StageResult, Upstream

NASTY = "<script>alert(1)</script>"


def verify(**change: Any) -> dict[str, Any]:
    checks = [{"name": "compiled_ops", "status": "ok", "detail": "7 ops agree", "seconds": 5.0}, {"name": "lvis", "status": "ok"}]
    return {
        "schema": 1, "host": "one", "stack": "cpu", "level": "train", "passed": True, "stand_ins": ["coco"], "checks": checks,
        "figures": {"peak_memory_bytes": 2**31, "bbox_mAP": 0.0123456}, "versions": {"torch": "1.11.0", "cuda": None},
        "losses": [{"iter": 1, "loss": 34.9}, {"iter": 40, "loss": 10.2}], "seconds": 70.3, **change,
    }


def one_run(**change: Any) -> RunResult:
    miniconda = StageResult("miniconda", "install", "nothing is there yet", "23.11", True, True, "done", 12.0)
    host = HostResult("one", "cpu", stages=[miniconda, StageResult("env", "keep", status="done")])
    record: dict[str, Any] = {"started": "2026-01-01T10:00:00+00:00", "seconds": 90.0, "command": "codetr-provision up", "hosts": [host]}
    return RunResult(**record | change)


def fetched(tmp_path: Path, content: object, host: str = "one") -> Path:
    folder = tmp_path / "fetched" / host
    folder.mkdir(parents=True)
    (folder / "verify.json").write_text(json.dumps(content))
    for name in ("loss.png", "sample-1.jpg", "sample-2.jpg", "private.png"):
        Image.new("RGB", (8, 8), "red").save(folder / name)
    return tmp_path / "fetched"


def written(run: RunResult, tmp_path: Path) -> str:
    return report.write(run, tmp_path / "report").read_text()


class Outside(HTMLParser):
    """Collects whatever would be loaded, and tags left open."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # a link is followed by whoever reads, not loaded
        named = [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data") and tag != "a"]
        self.loads += [value for value in named if not value.startswith("data:")]
        if tag not in ("meta", "img", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_has_everything_and_loads_nothing(tmp_path: Path) -> None:
    run = one_run()
    report.collect(run, fetched(tmp_path, verify()), tmp_path / "report")
    text = written(run, tmp_path)
    seen = Outside()
    seen.feed(text)
    assert seen.loads == [] and seen.open == [] and "url(" not in text and "@import" not in text
    shown = ("compiled ops", "7 ops agree", "lvis", "2.00 GiB", "0.01235", "1.11.0", "34.9 at iteration 1, 10.2 at 40")
    assert [wanted for wanted in (*shown, "prefers-color-scheme") if wanted not in text] == []
    assert text.count('src="data:image/jpeg;base64,') == 2 and text.count('src="data:image/png;base64,') == 1
    assert len(re.findall(r"<img [^>]*alt=\"[^\"]+\"", text)) == 3


SPEED = {
    "images_per_second": 6.5312, "seconds_per_iteration": 0.6124, "data_seconds": 0.0131, "batch": 2, "gpus": 2, "iterations": 24,
    "peak_memory_bytes": 15 * 2**30, "gpu_use_percent": 93.4, "gpu_use_percent_each": {"0": 93.4}, "scales": "480x1333 to 800x1333",
}  # fmt: skip
LEVELS = {"versions": "passed", "ops": "passed", "train": "passed", "speed": "failed"}


def spoken(text: str) -> str:
    """The page's text without tags, on one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", text.partition("<body>")[2]).split())


def test_the_level_that_passed_is_told_on_the_page_and_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checks = [{"name": "foreign", "status": "ok", "level": "versions"}, {"name": "speed", "status": "FAIL", "level": "speed"}]
    run = one_run()
    record = verify(level="speed", level_passed="train", levels=LEVELS, passed=False, checks=checks)
    report.collect(run, fetched(tmp_path, record), tmp_path / "report")
    output = spoken(written(run, tmp_path))
    assert "Not verified level train passed (requested: speed)" in output
    assert "versions passed ops passed train passed speed failed" in output
    summary.show(Console(width=140), run)
    assert "one: level train passed." in capsys.readouterr().out


def test_a_host_on_which_no_level_passed(tmp_path: Path) -> None:
    run = one_run()
    report.collect(run, fetched(tmp_path, verify(level_passed=None, passed=False)), tmp_path / "report")
    assert "no level passed (requested: train)" in spoken(written(run, tmp_path))


def test_a_level_that_passed_is_in_the_sentence(tmp_path: Path) -> None:
    run = one_run()
    report.collect(run, fetched(tmp_path, verify(level_passed="train", levels=LEVELS)), tmp_path / "report")
    assert "1 host ready and verified (level train) in" in written(run, tmp_path)
    assert "of train asked for" not in written(run, tmp_path)


def test_speed_has_a_table_of_its_own_and_its_image(tmp_path: Path) -> None:
    run = one_run()
    folder = fetched(tmp_path, verify(level="speed", level_passed="speed", figures={"speed": SPEED, "iterations": 16}))
    Image.new("RGB", (8, 8), "blue").save(folder / "one" / "speed.png")
    report.collect(run, folder, tmp_path / "report")
    text = written(run, tmp_path)
    output = spoken(text)
    assert "Speed Images per second, all GPUs 6.531 Time of an iteration (median) 0.6124 s of which waiting for data 0.0131 s" in output
    assert "GPU use 93.4 % Peak memory per GPU 15.00 GiB GPUs 2" in output
    assert "Figures iterations 16" in output
    assert 'class="wide"><img' in text and "Training speed, 6.53 images/s: time per iteration" in text
    assert text.count("data:image/png") == 2


def test_figures_of_speed_that_are_absent_have_no_row() -> None:
    rows = report.speed_rows({"images_per_second": 0.251, "gpu_use_percent": None, "peak_memory_bytes": 2**30, "gpus": 0})
    assert rows == {"Images per second, all GPUs": "0.251", "Peak memory of the processes": "1.00 GiB", "GPUs": "0"}


def test_stand_ins_are_named_in_a_banner(tmp_path: Path) -> None:
    upstreams = [Upstream("co-detr", "http://lab/x.git", "stand-in", "no answer"), Upstream("torch", "the package index", "real")]
    text = written(one_run(upstreams=upstreams), tmp_path)
    banner = re.search(r'<p class="banner".*?</p>', text, re.DOTALL)
    assert banner is not None and "co-detr, miniconda" in banner[0] and "not the real thing" in banner[0] and "torch" not in banner[0]
    assert '<span class="mark warn">stand-in</span>' in text


def test_what_no_host_took_is_not_called_used(tmp_path: Path) -> None:
    upstreams = [
        Upstream("cuda-11.4.4", "", "stand-in", stage="cuda_toolkit"),
        Upstream("driver-470", "", "stand-in", stage="nvidia_driver"),
        Upstream("weights", "", "stand-in", stage="workspace"),
    ]
    run = one_run(upstreams=upstreams)
    run.hosts[0].stages += [
        StageResult("nvidia_driver", "keep", status="done"),
        StageResult("cuda_toolkit", "skip", "the stack cpu needs none", status="done"),
        StageResult("workspace", "install", status="not run"),
    ]
    assert run.stand_ins == ["driver-470", "miniconda"]
    assert run.hosts[0].stages[-2].source == "" and run.hosts[0].stages[-3].source == "real"
    text = written(run, tmp_path)
    assert '<th scope="row">cuda-11.4.4</th><td>not used</td>' in text
    assert '<th scope="row">driver-470</th><td><span class="mark warn">' in text


def test_of_a_stage_that_names_its_sources_only_those_are_used(tmp_path: Path) -> None:
    run = one_run(upstreams=[Upstream(name, "", "stand-in", stage="packages") for name in ("torch-cu113", "mmcv-cu113")])
    run.hosts[0].stages.append(StageResult("packages", "install", status="done", sources=["mmcv-cu113"]))
    assert run.stand_ins == ["mmcv-cu113", "miniconda"]
    run.hosts[0].stages[-1].sources = []
    assert run.stand_ins == ["miniconda"]


def test_no_banner_when_all_is_real(tmp_path: Path) -> None:
    run = one_run()
    run.hosts[0].stages = run.hosts[0].stages[1:]
    assert 'class="banner"' not in written(run, tmp_path)


def test_what_hosts_say_is_escaped(tmp_path: Path) -> None:
    run = one_run(errors=[NASTY], upstreams=[Upstream(NASTY, NASTY, "real", NASTY)], command=NASTY)
    run.hosts[0].failure = Failure("one", NASTY, NASTY, NASTY)
    run.hosts[0].warnings = [NASTY]
    record = verify(versions={NASTY: NASTY}, checks=[{"name": NASTY, "status": NASTY, "detail": NASTY}])
    report.collect(run, fetched(tmp_path, record), tmp_path / "report")
    assert "<script" not in written(run, tmp_path)


def test_failure_is_on_the_page_whole(tmp_path: Path) -> None:
    run = one_run()
    run.hosts[0].failure = Failure("one", "Install", "The disk is full.\nFree 4 GB.", "env")
    text = written(run, tmp_path)
    assert "one, stage env: Install" in text and "The disk is full.\nFree 4 GB." in text and ">Failed<" in text


def test_run_json_renders_the_same_page_again(tmp_path: Path) -> None:
    run = one_run()
    report.collect(run, fetched(tmp_path, verify()), tmp_path / "report")
    before = written(run, tmp_path)
    (tmp_path / "report/index.html").unlink()
    assert cli.main(["report", str(tmp_path / "report/run.json")]) == 0
    assert (tmp_path / "report/index.html").read_text() == before
    assert json.loads((tmp_path / "report/run.json").read_text())["schema"] == 1


@pytest.mark.parametrize("content", ["", "[]", '{"schema": 2}', '{"schema": 1, "hosts": 3}'])
def test_other_files_are_refused(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_text(content)
    assert cli.main(["report", str(tmp_path / "run.json")]) == 2
    assert "cannot be rendered" in capsys.readouterr().err and not (tmp_path / "index.html").exists()


def test_results_of_an_earlier_run_are_not_shown(tmp_path: Path) -> None:
    run = one_run()
    report.collect(run, fetched(tmp_path, verify()), tmp_path / "report")
    again = one_run()
    report.collect(again, tmp_path / "nothing", tmp_path / "report")
    assert again.hosts[0].verify is None and not again.good
    assert "data:image" not in written(again, tmp_path)


@pytest.mark.parametrize("content", [{"schema": 2}, verify(passed="yes"), []])
def test_verify_result_that_makes_no_sense_fails_the_run(content: object, tmp_path: Path) -> None:
    run = one_run()
    report.collect(run, fetched(tmp_path, content), tmp_path / "report")
    assert run.exit_code == 1 and "cannot be read" in run.errors[0]


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc"])
def test_host_names_do_not_lead_out_of_the_folder(name: str, tmp_path: Path) -> None:
    assert page.inside(tmp_path, name) is None


@pytest.mark.parametrize(("size", "record"), [
    (0, "0 bytes"), (512, "0.5 KiB"), (2**20, "1.0 MiB"), (19 * 2**30 + 2**29, "19.50 GiB"), (2**41, "2,048.00 GiB"),
])  # fmt: skip
def test_sizes_are_told_in_units_that_fit(size: int, record: str) -> None:
    assert wording.size(size) == record


def test_warnings_of_the_validation_are_on_the_page(tmp_path: Path) -> None:
    text = written(one_run(warnings=["minicnda_prefix is no option."]), tmp_path)
    assert "Warning minicnda_prefix is no option." in spoken(text)
