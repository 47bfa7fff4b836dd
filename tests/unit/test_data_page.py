"""The page about the data: what it shows of each host, and that it needs nothing from outside."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from test_report_page import Outside, one_run, spoken, verify

from codetr_provision import cli, data_page, report, summary
from codetr_provision.model import RunResult

SAMPLE = {
    "set": "coco", "file": "data-coco-01.jpg", "image": "train2017/000000000009.jpg", "width": 640, "height": 480,
    "boxes": [[100.5, 200, 50, 60.25, "person"], [-10, 0, 30, 20, "dog"], [800, 0, 5, 5, "dog"]],
}  # fmt: skip
FILE = {"name": "x.json", "images": 5000, "annotations": 25014, "categories": None, "bytes": 2**21, "invalid_boxes": 0}
BAR = re.compile(r'<li><span class="name">(.*?)</span><span class="track">(?:<span class="bar" style="width: (.*?)%">)?.*?r">(.*?)<')


def record(**change: Any) -> dict[str, Any]:
    coco = [[f"thing {n}", 10 ** (6 - n // 14)] for n in range(80)]
    lvis = [[f"kind_{n}", max(0, 1201 - 2 * n)] for n in range(1203)]
    return {
        "schema": 1, "at": "2026-01-01T09:00:00Z", "root": "/data", "stand_in": False, "subset": 0,
        "folders": [
            {"name": "train2017", "images": 118287, "bytes": 19 * 2**30, "source": "archive", "path": "/data/coco/train2017"},
            {"name": "val2017", "images": 5000, "bytes": 2**29, "source": "adopted", "path": "/mnt/val2017"},
            {"name": "lvis_v1/train2017", "images": 118287, "bytes": 0, "source": "linked", "path": "/data/coco/train2017"},
        ],
        "files": [
            {**FILE, "name": "instances_train2017.json", "annotations": 860001, "categories": 80, "bytes": 2**28, "invalid_boxes": 2},
            {**FILE, "name": "captions_val2017.json"},
        ],
        "classes": {"coco": coco, "lvis": lvis},
        "checks": [{"name": "every image", "status": "ok", "detail": "all there"}, {"name": "hashes", "status": "skipped", "detail": ""}],
        "samples": [SAMPLE, {**SAMPLE, "set": "lvis", "file": "data-lvis-01.jpg"}],
        **change,
    }  # fmt: skip


def fetched(tmp_path: Path, content: object, *files: str) -> Path:
    """What verify.yml brought: a host with the data's summary, and thumbnails."""
    folder = tmp_path / "fetched" / "one"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "verify.json").write_text(json.dumps(verify(stand_ins=[])))
    (folder / "data.json").write_text(content if isinstance(content, str) else json.dumps(content))
    for name in files or ("data-coco-01.jpg", "data-lvis-01.jpg"):
        Image.new("RGB", (48, 36), "teal").save(folder / name)
    return tmp_path / "fetched"


def collected(tmp_path: Path, content: object, *files: str) -> RunResult:
    run = one_run()
    run.hosts[0].stages = run.hosts[0].stages[1:]
    report.collect(run, fetched(tmp_path, content, *files), tmp_path / "report")
    return run


def pages(run: RunResult, tmp_path: Path) -> tuple[str, str]:
    """The first page and the one about the data."""
    first = report.write(run, tmp_path / "report")
    return first.read_text(), (tmp_path / "report/data.html").read_text()


def test_the_page_has_everything_and_loads_nothing(tmp_path: Path) -> None:
    _, text = pages(collected(tmp_path, record()), tmp_path)
    seen = Outside()
    seen.feed(text)
    assert seen.loads == [] and seen.open == [] and "url(" not in text and "<script" not in text
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in text and "prefers-color-scheme" in text
    output = spoken(text)
    for wanted in (
        "every image ok all there hashes skipped", "train2017 118,287 19.00 GiB archive /data/coco/train2017",
        "instances_train2017.json 5,000 860,001 80 2 256.0 MiB", "captions_val2017.json 5,000 25,014 0 2.0 MiB", "/data Checked",
    ):  # fmt: skip
        assert wanted in output
    assert text.count('<image href="data:image/jpeg;base64,') == 2


