"""Images are decoded in child processes: what is broken is found and named, and a decoder that dies takes nothing else with it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import zipfile
from collections import ChainMap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.datasets import check, decode
from ansible_collections.codetr.provision.plugins.module_utils.datasets.decode import Decoded, Job
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import DatasetRefused
from killed import child_ends
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
# An interpreter that has PIL, as a host's Debian or conda has one.
PYTHON = sys.executable


def jpeg(path: Path, mode: str = "RGB", size: tuple[int, int] = (640, 480)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise(size, 60).convert(mode).save(path, "JPEG")
    return path


def job(path: Path, width: int = 0, height: int = 0) -> Job:
    return Job(path.name, str(path), width, height)


def faults(*wanted: Job) -> dict[str, str]:
    found = decode.decode(PYTHON, wanted, lambda done: None)
    assert found.checked == len(wanted)
    return found.faults


def nobody_is_left() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_all_kinds_of_jpeg_in_coco_are_fine(tmp_path: Path, mode: str) -> None:
    assert faults(job(jpeg(tmp_path / "a.jpg", mode), 640, 480)) == {}
    assert nobody_is_left()


def test_what_is_broken_is_named(tmp_path: Path) -> None:
    whole = jpeg(tmp_path / "whole.jpg")
    data = whole.read_bytes()
    (tmp_path / "half.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "nearly.jpg").write_bytes(data[:-100])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "page.jpg").write_bytes(b"<!DOCTYPE html><title>404 Not Found</title>")
    names = ("whole.jpg", "half.jpg", "nearly.jpg", "empty.jpg", "page.jpg", "gone.jpg")
    found = faults(*(job(tmp_path / name) for name in names), Job("turned.jpg", str(whole), 480, 640))
    assert set(found) == {*names[1:], "turned.jpg"}
    assert "image file is truncated" in found["half.jpg"]
    assert "image file is truncated" in found["nearly.jpg"]
    assert found["empty.jpg"] == "is empty"
    assert found["page.jpg"] == "is not an image (it begins with b'<!DOCTYPE html><')"
    assert found["gone.jpg"] == "cannot be decoded: No such file or directory"
    assert found["turned.jpg"] == "has 640x480 pixels, but its annotations say 480x640"


def test_every_image_is_looked_at_once_over_many_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "BATCH", 3)
    paths = [jpeg(tmp_path / f"{number:02}.jpg", size=(8, 8)) for number in range(20)]
    for number in (0, 7, 19):
        paths[number].write_bytes(b"x")
    done: list[int] = []
    found = decode.decode(PYTHON, map(job, paths), done.append, processes=2)
    assert set(found.faults) == {"00.jpg", "07.jpg", "19.jpg"}
    assert found.sizes == {}
    assert done == list(range(1, 21))
    assert decode.decode(PYTHON, [], done.append) == Decoded()
    assert nobody_is_left()


def test_names_may_have_any_character(tmp_path: Path) -> None:
    paths = [jpeg(tmp_path / name, size=(8, 8)) for name in ("two\nlines.jpg", "\u00e9 \u20ac.jpg", os.fsdecode(b"\xff.jpg"))]
    assert faults(*map(job, paths)) == {}


def test_thumbnails_are_small_jpegs_of_the_whole_image(tmp_path: Path) -> None:
    sources = {"wide.jpg": ("CMYK", (1000, 500)), "tall.jpg": ("L", (300, 900)), "tiny.jpg": ("RGB", (20, 10))}
    small = tmp_path / "small"
    small.mkdir()
    wanted = [Job(name, str(jpeg(tmp_path / name, *of)), thumbnail=str(small / name)) for name, of in sources.items()]
    found = decode.decode(PYTHON, wanted, lambda done: None)
    assert found.faults == {}
    assert found.sizes == {"wide.jpg": (1000, 500), "tall.jpg": (300, 900), "tiny.jpg": (20, 10)}
    sizes = {}
    for path in small.iterdir():
        with Image.open(path) as image:
            assert (image.format, image.mode) == ("JPEG", "RGB")
            sizes[path.name] = image.size
    assert sizes == {"wide.jpg": (480, 240), "tall.jpg": (300, 900), "tiny.jpg": (20, 10)}


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_the_first_interpreter_that_works_decodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without = script(tmp_path / "without", f'exec {PYTHON} -S "$@"')
    broken, second = script(tmp_path / "broken", "exit 3"), script(tmp_path / "second", f'exec {PYTHON} "$@"')
    bad = [str(tmp_path / "gone"), str(tmp_path), broken, without]
    assert decode.decoder([*bad, second, PYTHON]) == second
    assert decode.decoder(bad) is None
    assert decode.decoder([]) is None
    monkeypatch.setattr(decode, "START_SECONDS", 0.2)
    assert decode.decoder([script(tmp_path / "hangs", "exec sleep 600")]) is None
    assert nobody_is_left()


def test_nobodys_python_path_gets_into_the_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("path", "here"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "PIL.py").write_text("raise SystemExit(1)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    monkeypatch.chdir(tmp_path / "here")
    assert decode.decoder([PYTHON]) == PYTHON


def test_a_sample_is_the_same_each_time_and_of_each_folder(tmp_path: Path) -> None:
    there = {"val2017": {f"{number}.jpg" for number in range(30)}, "train2017": {"z.jpg", "a.jpg"}}
    folders = {name: f"{tmp_path}/coco/{name}" for name in there}
    sizes = ChainMap({"val2017/7.jpg": [7, 640, 480]}, {"train2017/a.jpg": [1, 20, 30]})
    everything = list(decode.jobs(folders, there, sizes, None))
    assert len(everything) == 32
    assert everything[0] == Job("train2017/a.jpg", f"{tmp_path}/coco/train2017/a.jpg", 20, 30)
    assert {one.name: (one.width, one.height) for one in everything if one.width} == {
        "train2017/a.jpg": (20, 30), "val2017/7.jpg": (640, 480),
    }
    few = [one.name for one in decode.jobs(folders, there, sizes, 4)]
    assert few == ["train2017/z.jpg", "train2017/a.jpg", "val2017/26.jpg", "val2017/19.jpg", "val2017/0.jpg", "val2017/5.jpg"]


# Answers like the real one, dies of one name, and hangs at another.
DOUBLE = """
import json, os, sys, time
for line in sys.stdin:
    names = [job["name"] for job in json.loads(line)]
    if "deadly" in names:
        os._exit(1)
    if "slow" in names:
        time.sleep(600)
    print(json.dumps([{"name": name, "width": 1, "height": 1, "fault": ""} for name in names]), flush=True)
