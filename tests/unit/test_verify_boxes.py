"""The plain Python formulas that mmcv's ops are measured against, themselves measured against values worked out by hand."""
from __future__ import annotations

import pytest
import verifypackage  # noqa: F401
from verify import reference_boxes

A, B, C = (0, 0, 10, 10), (0, 0, 10, 8), (20, 20, 30, 30)


def test_iou_of_boxes_that_share_a_part_all_or_nothing():
    assert reference_boxes.iou(A, B) == pytest.approx(0.8)
    assert reference_boxes.iou(A, A) == 1
    assert reference_boxes.iou(A, C) == 0


def test_nms_drops_the_weaker_of_two_that_overlap():
    assert reference_boxes.nms([B, A, C], [0.5, 0.9, 0.1], [0, 0, 0], 0.7) == [1, 2]


def test_nms_keeps_both_below_the_threshold_and_in_different_groups():
    assert reference_boxes.nms([B, A], [0.5, 0.9], [0, 0], 0.85) == [1, 0]
    assert reference_boxes.nms([B, A], [0.5, 0.9], [0, 1], 0.7) == [1, 0]


def test_soft_nms_lowers_scores_instead():
    common = {"threshold": 0.5, "sigma": 0.5, "min_score": 1e-3}
    linear = dict(reference_boxes.soft_nms([A, B, C], [0.9, 0.5, 0.4], [0, 0, 0], method="linear", **common))
    assert linear == pytest.approx({0: 0.9, 1: 0.1, 2: 0.4})
    gaussian = dict(reference_boxes.soft_nms([A, B], [0.9, 0.5], [0, 0], method="gaussian", **common))
    assert gaussian[1] == pytest.approx(0.5 * 2.718281828 ** (-0.64 / 0.5))


def test_soft_nms_drops_what_falls_below_the_least_score():
    kept = reference_boxes.soft_nms([A, A], [0.9, 0.5], [0, 0], threshold=0.5, sigma=0.5, min_score=1e-3, method="linear")
    assert [index for index, _ in kept] == [0]


def test_ambiguous_finds_the_pair_on_the_threshold():
    assert reference_boxes.ambiguous([A, B, C], 0.8) == {1}
    assert reference_boxes.ambiguous([A, B, C], 0.7) == set()


def test_roi_weights_of_a_region_that_lies_on_the_pixel_grid():
    # pixels 1 and 2 of 4, one bin each, centres at halves
    assert reference_boxes.roi_axis_weights(1, 3, 4, 2, 1, True) == [[0, 1, 0, 0], [0, 0, 1, 0]]


def test_roi_weights_interpolate_between_neighbours():
    assert reference_boxes.roi_axis_weights(1.25, 2.25, 4, 1, 1, True) == [[0, 0.75, 0.25, 0]]


def test_roi_weights_of_a_mean_over_several_points_add_up_to_one():
    (row,) = reference_boxes.roi_axis_weights(0, 4, 4, 1, 0, True)
    assert row == pytest.approx([0.25] * 4)


def test_roi_weights_outside_the_map_are_zero_and_at_its_edge_clamped():
    rows = reference_boxes.roi_axis_weights(-6, 10, 4, 8, 1, True)
    assert rows[0] == [0, 0, 0, 0]
    assert rows[-1] == [0, 0, 0, 0]
    assert reference_boxes.roi_axis_weights(0, 0.5, 4, 1, 1, True) == [[1, 0, 0, 0]]


def test_roi_weights_without_alignment_take_at_least_one_pixel():
    assert reference_boxes.roi_axis_weights(1, 1.2, 4, 1, 1, False) == [[0, 0.5, 0.5, 0]]