def test_boxes_are_drawn_in_pixels_of_the_original(tmp_path: Path) -> None:
    _, text = pages(collected(tmp_path, record()), tmp_path)
    svg = text[text.index("<svg"):text.index("</svg>")]
    assert 'viewBox="0 0 640 480" role="img" aria-label="COCO image train2017/000000000009.jpg, boxes: 1 person, 1 dog"' in svg
    assert re.search(r'<image [^>]*width="640" height="480" preserveAspectRatio="none"/>', svg)
    assert '<rect x="100.5" y="200" width="50" height="60.25" stroke="#ffd92f"' in svg and "<title>person</title>" in svg
    assert '<rect x="0" y="0" width="20" height="20"' in svg and ">dog</text>" in svg
    assert "person 1 dog 1 1 box outside the image or without a size, not drawn." in spoken(text)


def test_the_pages_lead_to_each_other(tmp_path: Path) -> None:
    run = collected(tmp_path, record())
    run.hosts.insert(0, one_run().hosts[0])
    run.hosts[0].name = "zero"
    first, text = pages(run, tmp_path)
    (anchor,) = re.findall(r'href="data.html#([^"]+)"', first)
    assert f'id="{anchor}"' in text and '<a href="index.html">' in text
    assert (
        "Data checked 123,287 images; 15,555,500 COCO annotations in 80 classes; 361,201 LVIS annotations in 1,203 classes; "
        "1 check passed, 1 skipped."
    ) in spoken(first)


def test_run_json_renders_the_same_page_again(tmp_path: Path) -> None:
    before = pages(collected(tmp_path, record()), tmp_path)
    (tmp_path / "report/data.html").unlink()
    assert cli.main(["report", str(tmp_path / "report/run.json")]) == 0
    assert ((tmp_path / "report/index.html").read_text(), (tmp_path / "report/data.html").read_text()) == before


def test_without_data_there_is_no_page_and_no_link(tmp_path: Path) -> None:
    pages(collected(tmp_path, record()), tmp_path)
    (tmp_path / "fetched/one/data.json").unlink()
    again = one_run()
    report.collect(again, tmp_path / "fetched", tmp_path / "report")
    first = report.write(again, tmp_path / "report").read_text()
    assert not (tmp_path / "report/data.html").exists() and "data.html" not in first and "Data " not in first
    assert not list((tmp_path / "report/hosts").rglob("data*"))


def test_stand_ins_are_marked(tmp_path: Path) -> None:
    run = collected(tmp_path, record(stand_in=True, subset=24))
    first, text = pages(run, tmp_path)
    assert run.stand_ins == ["datasets"] and "Stand-ins were used: datasets." in first
    assert "The data sets on one are stand-ins:" in text
    # the host's sentence, two grids, two charts
    assert text.count('<span class="mark warn">stand-in</span>') == 5
    assert "Data checked stand-in 123,287 images (a subset: at most 24 images of each folder);" in spoken(first)


def test_stand_ins_that_are_named_already_are_not_named_twice(tmp_path: Path) -> None:
    run = collected(tmp_path, record(stand_in=True))
    assert run.hosts[0].verify is not None
    run.hosts[0].verify.stand_ins = ["Co-DETR", "coco-train2017"]
    assert run.stand_ins == ["Co-DETR", "coco-train2017"]
    run.hosts[0].verify.stand_ins = ["Co-DETR"]
    assert run.stand_ins == ["Co-DETR", "datasets"]


def test_real_data_has_no_such_mark(tmp_path: Path) -> None:
    _, text = pages(collected(tmp_path, record()), tmp_path)
    assert 'class="banner"' not in text and "mark warn" not in text


