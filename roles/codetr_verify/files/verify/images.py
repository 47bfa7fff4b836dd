"""Check `images`: draw the loss curve, and training images with their boxes, for the report."""
from __future__ import annotations

import colorsys
from pathlib import Path
from typing import Any

SAMPLES = 4
WIDTH = 640  # pixels, at most


def draw_losses(losses: list[dict[str, float]], title: str, path: Path) -> None:
    """A chart of the loss of each iteration."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import MaxNLocator

    figure, axes = pyplot.subplots(figsize=(7, 4), dpi=120)
    axes.plot([record["iter"] for record in losses], [record["loss"] for record in losses], marker="o", color="#1f5fa8")
    axes.set_title(title)
    axes.set_xlabel("iteration")
    axes.set_ylabel("loss (sum of all parts)")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def draw_samples(coco: Any, lvis: Any | None, folder: Path) -> list[dict[str, str]]:
    """Draw images of the datasets, the last one from LVIS if there is one; returns file names with captions."""
    chosen = [(coco, index) for index in range(min(len(coco), SAMPLES - (lvis is not None)))]
    if lvis is not None:
        chosen.append((lvis, 0))
    images = []
    for number, (dataset, index) in enumerate(chosen, 1):
        name = f"sample-{number}.jpg"
        boxes = _draw(dataset, index, folder / name)
        origin = "LVIS v1" if dataset is lvis else "training set"
        images.append({"file": name, "caption": f"{origin}: {dataset.data_infos[index]['filename']}, {boxes} boxes"})
    return images


def innermost(dataset: Any) -> Any:
    """The dataset with the images, inside those that wrap it."""
    while not hasattr(dataset, "data_infos"):
        dataset = dataset.dataset
    return dataset


def _draw(dataset: Any, index: int, path: Path) -> int:
    """Draw one image with its ground truth; returns the number of boxes."""
    from matplotlib import font_manager
    from PIL import Image, ImageDraw, ImageFont

    with Image.open(Path(dataset.img_prefix) / dataset.data_infos[index]["filename"]) as opened:
        image = opened.convert("RGB")
    factor = min(1.0, WIDTH / image.width)
    image = image.resize((round(image.width * factor), round(image.height * factor)))
    # matplotlib brings a font; a bare host has none
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 14)
    draw = ImageDraw.Draw(image)
    truth = dataset.get_ann_info(index)
    for box, label in zip(truth["bboxes"].tolist(), truth["labels"].tolist(), strict=True):
        left, top, right, bottom = (edge * factor for edge in box)
        colour = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(label * 0.381966 % 1, 0.85, 0.75))
        draw.rectangle((left, top, right, bottom), outline=colour, width=3)
        name = dataset.CLASSES[label]
        x1, y1, x2, y2 = draw.textbbox((0, 0), name, font=font)
        width, height = x2 - x1 + 6, y2 - y1 + 6
        # above the box where there is room, inside the image always
        x, y = min(max(left, 0), max(image.width - width, 0)), max(top - height, 0)
        draw.rectangle((x, y, x + width, y + height), fill=colour)
        draw.text((x + 3 - x1, y + 3 - y1), name, font=font, fill="white")
    image.save(path, quality=90)
    return len(truth["labels"])
