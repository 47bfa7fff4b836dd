"""Pictures of coloured shapes on a textured ground, and what is on them. A shape and its colour tell the category."""

from __future__ import annotations

import colorsys
import io
import itertools
import math
import random
from dataclasses import dataclass, field

from PIL import Image, ImageDraw

Point = tuple[float, float]

# Category ids of COCO that occur in the pictures: the first, the last, and some on either side of gaps in the ids.
DRAWN = (1, 3, 11, 13, 25, 27, 44, 62, 84, 90)
_CORNERS = (3, 4, 5, 8, 24)
_TILT = {4: math.pi / 4}
CROWD_MEMBERS = 12


@dataclass(frozen=True)
class Shape:
    """One object: an outline in pixels, or for a crowd its mask as COCO's run lengths, column by column."""

    category: int
    outline: tuple[Point, ...] = ()
    runs: tuple[int, ...] = ()
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  # x, y, width, height in pixels
    area: float = 0.0  # square pixels


@dataclass(frozen=True)
class Picture:
    """One JPEG with the shapes on it; sizes in pixels."""

    number: int
    width: int
    height: int
    jpeg: bytes = field(repr=False)
    shapes: tuple[Shape, ...] = ()

    @property
    def filename(self) -> str:
        """COCO's name of the file."""
        return f"{self.number:012d}.jpg"


def draw(number: int, crowd: bool) -> Picture:
    """Draw the picture of this number: always the same one. With ``crowd`` one of its objects is a crowd."""
    source = random.Random(number)
    width, height = 320 + source.randrange(-4, 5) * 8, 240 + source.randrange(-4, 5) * 8
    image = _ground(source, width, height)
    pen = ImageDraw.Draw(image)
    # One object to a cell of a 2 x 2 grid: none hides another, so that each outline is a true segmentation.
    cells = [(column * width / 2, row * height / 2) for row in range(2) for column in range(2)]
    source.shuffle(cells)
    shapes = []
    for index, (left, top) in enumerate(cells[: source.randint(2, 4)]):
        category = source.choice(DRAWN)
        if crowd and index == 0:
            shapes.append(_crowd(source, pen, category, (left, top, width / 2, height / 2), (width, height)))
            continue
        radius = source.uniform(0.28, 0.46) * min(width, height) / 2
        centre = (left + width / 4 + source.uniform(-6, 6), top + height / 4 + source.uniform(-3, 3))
        outline = _outline(category, centre, radius)
        pen.polygon(list(outline), fill=colour(category))
        shapes.append(Shape(category, outline, (), _box(outline), _area(outline)))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return Picture(number, width, height, stream.getvalue(), tuple(shapes))


def _ground(source: random.Random, width: int, height: int) -> Image.Image:
    """Soft noise in three channels, dark enough for every colour to stand out."""
    small = (width // 8, height // 8)
    bands = [Image.frombytes("L", small, source.randbytes(small[0] * small[1])) for _ in range(3)]
    noise = Image.merge("RGB", bands).resize((width, height), Image.Resampling.BICUBIC)
    return noise.point([value // 4 + 20 for value in range(256)] * 3)


def colour(category: int) -> tuple[int, int, int]:
    """Red, green and blue, each 0 to 255, of a category's shapes."""
    red, green, blue = colorsys.hsv_to_rgb(DRAWN.index(category) / len(DRAWN), 0.85, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def _outline(category: int, centre: Point, radius: float) -> tuple[Point, ...]:
    corners = _CORNERS[DRAWN.index(category) % len(_CORNERS)]
    angles = (2 * math.pi * corner / corners - math.pi / 2 + _TILT.get(corners, 0.0) for corner in range(corners))
    return tuple((round(centre[0] + radius * math.cos(a), 2), round(centre[1] + radius * math.sin(a), 2)) for a in angles)


def _box(outline: tuple[Point, ...]) -> tuple[float, float, float, float]:
    across, down = [x for x, _ in outline], [y for _, y in outline]
    return min(across), min(down), round(max(across) - min(across), 2), round(max(down) - min(down), 2)


def _area(outline: tuple[Point, ...]) -> float:
    pairs = zip(outline, outline[1:] + outline[:1], strict=True)
    return round(abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in pairs)) / 2, 2)


def _crowd(
    source: random.Random, pen: ImageDraw.ImageDraw, category: int, cell: tuple[float, float, float, float], size: tuple[int, int]
) -> Shape:
    """Draw many small shapes into a cell (x, y, width, height) and return them as one object with a mask."""
    left, top, width, height = cell
    mask = Image.new("L", size)
    marker = ImageDraw.Draw(mask)
    for _ in range(CROWD_MEMBERS):
        centre = (left + source.uniform(0.1, 0.9) * width, top + source.uniform(0.1, 0.9) * height)
        outline = list(_outline(category, centre, 7.0))
        pen.polygon(outline, fill=colour(category))
        marker.polygon(outline, fill=255)
    x1, y1, x2, y2 = mask.getbbox() or (0, 0, 0, 0)
    return Shape(category, (), run_lengths(mask), (float(x1), float(y1), float(x2 - x1), float(y2 - y1)), float(mask.histogram()[255]))


def run_lengths(mask: Image.Image) -> tuple[int, ...]:
    """COCO's uncompressed run lengths: down the columns, beginning with a run of background, which may be empty."""
    columns = mask.transpose(Image.Transpose.TRANSPOSE).tobytes()
    runs = [(bool(value), len(list(group))) for value, group in itertools.groupby(columns)]
    return tuple(([0] if runs[0][0] else []) + [length for _, length in runs])
