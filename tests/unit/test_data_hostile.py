"""Odd or hostile summaries of the data: they are shown without harm, or are an error of the run, and never stop the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_data_page import FILE, SAMPLE, charts, collected, fetched, pages, record
from test_report_page import NASTY, one_run

from codetr_provision import data_page, report

OTHERS = ["../secret.jpg", "/etc/data-1.jpg", "data-a/../../secret.jpg", "secret.jpg", "data-1.svg", "..", "data-\0.jpg"]


@pytest.mark.parametrize("name", [*OTHERS, f"data-{'x' * 5000}.jpg"], ids=[*OTHERS, "long"])
def test_only_files_of_ours_are_taken(name: str, tmp_path: Path) -> None:
    folder = fetched(tmp_path, record(samples=[{**SAMPLE, "file": name}])) / "one"
    (folder / "data-a").mkdir()
    for path in (folder / "secret.jpg", folder.parent / "secret.jpg", folder / "data-1.svg"):
        path.write_text("secret")
    run = one_run()
    report.collect(run, tmp_path / "fetched", tmp_path / "report")
    _, text = pages(run, tmp_path)
    assert "<image" not in text and "No thumbnail" in text
    assert sorted(path.name for path in (tmp_path / "report/hosts/one").iterdir()) == ["data.json", "verify.json"]


def test_what_hosts_say_is_escaped(tmp_path: Path) -> None:
    quote = '" onload="alert(1)'
    nasty = record(
        root=NASTY, at=quote, checks=[{"name": NASTY, "status": NASTY, "detail": NASTY}], files=[{**FILE, "name": NASTY}],
        folders=[{"name": NASTY, "images": 1, "bytes": 1, "source": NASTY, "path": NASTY}],
        classes={"coco": [[NASTY, 5]], "lvis": [[quote, 5]]},
        samples=[{**SAMPLE, "image": quote, "boxes": [[0, 0, 300, 300, NASTY], [0, 0, 90, 90, quote]]}],
    )
    first, text = pages(collected(tmp_path, nasty), tmp_path)
    for page in (first, text):
        assert "<script" not in page and 'onload="' not in page


def test_halves_of_surrogates_do_not_stop_the_report(tmp_path: Path) -> None:
    text = json.dumps(record(root="@@", classes={"coco": [["@@", 5]], "lvis": []})).replace("@@", "\\ud800")
    run = collected(tmp_path, text)
    assert run.errors == []
    assert "?" in pages(run, tmp_path)[1]


def test_thousands_of_samples_and_classes_do_not_swell_the_page(tmp_path: Path) -> None:
    many = [[n, n, 20, 20, "x" * 30] for n in range(20)]
    samples = [{**SAMPLE, "boxes": many}] * 1500
    run = collected(tmp_path, record(samples=samples, classes={"coco": [["y" * 30, n] for n in range(9000)], "lvis": []}))
    assert run.errors == []
    _, text = pages(run, tmp_path)
    assert text.count("<svg") == data_page.MOST_SAMPLES and len(text) < 300_000
    assert "1,488 more COCO images are not shown." in text
    assert len(charts(text)[0]) == 100 and "9,000 classes in all, 100 of them shown." in text


SENSELESS = {
    "schema": record(schema=2),
    "no schema": {},
    "list": [],
    "broken": '{"schema": 1',
    "deep": '{"schema": 1, "root": ' + "[" * 200_000,
    "not a number": json.dumps(record(subset=1)).replace('"subset": 1', '"subset": NaN'),
    "nan box": record(samples=[{**SAMPLE, "boxes": [[float("nan"), 0, 1, 1, "x"]]}]),
    "endless box": json.dumps(record(samples=[{**SAMPLE, "boxes": [[5, 0, 1, 1, "x"]]}])).replace("[5, 0,", "[1e999, 0,"),
    "huge box": record(samples=[{**SAMPLE, "boxes": [[10**400, 0, 1, 1, "x"]]}]),
    "short box": record(samples=[{**SAMPLE, "boxes": [[0, 0, 1, 1]]}]),
    "box of words": record(samples=[{**SAMPLE, "boxes": [["0", 0, 1, 1, "x"]]}]),
    "odd subset": record(subset=-1),
    "no width": record(samples=[{**SAMPLE, "width": 0}]),
    "other set": record(samples=[{**SAMPLE, "set": "objects365"}]),
    "fewer than none": record(classes={"coco": [["cat", -1]]}),
    "huge count": record(classes={"lvis": [["cat", 10**400]]}),
    "huge folder": record(folders=[{"name": "x", "images": 10**300, "bytes": 0}]),
    "negative file": record(files=[{**FILE, "bytes": -1}]),
    "no root": {key: value for key, value in record().items() if key != "root"},
    "too much": record(root="x" * report.MOST_RESULT_BYTES),
    "long words": record(samples=[{**SAMPLE, "set": "x" * 100_000}]),
}


@pytest.mark.parametrize("content", SENSELESS.values(), ids=SENSELESS)
def test_a_summary_that_makes_no_sense_is_an_error_of_the_run(content: object, tmp_path: Path) -> None:
    run = collected(tmp_path, content)
    assert run.hosts[0].verify is not None and run.hosts[0].data is None
    (error,) = run.errors
    assert error.startswith("Data was recorded, but the data.json of one cannot be read: ") and len(error) < 500
    assert run.exit_code == 1
    report.write(run, tmp_path / "report")
    assert not (tmp_path / "report/data.html").exists()


def test_the_error_says_where(tmp_path: Path) -> None:
    run = collected(tmp_path, SENSELESS["short box"])
    assert run.errors[0].endswith(": data.json.samples[0].boxes[0] must have 5 entries, not 4.")
    run = collected(tmp_path, SENSELESS["no width"])
    assert run.errors[0].endswith(": data.json.samples[0]: width is 0, which is out of range.")


def test_a_summary_that_is_not_text(tmp_path: Path) -> None:
    (fetched(tmp_path, record()) / "one/data.json").write_bytes(b"\xff\xfe{")
    run = one_run()
    report.collect(run, tmp_path / "fetched", tmp_path / "report")
    assert "cannot be read" in run.errors[0] and run.hosts[0].data is None
