"""Annotation files of COCO 2017 and LVIS v1 for the drawn pictures, with the keys of the real files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .data_categories import LVIS_COUNT, coco_categories, lvis_categories
from .data_draw import DRAWN, Picture, Shape

Document = dict[str, Any]

_SITE = "http://images.cocodataset.org"
_DATE = "2017-11-14 00:00:00"
_LICENSES = [{"url": "https://creativecommons.org/publicdomain/zero/1.0/", "id": 1, "name": "drawn by the test lab"}]
_KEYPOINTS = [
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow"),
    *("left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
]
_PERSON = 1


def instances(pictures: Sequence[Picture], folder: str) -> Document:
    """COCO's instances file for the pictures of one folder (train2017 or val2017)."""
    annotations = [
        {**_object(shape, picture, number), "iscrowd": int(bool(shape.runs)), "category_id": shape.category}
        for number, (picture, shape) in enumerate(_objects(pictures), start=1)
    ]
    return {**_coco(pictures, folder), "annotations": annotations, "categories": coco_categories()}


def captions(pictures: Sequence[Picture], folder: str) -> Document:
    """COCO's captions file: one caption to a picture."""
    annotations = [
        {"image_id": picture.number, "id": number, "caption": f"{len(picture.shapes)} coloured shapes."}
        for number, picture in enumerate(pictures, start=1)
    ]
    return {**_coco(pictures, folder), "annotations": annotations}


def person_keypoints(pictures: Sequence[Picture], folder: str) -> Document:
    """COCO's keypoints file: the shapes of category person, none of whose keypoints is visible."""
    people = [
        {**annotation, "num_keypoints": 0, "keypoints": [0] * 3 * len(_KEYPOINTS)}
        for annotation in instances(pictures, folder)["annotations"]
        if annotation["category_id"] == _PERSON
    ]
    category = {**coco_categories()[0], "keypoints": _KEYPOINTS, "skeleton": [[6, 7], [6, 12], [7, 13], [12, 13]]}
    return {**_coco(pictures, folder), "annotations": people, "categories": [category]}


def lvis(pictures: Sequence[tuple[str, Picture]], training: Sequence[Picture]) -> Document:
    """LVIS's file for (folder, picture) pairs; ``training`` are the pictures that its categories count."""
    seen = Counter(_lvis_category(category) for picture in training for category in _categories(picture))
    drawn = Counter(_lvis_category(shape.category) for _, shape in _objects(training) if shape.outline)
    # LVIS has no crowds: many alike are many annotations, or a category named as not exhaustive in that picture.
    marked = [(picture, shape) for picture, shape in _objects(picture for _, picture in pictures) if shape.outline]
    annotations = [
        {**_object(shape, picture, number), "category_id": _lvis_category(shape.category)}
        for number, (picture, shape) in enumerate(marked, start=1)
    ]
    return {
        "info": _info("LVIS v1", "v1.0"),
        "licenses": _LICENSES,
        "images": [_lvis_image(folder, picture) for folder, picture in pictures],
        "annotations": annotations,
        "categories": lvis_categories(seen, drawn),
    }


def _lvis_category(coco: int) -> int:
    """Spread the drawn categories over LVIS's ids, the first and the last among them."""
    return 1 + DRAWN.index(coco) * (LVIS_COUNT - 1) // (len(DRAWN) - 1)


def _lvis_image(folder: str, picture: Picture) -> Document:
    present = _categories(picture)
    crowds = {shape.category for shape in picture.shapes if shape.runs}
    absent = [category for category in DRAWN if category not in present | crowds]
    return {
        **_image(picture, folder),
        "neg_category_ids": [_lvis_category(category) for category in absent[:2]],
        "not_exhaustive_category_ids": sorted(_lvis_category(category) for category in crowds),
    }


def _categories(picture: Picture) -> set[int]:
    return {shape.category for shape in picture.shapes if shape.outline}


def _objects(pictures: Iterable[Picture]) -> list[tuple[Picture, Shape]]:
    return [(picture, shape) for picture in pictures for shape in picture.shapes]


def _object(shape: Shape, picture: Picture, number: int) -> Document:
    segmentation: list[list[float]] | Mapping[str, Any] = [[value for point in shape.outline for value in point]]
    if shape.runs:
        segmentation = {"counts": list(shape.runs), "size": [picture.height, picture.width]}
    return {
        "segmentation": segmentation,
        "area": shape.area,
        "image_id": picture.number,
        "bbox": list(shape.box),
        "id": number,
    }


def _coco(pictures: Sequence[Picture], folder: str) -> Document:
    images = [{**_image(picture, folder), "file_name": picture.filename} for picture in pictures]
    return {"info": _info("COCO 2017", "1.0"), "licenses": _LICENSES, "images": images}


def _image(picture: Picture, folder: str) -> Document:
    return {
        "license": 1,
        "coco_url": f"{_SITE}/{folder}/{picture.filename}",
        "height": picture.height,
        "width": picture.width,
        "date_captured": _DATE,
        "flickr_url": "",
        "id": picture.number,
    }


def _info(name: str, version: str) -> Document:
    return {
        "description": f"STAND-IN for {name}: pictures drawn by the test lab of codetr-provision",
        "url": "",
        "version": version,
        "year": 2017,
        "contributor": "",
        "date_created": _DATE,
    }
