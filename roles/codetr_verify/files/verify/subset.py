"""Cut an annotation file (COCO or LVIS v1) down to a few images that are on the disk."""
from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from verify.result import CheckFailed


def file_of(image: dict[str, Any]) -> str:
    """The path of an image below its dataset's image folder: COCO's `file_name`, or folder/name from LVIS's `coco_url`."""
    if "coco_url" in image and "file_name" not in image:
        return "/".join(image["coco_url"].split("/")[-2:])
    return str(image["file_name"])


def read(path: Path) -> dict[str, Any]:
    """An annotation file.

    Raises:
        CheckFailed: it does not exist, is no JSON, or has no images.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise CheckFailed(f"annotation file {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CheckFailed(f"annotation file {path} is not valid JSON: {error}") from error
    if not isinstance(content, dict) or not content.get("images") or not content.get("annotations"):
        raise CheckFailed(f"annotation file {path} has no images or no annotations")
    return content


def cut(source: Path, images_in: Path, target: Path, count: int) -> list[dict[str, Any]]:
    """Copy the first `count` images (by id) that have a box from `source` to `target`; returns those images.

    Takes all when there are fewer. Keeps every category, so that class ids stay the same.

    Raises:
        CheckFailed: no image has a box, or an image is missing in `images_in`.
    """
    content = read(source)
    boxes = Counter(annotation["image_id"] for annotation in content["annotations"] if not annotation.get("iscrowd", 0))
    chosen = sorted((image for image in content["images"] if boxes[image["id"]]), key=lambda image: image["id"])[:count]
    if not chosen:
        raise CheckFailed(f"annotation file {source} has no image with a box")
    missing = [file_of(image) for image in chosen if not (images_in / file_of(image)).is_file()]
    if missing:
        raise CheckFailed(f"{len(missing)} of {len(chosen)} images are missing in {images_in}, the first is {missing[0]}")
    ids = {image["id"] for image in chosen}
    kept = dict(content, images=chosen, annotations=[item for item in content["annotations"] if item["image_id"] in ids])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(kept), encoding="utf-8")
    return chosen