"""


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_command", lambda python: [python, "-c", DOUBLE])


@pytest.mark.usefixtures("double")
def test_an_image_that_kills_the_decoder_is_named_and_the_others_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "BATCH", 4)
    names = [f"{number}" for number in range(10)]
    names[5] = "deadly"
    found = decode.decode(PYTHON, [Job(name, "") for name in names], lambda done: None, processes=2)
    assert found.checked == 10
    assert set(found.faults) == {"deadly"}
    assert "the decoder crashes on it" in found.faults["deadly"]
    assert nobody_is_left()


@pytest.mark.usefixtures("double")
def test_an_image_that_hangs_the_decoder_is_named_and_the_others_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    real = select.select

    def no_time_passes(workers: Sequence[Any], *_: Any) -> Any:
        """Patience is over at once where nobody works but on what hangs."""
        working = [worker for worker in workers if all(one.name != "slow" for one in worker.batch)]
        return real(working, [], []) if working else ([], [], [])

    monkeypatch.setattr(decode, "BATCH", 2)
    monkeypatch.setattr(decode.select, "select", no_time_passes)
    found = decode.decode(PYTHON, [Job(name, "") for name in ("a", "slow", "b", "c", "d")], lambda done: None, processes=2)
    assert found.checked == 5
    assert set(found.faults) == {"slow"}
    assert nobody_is_left()


@pytest.mark.usefixtures("double")
def test_a_decoder_that_dies_of_everything_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DatasetRefused, match="keeps dying"):
        decode.decode(PYTHON, [Job("deadly", "")] * 10_000, lambda done: None)
    assert nobody_is_left()


def test_a_decoder_that_is_dead_before_it_is_asked_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_command", lambda python: [python, "-c", ""])
    worker = decode._Decoder(PYTHON)
    worker._process.wait()
    worker.send([Job("a", "")])
    assert worker.answers() is None
    worker.stop()


def test_a_decoder_ends_when_the_process_that_asked_is_killed() -> None:
    assert child_ends(
        "import time\n"
        "from ansible_collections.codetr.provision.plugins.module_utils.datasets import decode\n"
        "print(decode._Decoder(sys.executable)._process.pid, flush=True); time.sleep(600)"
    )


def test_it_works_from_an_archive_in_an_interpreter_without_pil(tmp_path: Path) -> None:
    """As Ansible runs a module: from a zip, in the host's own Python."""
    with zipfile.ZipFile(tmp_path / "module.zip", "w") as archive:
        for path in (ROOT / "plugins" / "module_utils" / "datasets").glob("*.py"):
            archive.write(path, f"ansible_collections/codetr/provision/{path.relative_to(ROOT)}")
        for folder in ("", "/codetr", "/codetr/provision", "/codetr/provision/plugins", "/codetr/provision/plugins/module_utils"):
            archive.writestr(f"ansible_collections{folder}/__init__.py", "")
    broken = tmp_path / "broken.jpg"
    broken.touch()
    text = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from ansible_collections.codetr.provision.plugins.module_utils.datasets.decode import Job, decode, decoder\n"
        "assert 'PIL' not in sys.modules\n"
        "print(decode(decoder([sys.argv[2]]), [Job('x', sys.argv[3])], lambda done: None).faults)"
    )
    command = [PYTHON, "-I", "-S", "-c", text, str(tmp_path / "module.zip"), PYTHON, str(broken)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "{'x': 'is empty'}\n"


def test_damaged_images_are_refused_by_name() -> None:
    check.check_decoded(Decoded(checked=400), "/d")
    damaged = Decoded(checked=400, faults={"val2017/b.jpg": "is empty", "train2017/c.jpg": "is no image"})
    said = r"2 of 400 checked images below /d are damaged: train2017/c\.jpg is no image\. Move its folder"
    with pytest.raises(DatasetRefused, match=said):
        check.check_decoded(damaged, "/d")
