"""COCO's 80 categories with their ids, and 1203 synthetic ones in the place of LVIS's."""

from __future__ import annotations

from typing import Any

# The ids run from 1 to 90; these were never used for boxes.
COCO_GAPS = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83})
COCO_NAMES = {
    "person": ["person"],
    "vehicle": ["bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"],
    "outdoor": ["traffic light", "fire hydrant", "stop sign", "parking meter", "bench"],
    "animal": ["bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"],
    "accessory": ["backpack", "umbrella", "handbag", "tie", "suitcase"],
    "sports": [
        *("frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard"),
        *("surfboard", "tennis racket"),
    ],
    "kitchen": ["bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl"],
    "food": ["banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake"],
    "furniture": ["chair", "couch", "potted plant", "bed", "dining table", "toilet"],
    "electronic": ["tv", "laptop", "mouse", "remote", "keyboard", "cell phone"],
    "appliance": ["microwave", "oven", "toaster", "sink", "refrigerator"],
    "indoor": ["book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush"],
}
LVIS_COUNT = 1203


def coco_categories() -> list[dict[str, Any]]:
    """COCO's categories, in the order of their ids."""
    ids = (number for number in range(1, 91) if number not in COCO_GAPS)
    return [
        {"supercategory": group, "id": number, "name": name}
        for (group, name), number in zip(((group, name) for group, names in COCO_NAMES.items() for name in names), ids, strict=True)
    ]


def lvis_categories(images: dict[int, int], instances: dict[int, int]) -> list[dict[str, Any]]:
    """LVIS's schema with synthetic names; ``images`` and ``instances`` count by category id in the training set."""
    return [
        {
            "id": number,
            "name": f"category_{number:04d}",
            "synset": f"category_{number:04d}.n.01",
            "synonyms": [f"category_{number:04d}"],
            "def": "a shape of one colour, drawn",
            "frequency": _frequency(images.get(number, 0)),
            "image_count": images.get(number, 0),
            "instance_count": instances.get(number, 0),
        }
        for number in range(1, LVIS_COUNT + 1)
    ]


def _frequency(images: int) -> str:
    """LVIS's classes of frequency, with limits for a few images: rare, common, frequent."""
    if images <= 1:
        return "r"
    return "c" if images <= 4 else "f"
