"""Decode images for decode.py, in an interpreter that has PIL. Runs from its source text, without the collection.

A line of standard input is a JSON list of ``{"name", "path", "width", "height", "thumbnail"}``: pixels, 0 where unknown, and
the path of the small copy to make, empty for none. The answer is one line: a list of ``{"name", "width", "height", "fault"}``.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

THUMBNAIL_WIDTH = 480
QUALITY = 80
HEAD = 16


def check(job: dict[str, Any]) -> dict[str, Any]:
    """Decode one image to its last row; ``fault`` says what is wrong with it, empty for nothing."""
    # Not at the top: decode.py imports this file for its source, in an interpreter without PIL.
    from PIL import Image, UnidentifiedImageError

    head = b""
    try:
        with open(job["path"], "rb") as handle:
            head = handle.read(HEAD)
            handle.seek(0)
            with Image.open(handle) as image:
                image.load()
                width, height = image.size
                if job["thumbnail"]:
                    _shrink(image, job["thumbnail"])
        fault = ""
        if job["width"] and job["height"] and (width, height) != (job["width"], job["height"]):
            fault = f"has {width}x{height} pixels, but its annotations say {job['width']}x{job['height']}"
        return {"name": job["name"], "width": width, "height": height, "fault": fault}
    except UnidentifiedImageError:
        fault = f"is not an image (it begins with {head!r})" if head else "is empty"
    except OSError as error:
        fault = f"cannot be decoded: {error.strerror or error}"
    except Exception as error:
        # PIL's decoders raise SyntaxError, ValueError, struct.error and more for broken files.
        fault = f"cannot be decoded: {error!r}"
    return {"name": job["name"], "width": 0, "height": 0, "fault": fault}


def _shrink(image: Any, path: str) -> None:
    small = image.convert("RGB")
    small.thumbnail((THUMBNAIL_WIDTH, image.height))
    small.save(path + ".new", "JPEG", quality=QUALITY)
    os.replace(path + ".new", path)


def main() -> None:
    """Answer each line of standard input until it ends."""
    from PIL import ImageFile, features

    if not features.check("jpg"):
        raise SystemExit("This PIL reads no JPEG.")
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    for line in sys.stdin:
        sys.stdout.write(json.dumps([check(job) for job in json.loads(line)]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
