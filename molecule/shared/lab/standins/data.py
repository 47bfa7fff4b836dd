"""Stand-ins for COCO 2017 and LVIS v1: a few dozen drawn pictures in archives with the real names, layout and schema."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import PIL

from . import data_annotations, data_cache, data_categories, data_draw
from .data_draw import Picture, draw

# The lab's data is always this small set, so there is no upstream to try.
UPSTREAMS: list[dict[str, str]] = []

TRAIN_NUMBERS = range(200_117, 200_117 + 24 * 37, 37)
VAL_NUMBERS = range(500_023, 500_023 + 12 * 41, 41)
CROWD_EVERY = 8
# As in LVIS v1, its validation set takes some of its pictures from COCO's training folder.
LVIS_TRAIN_IMAGES = 16

ARCHIVES = {
    "coco-train2017": "train2017.zip",
    "coco-val2017": "val2017.zip",
    "coco-annotations-trainval2017": "annotations_trainval2017.zip",
    "lvis-v1-train": "lvis_v1_train.json.zip",
    "lvis-v1-val": "lvis_v1_val.json.zip",
}
_EPOCH = (1980, 1, 1, 0, 0, 0)


def build(www: Path, base_url: str, python310: str | None = None) -> dict[str, Any]:
    """Write the archives under ``www``/data and return their records, with what each holds under ``counts``."""
    del python310
    folder = www / "data"
    modules = (data_annotations, data_cache, data_categories, data_draw)
    inputs: list[str | Path] = [
        Path(__file__),
        *(Path(module.__file__ or "") for module in modules),
        str(folder),
        base_url,
        PIL.__version__,
    ]

    def make() -> tuple[dict[str, Any], list[Path]]:
        folder.mkdir(parents=True, exist_ok=True)
        counts = write_archives(folder)
        records = {
            name: {
                "urls": [f"{base_url}/data/{filename}"],
                "sha256": data_cache.digest(folder / filename),
                "size": (folder / filename).stat().st_size,
                "stand_in": True,
                "counts": counts[name],
            }
            for name, filename in ARCHIVES.items()
        }
        return {"artifacts": records, "config": {}, "stand_ins": list(records)}, [folder / name for name in ARCHIVES.values()]

    return data_cache.remembered(www.parent / "built" / "data.json", inputs, make)


def write_archives(folder: Path) -> dict[str, dict[str, int]]:
    """Write the five archives and return, by record name, how many images and annotations each has."""
    pictures = {"train2017": _draw(TRAIN_NUMBERS), "val2017": _draw(VAL_NUMBERS)}
    train, val = pictures["train2017"], pictures["val2017"]
    kinds = {
        "instances": data_annotations.instances,
        "captions": data_annotations.captions,
        "person_keypoints": data_annotations.person_keypoints,
    }
    coco = {f"{kind}_{part}.json": make(pictures[part], part) for kind, make in kinds.items() for part in pictures}
    lvis_train = [("train2017", picture) for picture in train[:LVIS_TRAIN_IMAGES]]
    lvis_val = [("train2017", picture) for picture in train[LVIS_TRAIN_IMAGES:]] + [("val2017", picture) for picture in val]
    lvis = {part: data_annotations.lvis(chosen, train[:LVIS_TRAIN_IMAGES]) for part, chosen in (("train", lvis_train), ("val", lvis_val))}

    for part, drawn in pictures.items():
        # The real archives begin with an entry for the folder, and keep their JPEGs as they are.
        members = {f"{part}/": b"", **{f"{part}/{picture.filename}": picture.jpeg for picture in drawn}}
        _write_zip(folder / f"{part}.zip", members, zipfile.ZIP_STORED)
    _write_zip(
        folder / ARCHIVES["coco-annotations-trainval2017"],
        {f"annotations/{name}": _json(document) for name, document in coco.items()},
        zipfile.ZIP_DEFLATED,
    )
    for part, document in lvis.items():
        name = f"lvis_v1_{part}.json"
        _write_zip(folder / f"{name}.zip", {name: _json(document)}, zipfile.ZIP_DEFLATED)

    by_part = {part: _counts(coco[f"instances_{part}.json"]) for part in pictures}
    both = {f"{part}_{key}": value for part, counts in by_part.items() for key, value in counts.items()}
    total = {key: sum(counts[key] for counts in by_part.values()) for key in ("images", "annotations")}
    return {
        "coco-train2017": by_part["train2017"],
        "coco-val2017": by_part["val2017"],
        "coco-annotations-trainval2017": {**total, **both},
        "lvis-v1-train": _counts(lvis["train"]),
        "lvis-v1-val": _counts(lvis["val"]),
    }


def _draw(numbers: range) -> list[Picture]:
    return [draw(number, crowd=index % CROWD_EVERY == CROWD_EVERY // 2) for index, number in enumerate(numbers)]


def _counts(document: Mapping[str, Any]) -> dict[str, int]:
    return {"images": len(document["images"]), "annotations": len(document["annotations"])}


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _write_zip(path: Path, members: Mapping[str, bytes], compression: int) -> None:
    partial = path.with_suffix(".part")
    with zipfile.ZipFile(partial, "w") as archive:
        for name, data in members.items():
            # A fixed time and mode, so that the same members give the same archive.
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = (0o40755 << 16 | 0x10) if name.endswith("/") else 0o100644 << 16
            entry.compress_type = zipfile.ZIP_STORED if name.endswith("/") else compression
            archive.writestr(entry, data)
    partial.replace(path)
