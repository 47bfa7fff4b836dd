"""Where boxes and labels go on an image: pure geometry, in pixels of the original image."""

from __future__ import annotations

import random

import pytest

from codetr_provision import boxes
from codetr_provision.boxes import Area, clipped, draw
from codetr_provision.data_result import Box

SIZE = (640, 480)


@pytest.mark.parametrize(("box", "left"), [
    ((10, 20, 30, 40), Area(10, 20, 30, 40)),
    ((-10, -20, 30, 40), Area(0, 0, 20, 20)),
    ((630, 470, 30, 40), Area(630, 470, 10, 10)),
    ((-5, -5, 1e9, 1e9), Area(0, 0, 640, 480)),
    ((-1e15, 0, 1e15, 10), None),
    ((640, 0, 10, 10), None),
    ((0, 480, 10, 10), None),
    ((-10, 0, 10, 10), None),
    ((0, 700, 10, 10), None),
    ((5, 5, 0, 10), None),
    ((5, 5, 10, -3), None),
])  # fmt: skip
def test_of_a_box_only_what_is_inside_the_picture_is_drawn(box: tuple[float, ...], left: Area | None) -> None:
    assert clipped((*box, "cat"), *SIZE) == left  # type: ignore[arg-type]


def test_boxes_that_cannot_be_drawn_are_counted() -> None:
    drawing = draw(*SIZE, [(0, 0, 10, 10, "cat"), (700, 0, 10, 10, "dog"), (5, 5, 0, 0, "dog")])
    assert [mark.text for mark in drawing.boxes] == ["cat"] and (drawing.outside, drawing.more) == (2, 0)


def test_small_boxes_are_drawn_over_large_ones() -> None:
    drawing = draw(*SIZE, [(0, 0, 10, 10, "small"), (0, 0, 600, 400, "large"), (0, 0, 90, 90, "middle")])
    assert [mark.text for mark in drawing.boxes] == ["large", "middle", "small"]


@pytest.mark.parametrize(("size", "unit"), [((640, 480), 2), ((320, 240), 1), ((3200, 2400), 10), ((480, 640), 640 / 240), ((640, 100), 2)])
def test_lines_and_letters_look_the_same_whatever_the_size_of_the_image(size: tuple[int, int], unit: float) -> None:
    drawing = draw(*size, [(0, 0, size[0], size[1], "cat")])
    assert drawing.line == pytest.approx(boxes.LINE * unit)
    assert drawing.letters == pytest.approx(boxes.LETTERS * unit)
    assert drawing.labels[0].area.height == pytest.approx(boxes.LABEL_HEIGHT * unit)


def place(*box: float) -> Area:
    labels = draw(*SIZE, [(*box, "cat")]).labels  # type: ignore[list-item]
    return labels[0].area


HIGH = boxes.LABEL_HEIGHT * 2


def test_a_label_sits_above_its_box() -> None:
    assert (place(100, 200, 50, 50).x, place(100, 200, 50, 50).y) == (100, 200 - HIGH)


def test_a_label_without_room_above_is_inside() -> None:
    assert place(100, 5, 200, 200).y == 5


def test_a_label_moves_left_from_the_edge() -> None:
    area = place(630, 200, 10, 50)
    assert area.x == pytest.approx(640 - area.width)


def test_the_second_of_two_labels_goes_elsewhere() -> None:
    first, second = draw(*SIZE, [(100, 100, 200, 200, "cat"), (100, 100, 200, 199, "dog")]).labels
    assert first.area.y == 100 - HIGH and second.area.y == 100


@pytest.mark.parametrize(("other", "meets"), [
    (Area(5, 5, 1, 1), True), (Area(-5, -5, 30, 30), True), (Area(9, 9, 5, 5), True),
    (Area(10, 0, 5, 5), False), (Area(-5, 0, 5, 5), False), (Area(0, 10, 5, 5), False), (Area(0, -5, 5, 5), False),
])  # fmt: skip
def test_areas_that_meet(other: Area, meets: bool) -> None:
    assert (Area(0, 0, 10, 10).overlaps(other), other.overlaps(Area(0, 0, 10, 10))) == (meets, meets)


def test_labels_of_a_crowd_stay_in_the_picture_and_apart() -> None:
    source = random.Random(7)
    crowd: list[Box] = [
        (source.uniform(-50, 640), source.uniform(-50, 480), source.uniform(1, 200), source.uniform(1, 200), f"cat {source.randrange(30)}")
        for _ in range(300)
    ]
    drawing = draw(*SIZE, crowd)
    areas = [label.area for label in drawing.labels]
    assert len(areas) == boxes.MOST_LABELS
    assert all(area.x >= 0 and area.y >= 0 and area.x + area.width <= 640 and area.y + area.height <= 480 for area in areas)
    assert not any(one.overlaps(other) for number, one in enumerate(areas) for other in areas[:number])
    assert len(drawing.boxes) == boxes.MOST_BOXES and drawing.more == 300 - drawing.outside - boxes.MOST_BOXES
    largest = min(mark.area.width * mark.area.height for mark in drawing.boxes)
    left_out = sorted((area.width * area.height for box in crowd if (area := clipped(box, *SIZE))), reverse=True)[boxes.MOST_BOXES:]
    assert max(left_out) <= largest


def test_a_picture_too_narrow_for_a_label_has_none() -> None:
    drawing = draw(20, 400, [(0, 100, 20, 50, "refrigerator")])
    assert len(drawing.boxes) == 1 and drawing.labels == []


def test_a_long_name_is_cut() -> None:
    (label,) = draw(*SIZE, [(0, 100, 20, 50, "x" * 500)]).labels
    assert label.text == "x" * 23 + "…" and label.area.width < 640


def test_wide_letters_take_more_room() -> None:
    assert boxes.text_width("iii") < boxes.text_width("aaa") < boxes.text_width("WWW") < boxes.text_width("猫猫猫猫")


def test_each_class_has_a_colour_of_its_own_until_they_run_out() -> None:
    many: list[Box] = [(n * 10, 100, 9, 9, f"class {n % 11}") for n in range(22)]
    drawing = draw(*SIZE, many)
    assert [entry.colour for entry in drawing.legend] == [*boxes.PALETTE, boxes.PALETTE[0]]
    assert all(entry.count == 2 for entry in drawing.legend)
    assert {(mark.text, mark.colour) for mark in drawing.boxes} == {(entry.name, entry.colour) for entry in drawing.legend}
    assert {label.colour for label in drawing.labels} <= set(boxes.PALETTE)


def test_the_legend_begins_with_the_most() -> None:
    drawing = draw(*SIZE, [(0, 0, 100, 100, "one"), (0, 0, 9, 9, "two"), (0, 0, 9, 9, "two")])
    assert [(entry.name, entry.count) for entry in drawing.legend] == [("two", 2), ("one", 1)]


@pytest.mark.parametrize("colour", boxes.PALETTE)
def test_black_letters_are_readable_on_each_colour(colour: str) -> None:
    """Contrast by WCAG's formula, of which 7 is the strict level."""
    red, green, blue = (int(colour[place:place + 2], 16) / 255 for place in (1, 3, 5))
    bright = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
    assert (0.2126 * bright[0] + 0.7152 * bright[1] + 0.0722 * bright[2] + 0.05) / 0.05 >= 7
