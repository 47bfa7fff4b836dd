"""Whether images can be decoded, found by child processes: the interpreter that runs this has the standard library and no PIL."""

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
# More would need more memory than all else here together.
AT_ONCE = 4
BATCH = 32
# A batch takes a second; a disk that sleeps or a share that hangs may take its time.
PATIENCE_SECONDS = 300
START_SECONDS = 60
MOST_DEATHS = 20
# Read while this is imported: an Ansible module runs from an archive that only root can read, and works as somebody else.
SCRIPT = inspect.getsource(decode_child)


@dataclass(frozen=True)
class Job:
    """One image.

    Attributes:
        name: as ``train2017/000000000009.jpg``.
        width, height: what it must have, in pixels; 0 where that is not known.
        thumbnail: where a small copy goes, at most 480 pixels wide; empty for none.
    """

    name: str
    path: str
    width: int = 0
    height: int = 0
    thumbnail: str = ""


@dataclass
class Decoded:
    """What came of it.

    Attributes:
        looked: how many images.
        faults: by name, a clause about each that cannot be decoded or has another size: ``is empty``.
        sizes: by name, width and height in pixels of those with a thumbnail.
    """

    looked: int = 0
    faults: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)


def decoder(candidates: Iterable[str]) -> str | None:
    """The first of these interpreters that has a PIL that reads JPEG, or None. It is tried, not believed: each is started."""
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


def jobs(root: str, there: Mapping[str, Collection[str]], known: Mapping[str, Sequence[int]], number: int | None) -> Iterator[Job]:
    """The images to decode, as ``decode`` takes them.

    Args:
        there: names by folder, as ``check.images_below`` gives them.
        known: ``[image id, width, height]`` by ``train2017/...jpg``, as a survey's ``images``; a ChainMap of several.
        number: so many of each folder, the same each time; None for all.
    """
    for folder in sorted(there):
        names = there[folder]
        for name in sorted(names) if number is None else heapq.nsmallest(number, names, key=_rank):
            _unused, width, height = known.get(f"{folder}/{name}", (0, 0, 0))
            yield Job(f"{folder}/{name}", os.path.join(root, "coco", folder, name), width, height)


def _rank(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()


def decode(python: str, wanted: Iterable[Job], on_progress: Callable[[int], None], processes: int = AT_ONCE) -> Decoded:
    """Decode images whole, in so many processes, though no more than there are processors.

    Args:
        python: as ``decoder`` found it.
        on_progress: called with the number of images done.

    Raises:
        DatasetRefused: the decoder itself does not work.
    """
    found = Decoded()
    thumbnails = set()

    def watched() -> Iterator[Job]:
        for job in wanted:
            if job.thumbnail:
                thumbnails.add(job.name)
            yield job

    for answer in _answers(python, watched(), min(processes, len(os.sched_getaffinity(0)))):
        found.looked += 1
        if answer["fault"]:
            found.faults[answer["name"]] = answer["fault"]
        elif answer["name"] in thumbnails:
            found.sizes[answer["name"]] = (answer["width"], answer["height"])
        on_progress(found.looked)
    return found


def _command(python: str) -> list[str]:
    # The text, because there is no file to point at. -I: nobody's PYTHONPATH or folder gets in.
    return [python, "-I", "-c", SCRIPT]


class _Decoder:
    """A child process with the batch that it works on. It ends when its standard input does, so when this process does."""

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
            # It has died; so says its answer.
            pass

    def answers(self) -> list[dict[str, Any]] | None:
        """None where it has died."""
        line = self._output.readline()
        return json.loads(line) if line.endswith(b"\n") else None

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def _answers(python: str, wanted: Iterator[Job], processes: int) -> Iterator[dict[str, Any]]:
    batches = iter(lambda: list(itertools.islice(wanted, BATCH)), [])
    again: list[list[Job]] = []
    working: list[_Decoder] = []
    deaths = 0

    def go_on(worker: _Decoder) -> None:
        """Give it the next batch, or let it go."""
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
            ready = select.select(working, [], [], PATIENCE_SECONDS)[0]
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
                    fix = "Give this host more memory, or another Python with PIL, and run again."
                    raise DatasetRefused(f"The process that decodes images with {python} dies again and again. {fix}")
                if len(worker.batch) == 1:
                    fault = f"cannot be decoded: the decoder dies of it, or needs more than {PATIENCE_SECONDS} seconds"
                    yield {"name": worker.batch[0].name, "width": 0, "height": 0, "fault": fault}
                else:
                    # One by one, to see which of them it was.
                    again += [[job] for job in worker.batch]
                start()
    finally:
        for worker in working:
            worker.stop()
