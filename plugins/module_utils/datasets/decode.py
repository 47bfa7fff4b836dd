"""Decode images in child processes, because the interpreter that runs this module has no PIL."""

from __future__ import annotations

import hashlib
import heapq
import inspect
import itertools
import json
import os
import select
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Callable

from ansible_collections.codetr.provision.plugins.module_utils.datasets import decode_child
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import DatasetRefused

SAMPLE = 200
# More would need more memory than the rest of the job.
AT_ONCE = 4
BATCH = 32
# A batch takes a second, but a sleeping disk or a slow share may need longer.
BATCH_TIMEOUT_SECONDS = 300
START_SECONDS = 60
MOST_DEATHS = 20
# Read on import: Ansible runs a module from an archive that only root can read, and this work runs as another user.
SCRIPT = inspect.getsource(decode_child)


@dataclass(frozen=True)
class Job:
    """One image to decode.

    Attributes:
        name: as ``train2017/000000000009.jpg``.
        width, height: expected size in pixels; 0 where unknown.
        thumbnail: where to write a small copy, at most 480 pixels wide; empty for none.
    """

    name: str
    path: str
    width: int = 0
    height: int = 0
    thumbnail: str = ""


@dataclass
class Decoded:
    """The results of decoding.

    Attributes:
        checked: number of images.
        faults: by name, what is wrong with each image that cannot be decoded or has another size: ``is empty``.
        sizes: by name, width and height in pixels of the images with a thumbnail.
    """

    checked: int = 0
    faults: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)


def decoder(candidates: Iterable[str]) -> str | None:
    """Return the first interpreter whose PIL reads JPEG, or None; each candidate is started to find out."""
    for python in candidates:
        try:
            done = subprocess.run(
                _command(python),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=START_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return python
    return None


def jobs(
    folders: Mapping[str, str], present: Mapping[str, Collection[str]], known: Mapping[str, Sequence[int]], number: int | None
) -> Iterator[Job]:
    """List the images to decode, as ``decode`` takes them.

    Args:
        folders: path of each image folder, by name.
        present: file names by folder, as ``check.images_in`` returns them.
        known: ``[image id, width, height]`` by ``train2017/...jpg``, as in a survey's ``image_table``.
        number: images per folder, the same ones each time; None for all.
    """
    for folder in sorted(present):
        names = present[folder]
        for name in sorted(names) if number is None else heapq.nsmallest(number, names, key=_rank):
            _unused, width, height = known.get(f"{folder}/{name}", (0, 0, 0))
            yield Job(f"{folder}/{name}", os.path.join(folders[folder], name), width, height)


def _rank(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()


def decode(python: str, images: Iterable[Job], on_progress: Callable[[int], None], processes: int = AT_ONCE) -> Decoded:
    """Decode images completely, in at most ``processes`` processes and no more than there are CPUs.

    Args:
        python: an interpreter, as ``decoder`` returns it.
        on_progress: called with the number of images done.

    Raises:
        DatasetRefused: the decoder itself fails.
    """
    found = Decoded()
    thumbnails = set()

    def watched() -> Iterator[Job]:
        for job in images:
            if job.thumbnail:
                thumbnails.add(job.name)
            yield job

    for answer in _answers(python, watched(), min(processes, len(os.sched_getaffinity(0)))):
        found.checked += 1
        if answer["fault"]:
            found.faults[answer["name"]] = answer["fault"]
        elif answer["name"] in thumbnails:
            found.sizes[answer["name"]] = (answer["width"], answer["height"])
        on_progress(found.checked)
    return found


def _command(python: str) -> list[str]:
    # As text, because the module's file may not exist on disk. -I ignores PYTHONPATH and the working directory.
    return [python, "-I", "-c", SCRIPT]


class _Decoder:
    """A child process and its current batch. It ends with its standard input, and so with this process."""

    def __init__(self, python: str) -> None:
        self.batch: list[Job] = []
        self._process = subprocess.Popen(_command(python), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("the decoder was started without pipes")
        self._input, self._output = self._process.stdin, self._process.stdout

    def fileno(self) -> int:
        return self._output.fileno()

    def send(self, batch: list[Job]) -> None:
        self.batch = batch
        try:
            self._input.write(json.dumps([asdict(job) for job in batch]).encode() + b"\n")
            self._input.flush()
        except BrokenPipeError:
            # It has died; reading its answer reports that.
            pass

    def answers(self) -> list[dict[str, Any]] | None:
        """Read the answers to the batch; None where the process has died."""
        line = self._output.readline()
        return json.loads(line) if line.endswith(b"\n") else None

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def _answers(python: str, images: Iterator[Job], processes: int) -> Iterator[dict[str, Any]]:
    batches = iter(lambda: list(itertools.islice(images, BATCH)), [])
    again: list[list[Job]] = []
    working: list[_Decoder] = []
    deaths = 0

    def go_on(worker: _Decoder) -> None:
        """Send the next batch, or stop the worker."""
        batch = again.pop() if again else next(batches, None)
        if batch is None:
            working.remove(worker)
            worker.stop()
        else:
            worker.send(batch)

    def start() -> None:
        working.append(_Decoder(python))
        go_on(working[-1])

    try:
        for _unused in range(processes):
            start()
        while working:
            ready = select.select(working, [], [], BATCH_TIMEOUT_SECONDS)[0]
            for worker in ready or list(working):
                answers = worker.answers() if ready else None
                if answers is not None:
                    yield from answers
                    go_on(worker)
                    continue
                working.remove(worker)
                worker.stop()
                deaths += 1
                if deaths > MOST_DEATHS:
                    fix = "Give this host more memory, or install another Python with PIL, and run again."
                    raise DatasetRefused(f"The process that decodes images with {python} keeps dying. {fix}")
                if len(worker.batch) == 1:
                    fault = f"cannot be decoded: the decoder crashes on it, or needs more than {BATCH_TIMEOUT_SECONDS} seconds"
                    yield {"name": worker.batch[0].name, "width": 0, "height": 0, "fault": fault}
                else:
                    # One by one, to find the one that failed.
                    again += [[job] for job in worker.batch]
                start()
    finally:
        for worker in working:
            worker.stop()
