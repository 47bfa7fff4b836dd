"""The report: run.json, the hosts' verify results, and one page that needs nothing beside itself."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from codetr_provision import summary, wording
from codetr_provision.model import SCHEMA, HostResult, RunResult, VerifyResult, load

HOSTS = "hosts"
PICTURE_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
WIDE = ("loss.png", "speed.png")
MOST_PICTURES = 12
MOST_PICTURE_BYTES = 4_000_000
SPEED_TITLE = ", {images_per_second:.3g} images/s"
SPEED_ROWS = (
    ("images_per_second", "Images per second, all GPUs", ""),
    ("seconds_per_iteration", "Time of an iteration (median)", " s"),
    ("data_seconds", "of it waiting for data", " s"),
    ("gpu_use_percent", "GPU use", " %"),
    ("peak_memory_bytes", "Peak memory", ""),
    ("gpus", "GPUs", ""),
    ("batch", "Images per GPU and iteration", ""),
    ("iterations", "Iterations counted", ""),
    ("scales", "Scales", ""),
)


@dataclass(frozen=True)
class Picture:
    """A picture inside the page."""

    title: str
    uri: str
    wide: bool = False


def host_folder(base: Path, host: str) -> Path | None:
    """Where a host's results lie below `base`; None for a name that would lead out of it."""
    return base / host if host not in ("", ".", "..") and Path(host).name == host else None


def read_verify(folder: Path) -> VerifyResult | None:
    """verify.json of one host; None when there is none. Raises ValueError when it cannot be understood."""
    path = folder / "verify.json"
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        _schema(data)
        return load(VerifyResult, data, "verify.json")
    except ValueError as error:
        raise ValueError(f"the verify.json of {folder.name} cannot be understood: {error}") from error


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
    """Take what verify left for each host in `fetched` into the run, and its files into `into`/hosts, in place of older ones."""
    shutil.rmtree(into / HOSTS, ignore_errors=True)
    for host in run.hosts:
        source, target = host_folder(fetched, host.name), host_folder(into / HOSTS, host.name)
        if source is None or target is None or not source.is_dir():
            continue
        try:
            host.verify = read_verify(source)
        except ValueError as error:
            run.errors.append(f"Verify ran, but {error}.")
        target.mkdir(parents=True, exist_ok=True)
        for path in [source / "verify.json", *_picture_files(source)]:
            if path.is_file():
                shutil.copyfile(path, target / path.name)


def write(run: RunResult, into: Path) -> Path:
    """Write run.json and index.html; returns the page. Raises OSError when the folder cannot be written to."""
    into.mkdir(parents=True, exist_ok=True)
    (into / "run.json").write_text(json.dumps(run.to_json(), indent=1) + "\n", encoding="utf-8")
    page = into / "index.html"
    page.write_text(render(run, into / HOSTS), encoding="utf-8")
    return page


def render(run: RunResult, folders: Path) -> str:
    """The page as text; pictures are taken from `folders`/<host>/."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("codetr_provision"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )
    templates.filters.update(seconds=wording.seconds, figure=_figure, words=_words, speed=speed_rows)
    return templates.get_template("report.html.j2").render(
        run=run, headline=summary.sentence(run), stand_ins=summary.stand_in_sentence(run) if run.stand_ins else "",
        troubles=list(summary.troubles(run)), steps=list(summary.next_steps(run)),
        pictures={host.name: list(_pictures(host, folders)) for host in run.hosts},
    )


def _picture_files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_TYPES and path.is_file())
    wanted = [path for path in found if path.name.startswith(("sample-", "lvis-"))][:MOST_PICTURES]
    return [path for path in found if path.name in WIDE] + wanted


def _pictures(host: HostResult, folders: Path) -> Iterator[Picture]:
    folder = host_folder(folders, host.name)
    if folder is None or not folder.is_dir():
        return
    for path in _picture_files(folder):
        if path.stat().st_size <= MOST_PICTURE_BYTES:
            content = base64.b64encode(path.read_bytes()).decode("ascii")
            yield Picture(_title(path.stem, host), f"data:{PICTURE_TYPES[path.suffix.lower()]};base64,{content}", path.name in WIDE)


def _title(stem: str, host: HostResult) -> str:
    losses = host.verify.losses if host.verify else []
    if stem == "speed":
        told = SPEED_TITLE.format(**host.verify.speed) if host.verify and "images_per_second" in host.verify.speed else ""
        return f"Speed of the training{told}: time of each iteration, and use of the GPUs (or memory, where none took part)"
    if stem != "loss":
        return stem.replace("-", " ").replace("_", " ").capitalize()
    span = f": {losses[0].loss:.3g} at iteration {losses[0].iter}, {losses[-1].loss:.3g} at {losses[-1].iter}" if losses else ""
    return f"Loss of the training run{span}"


def speed_rows(told: dict[str, Any]) -> dict[str, str]:
    """What the level speed measured, for a table: a row for each figure that is there, with its unit."""
    where = {"peak_memory_bytes": "Peak memory per GPU" if told.get("gpus") else "Peak memory of the processes"}
    rows = {}
    for key, name, unit in SPEED_ROWS:
        if told.get(key) is not None:
            # the rows have their units themselves; bytes are for _figure to word
            rows[where.get(key, name)] = f"{_figure(told[key], key if key in where else '')}{unit}"
    return rows


def _words(name: str) -> str:
    return name.removesuffix("_bytes").removesuffix("_seconds").replace("_", " ")


def _figure(value: Any, name: str = "") -> str:
    """A value of `figures` or `versions` for people; names that end in _bytes and _seconds have those units."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, (int, float)) and name.endswith("_bytes"):
        return f"{value / 2**30:.2f} GiB" if value >= 2**30 else f"{value / 2**20:.1f} MiB"
    if isinstance(value, (int, float)) and name.endswith("_seconds"):
        return wording.seconds(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{_words(key)} {_figure(one, key)}" for key, one in value.items())
    return ", ".join(_figure(one) for one in value) if isinstance(value, list) else str(value)
