"""What the report's pages share: templates, paths of a host's files, and embedded images."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jinja2

from codetr_provision import wording

IMAGE_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


def inside(base: Path, name: str) -> Path | None:
    """The path of a host's folder, or of a file that a host named, in `base`; None for a name that leads out of it."""
    return base / name if name not in ("", ".", "..") and Path(name).name == name else None


def embedded(path: Path, most_bytes: int) -> str:
    """The image as a data URI; empty for one that is absent or larger than `most_bytes`."""
    kind = IMAGE_TYPES.get(path.suffix.lower())
    if kind is None or not path.is_file() or path.stat().st_size > most_bytes:
        return ""
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def pixels(value: float) -> str:
    """A length or position in an SVG, as short as it can be written."""
    return f"{value:.5g}"


def words(name: str) -> str:
    """The name of a figure or check for people, without its unit."""
    return name.removesuffix("_bytes").removesuffix("_seconds").replace("_", " ")


def figure(value: Any, name: str = "") -> str:
    """A value of `figures` or `versions` for people; names that end in _bytes and _seconds have those units."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, (int, float)) and name.endswith("_bytes"):
        return wording.size(value)
    if isinstance(value, (int, float)) and name.endswith("_seconds"):
        return wording.seconds(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{words(key)} {figure(one, key)}" for key, one in value.items())
    return ", ".join(figure(one) for one in value) if isinstance(value, list) else str(value)


def render(template: str, **values: Any) -> str:
    """A page as text. All values are escaped; one that the template lacks is an error."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("codetr_provision"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )
    templates.filters.update(
        seconds=wording.seconds, size=wording.size, number=wording.number, short=wording.short, words=words, figure=figure, pixels=pixels,
    )
    return templates.get_template(template).render(values)
