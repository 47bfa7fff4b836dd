"""The report: run.json, the hosts' verify results, and self-contained pages."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from codetr_provision import data_page, page, summary, wording
from codetr_provision.data_result import DataResult
from codetr_provision.model import SCHEMA, HostResult, RunResult, VerifyResult, load

T = TypeVar("T", VerifyResult, DataResult)
HOSTS = "hosts"
VERIFY, DATA = "verify.json", "data.json"
MOST_RESULT_BYTES = 2 * 2**20
MOST_ERROR = 300
WIDE = ("loss.png", "speed.png")
MOST_IMAGES = 12
MOST_IMAGE_BYTES = 4_000_000
SPEED_TITLE = ", {images_per_second:.3g} images/s"
SPEED_ROWS = (
    ("images_per_second", "Images per second, all GPUs", ""),
    ("seconds_per_iteration", "Time of an iteration (median)", " s"),
    ("data_seconds", "of which waiting for data", " s"),
    ("gpu_use_percent", "GPU use", " %"),
    ("peak_memory_bytes", "Peak memory", ""),
    ("gpus", "GPUs", ""),
    ("batch", "Images per GPU and iteration", ""),
    ("iterations", "Iterations measured", ""),
    ("scales", "Scales", ""),
)


@dataclass(frozen=True)
class Image:
    """An image embedded in the page."""

    title: str
    uri: str
    wide: bool = False


def read_result(kind: type[T], path: Path) -> T | None:
    """A host's result in a JSON file; None when there is none. Raises ValueError when it cannot be parsed."""
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > MOST_RESULT_BYTES:
            raise ValueError(f"it has more than {wording.size(MOST_RESULT_BYTES)}")
        data = json.loads(path.read_text(encoding="utf-8"))
        # JSON may hold half of a surrogate pair, which no page or terminal can show.
        data = json.loads(json.dumps(data, ensure_ascii=False).encode("utf-8", "replace"))
        _schema(data)
        return load(kind, data, path.name)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the {path.name} of {path.parent.name} cannot be read: {str(error)[:MOST_ERROR]}") from error


def read_run(path: Path) -> RunResult:
    """A run.json. Raises ValueError when it is not one, OSError when it cannot be read."""
    data = json.loads(path.read_text(encoding="utf-8"))
    _schema(data)
    return load(RunResult, data, "run.json")


def _schema(data: Any) -> None:
    found = data.get("schema") if isinstance(data, dict) else None
    if found != SCHEMA:
        raise ValueError(f"its schema is {found!r}; this version of codetr-provision reads schema {SCHEMA}")


def collect(run: RunResult, fetched: Path, into: Path) -> None:
    """Load the results of verify and the data sets from `fetched`/<host> into the run, and copy the files into `into`/hosts."""
    shutil.rmtree(into / HOSTS, ignore_errors=True)
    for host in run.hosts:
        source, target = page.inside(fetched, host.name), page.inside(into / HOSTS, host.name)
        if source is None or target is None or not source.is_dir():
            continue
        host.verify = _loaded(run, VerifyResult, source / VERIFY, "Verify ran")
        host.data = _loaded(run, DataResult, source / DATA, "Data was recorded")
        target.mkdir(parents=True, exist_ok=True)
        samples = data_page.sample_files(source, host.data) if host.data else []
        for path in [source / VERIFY, source / DATA, *_image_files(source), *samples]:
            if path.is_file():
                shutil.copyfile(path, target / path.name)


def _loaded(run: RunResult, kind: type[T], path: Path, context: str) -> T | None:
    try:
        return read_result(kind, path)
    except ValueError as error:
        run.errors.append(f"{context}, but {error}.")
        return None


def write(run: RunResult, into: Path) -> Path:
    """Write run.json, index.html and, when a host has data, data.html; returns the first page.

    Raises OSError when the folder cannot be written to.
    """
    into.mkdir(parents=True, exist_ok=True)
    (into / "run.json").write_text(json.dumps(run.to_json(), indent=1) + "\n", encoding="utf-8")
    about_data, first = into / data_page.PAGE, into / "index.html"
    text = data_page.render(run, into / HOSTS)
    if text is None:
        about_data.unlink(missing_ok=True)
    else:
        about_data.write_text(text, encoding="utf-8")
    first.write_text(render(run, into / HOSTS), encoding="utf-8")
    return first


def render(run: RunResult, folders: Path) -> str:
    """The first page as text; images are taken from `folders`/<host>/."""
    return page.render(
        "report.html.j2", run=run, headline=summary.sentence(run), stand_ins=summary.stand_in_sentence(run) if run.stand_ins else "",
        troubles=list(summary.troubles(run)), steps=list(summary.next_steps(run)), speed_rows=speed_rows,
        data_page=data_page.PAGE, anchors=data_page.anchors(run),
        images={host.name: list(_images(host, folders)) for host in run.hosts},
    )


def _image_files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in page.IMAGE_TYPES and path.is_file())
    wanted = [path for path in found if path.name.startswith(("sample-", "lvis-"))][:MOST_IMAGES]
    return [path for path in found if path.name in WIDE] + wanted


def _images(host: HostResult, folders: Path) -> Iterator[Image]:
    folder = page.inside(folders, host.name)
    if folder is None or not folder.is_dir():
        return
    for path in _image_files(folder):
        uri = page.embedded(path, MOST_IMAGE_BYTES)
        if uri:
            yield Image(_title(path.stem, host), uri, path.name in WIDE)


def _title(stem: str, host: HostResult) -> str:
    losses = host.verify.losses if host.verify else []
    if stem == "speed":
        rate = SPEED_TITLE.format(**host.verify.speed) if host.verify and "images_per_second" in host.verify.speed else ""
        return f"Training speed{rate}: time per iteration, and GPU use (memory on a CPU)"
    if stem != "loss":
        return stem.replace("-", " ").replace("_", " ").capitalize()
    span = f": {losses[0].loss:.3g} at iteration {losses[0].iter}, {losses[-1].loss:.3g} at {losses[-1].iter}" if losses else ""
    return f"Loss of the training run{span}"


def speed_rows(figures: dict[str, Any]) -> dict[str, str]:
    """The figures of level speed for a table, each with its unit."""
    where = {"peak_memory_bytes": "Peak memory per GPU" if figures.get("gpus") else "Peak memory of the processes"}
    rows = {}
    for key, name, unit in SPEED_ROWS:
        if figures.get(key) is not None:
            # the rows add their units; figure() formats bytes
            rows[where.get(key, name)] = f"{page.figure(figures[key], key if key in where else '')}{unit}"
    return rows