def test_a_check_that_failed_fails_the_run(tmp_path: Path) -> None:
    checks = [{"name": "every image", "status": "failed", "detail": "3 are missing"}, {"name": "counts", "status": "ok", "detail": ""}]
    run = collected(tmp_path, record(checks=checks))
    first, text = pages(run, tmp_path)
    assert run.exit_code == 1 and ("one, data, check every image", "3 are missing") in list(summary.troubles(run))
    assert "1 of 2 checks failed: every image." in spoken(first) and "Data failed" in spoken(text)
    assert "Fix the data on one" in " ".join(summary.next_steps(run))


def test_data_that_nothing_looked_at_is_not_called_checked(tmp_path: Path) -> None:
    first, _ = pages(collected(tmp_path, record(checks=[])), tmp_path)
    assert "Data not checked" in first and "nothing was checked." in first


def charts(text: str) -> list[list[tuple[str, str, str]]]:
    """Of each list of bars: name, width or "" and number."""
    return [BAR.findall(part) for part in re.findall(r'<ol class="bars".*?</ol>', text, re.DOTALL)]


def test_classes_are_bars_with_their_numbers(tmp_path: Path) -> None:
    _, text = pages(collected(tmp_path, record()), tmp_path)
    coco, frequent, rare = charts(text)
    assert len(coco) == 80 and coco[0] == ("thing 0", "100.0", "1,000,000") and coco[-1] == ("thing 79", "16.7", "10")
    assert [len(frequent), len(rare)] == [40, 20]
    assert frequent[0] == ("kind_0", "100.0", "1,201") and frequent[-1][0] == "kind_39"
    assert rare[0][0] == "kind_1183" and rare[-1] == ("kind_1202", "", "0")
    output = spoken(text)
    assert "1,203 classes in all, 60 of them shown. 607 have fewer than 11 annotations, 602 of them none." in output
    assert output.count("Logarithmic scale") == 2 and "All 80 classes" in output


@pytest.mark.parametrize(("counts", "decades", "shares"), [
    ([100, 10, 1, 0], 2, [100, 50, 0, 0]),
    ([1000, 10], 3, [100, 33.3]),
    ([0], 1, [0]),
])  # fmt: skip
def test_lengths_of_bars(counts: list[int], decades: float, shares: list[float]) -> None:
    assert [bar.share for bar in data_page.bars([("x", count) for count in counts], decades)] == shares


@pytest.mark.parametrize("most", [0, 1, 5])
def test_few_annotations_have_a_scale_too(most: int, tmp_path: Path) -> None:
    _, text = pages(collected(tmp_path, record(classes={"coco": [["cat", most]], "lvis": []})), tmp_path)
    ((bar,),) = charts(text)
    assert bar[2] == str(most) and float(bar[1] or 0) <= 100 and "--decades: 1\"" in text


def test_classes_are_put_in_order(tmp_path: Path) -> None:
    _, text = pages(collected(tmp_path, record(classes={"coco": [["rare", 1], ["often", 9]], "lvis": []})), tmp_path)
    assert [bar[0] for bar in charts(text)[0]] == ["often", "rare"]


def test_a_sample_without_thumbnail_still_has_its_boxes(tmp_path: Path) -> None:
    sample = {key: value for key, value in SAMPLE.items() if key != "file"}
    _, text = pages(collected(tmp_path, record(samples=[sample])), tmp_path)
    assert "<image" not in text and "No thumbnail of this image." in text and ">person</text>" in text


def test_a_thumbnail_that_is_too_large_is_left_out(tmp_path: Path) -> None:
    folder = fetched(tmp_path, record()) / "one"
    (folder / "data-coco-01.jpg").write_bytes(b"\xff" * (data_page.MOST_SAMPLE_BYTES + 1))
    run = one_run()
    report.collect(run, tmp_path / "fetched", tmp_path / "report")
    _, text = pages(run, tmp_path)
    assert text.count("<image") == 1 and len(text) < 200_000
