"""A synthetic COCO 2017 and LVIS v1: five archives of the real layout and proportions, with a given number and size of images."""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

# Shares and figures of the real sets, per image: from their own annotation files, not tuned for this benchmark.
VAL_SHARE = 5000 / 123_287
LVIS_VAL_SHARE = 15_000 / 118_287
COCO_OBJECTS, LVIS_OBJECTS = 7.3, 12.7
COCO_BYTES, LVIS_BYTES = 520, 866
CAPTIONS = 5
SEGMENT = 65_000


def image(source: random.Random, frame: bytes, size: int) -> bytes:
    """A JPEG that decodes, padded to about ``size`` bytes with application segments of random bytes, which no compression shrinks."""
    filling = []
    left = max(0, size - len(frame))
    while left > 8:
        length = min(left, SEGMENT)
        filling.append(b"\xff\xef" + length.to_bytes(2, "big") + source.randbytes(length - 2))
        left -= length + 2
    return frame[:2] + b"".join(filling) + frame[2:]


def frame(width: int = 640, height: int = 480) -> bytes:
    """A small JPEG of these pixels."""
    stream = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(stream, "JPEG", quality=30)
    return stream.getvalue()


def images(folder: str, numbers: range) -> list[dict[str, Any]]:
    """The entries of an annotation file."""
    return [
        {"id": number, "file_name": f"{number:012}.jpg", "coco_url": f"http://images.example.org/{folder}/{number:012}.jpg",
         "width": 640, "height": 480}
        for number in numbers
    ]


def objects(source: random.Random, entries: list[dict[str, Any]], each: float, size: int, categories: int) -> Iterator[dict[str, Any]]:
    """Annotations with a polygon, of about ``size`` bytes of JSON."""
    for number in range(round(len(entries) * each)):
        entry = entries[number % len(entries)]
        points = [round(source.uniform(0, 640), 2) for _ in range((size - 140) // 8)]
        box = [round(source.uniform(0, 500), 2), round(source.uniform(0, 400), 2), 80.5, 60.25]
        yield {
            "segmentation": [points], "area": 4850.1, "iscrowd": 0, "image_id": entry["id"], "bbox": box,
            "category_id": 1 + number % categories, "id": number + 1,
        }


def document(entries: list[dict[str, Any]], annotations: Iterator[dict[str, Any]], categories: int) -> Iterator[bytes]:
    """The JSON file in pieces, so that none is in memory as a whole."""
    names = [{"id": number, "name": f"class {number}", "supercategory": "thing"} for number in range(1, categories + 1)]
    yield b'{"info": {"description": "synthetic"}, "licenses": [], "images": ' + json.dumps(entries).encode() + b', "annotations": ['
    for number, annotation in enumerate(annotations):
        yield (b", " if number else b"") + json.dumps(annotation).encode()
    yield b"]" + (b', "categories": ' + json.dumps(names).encode() if names else b"") + b"}"


def captions(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Five sentences for each image."""
    for number in range(CAPTIONS * len(entries)):
        sentence = f"Sentence {number} says that a thing stands beside another thing in front of a third one."
        yield {"image_id": entries[number // CAPTIONS]["id"], "id": number + 1, "caption": sentence}


class Maker:
    """Writes the five archives into ``folder`` and remembers their records."""

    def __init__(self, folder: Path, files: int, size: int) -> None:
        val = max(2, round(files * VAL_SHARE))
        self.folder, self.size, self.source = folder, size, random.Random(files)
        self.train, self.val = range(1, files - val + 1), range(files - val + 1, files + 1)
        self.records: dict[str, dict[str, Any]] = {}

    def make(self) -> dict[str, dict[str, Any]]:
        """All archives; their records by name."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._images("coco-train2017", "train2017", self.train)
        self._images("coco-val2017", "val2017", self.val)
        self._coco()
        cut = round(len(self.train) * (1 - LVIS_VAL_SHARE))
        train, val = images("train2017", self.train), images("val2017", self.val)
        self._lvis("lvis-v1-train", "lvis_v1_train", train[:cut])
        self._lvis("lvis-v1-val", "lvis_v1_val", train[cut:] + val)
        return self.records

    def _images(self, name: str, folder: str, numbers: range) -> None:
        small = frame()
        with zipfile.ZipFile(self.folder / f"{folder}.zip", "w", zipfile.ZIP_STORED) as archive:
            for number in numbers:
                size = round(self.size * self.source.uniform(0.5, 1.5))
                archive.writestr(zipfile.ZipInfo(f"{folder}/{number:012}.jpg"), image(self.source, small, size))
        self._record(name, f"{folder}.zip", {"images": len(numbers)})

    def _coco(self) -> None:
        counts: dict[str, Any] = {}
        with zipfile.ZipFile(self.folder / "annotations_trainval2017.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for folder, numbers in (("train2017", self.train), ("val2017", self.val)):
                entries = images(folder, numbers)
                found = objects(self.source, entries, COCO_OBJECTS, COCO_BYTES, 80)
                self._write(archive, f"annotations/instances_{folder}.json", document(entries, found, 80))
                people = objects(self.source, entries, COCO_OBJECTS / 3, 2 * COCO_BYTES, 1)
                self._write(archive, f"annotations/person_keypoints_{folder}.json", document(entries, people, 1))
                self._write(archive, f"annotations/captions_{folder}.json", document(entries, captions(entries), 0))
                counts |= {f"{folder}_images": len(entries), f"{folder}_annotations": round(len(entries) * COCO_OBJECTS)}
        self._record("coco-annotations-trainval2017", "annotations_trainval2017.zip", counts)

    def _lvis(self, name: str, stem: str, entries: list[dict[str, Any]]) -> None:
        entries = [{key: value for key, value in entry.items() if key != "file_name"} for entry in entries]
        with zipfile.ZipFile(self.folder / f"{stem}.json.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            found = objects(self.source, entries, LVIS_OBJECTS, LVIS_BYTES, 1203)
            self._write(archive, f"{stem}.json", document(entries, found, 1203))
        self._record(name, f"{stem}.json.zip", {"images": len(entries), "annotations": round(len(entries) * LVIS_OBJECTS)})

    @staticmethod
    def _write(archive: zipfile.ZipFile, name: str, pieces: Iterator[bytes]) -> None:
        with archive.open(name, "w", force_zip64=True) as target:
            for piece in pieces:
                target.write(piece)

    def _record(self, name: str, file: str, counts: dict[str, Any]) -> None:
        with (self.folder / file).open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        self.records[name] = {"file": file, "sha256": digest, "size": (self.folder / file).stat().st_size, "counts": counts}


def main() -> None:
    """Make a set once; ``records.json`` beside the archives says that it is whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=20_000, help="images, of both folders together")
    parser.add_argument("--bytes", type=int, default=110_000, help="average bytes of an image")
    option = parser.parse_args()
    done = option.folder / "records.json"
    if done.exists():
        return
    records = Maker(option.folder, option.files, option.bytes).make()
    total = sum(record["size"] for record in records.values())
    print(f"made {option.files} images, {total / 1e9:.2f} GB in {len(records)} archives, in {option.folder}")
    draft = done.with_suffix(".new")
    draft.write_text(json.dumps(records, indent=1) + "\n")
    draft.replace(done)


if __name__ == "__main__":
    main()
