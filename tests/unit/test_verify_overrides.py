"""From a training config to a small one, and which of mmcv's ops a config uses."""
from __future__ import annotations

from pathlib import Path

import pytest
import verifypackage  # noqa: F401
from verify import overrides, used_ops
from verify.result import CheckFailed

PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "AutoAugment", "policies": [
        [{"type": "Resize", "img_scale": [(480, 1333), (800, 1333)], "multiscale_mode": "value", "keep_ratio": True}],
        [{"type": "RandomCrop", "crop_type": "absolute_range", "crop_size": (384, 600)}],
    ]},
    {"type": "Pad", "size_divisor": 1},
]


def test_scaling_reaches_nested_steps_and_leaves_the_rest():
    small = overrides.scaled(PIPELINE, 320)
    assert small[1]["policies"][0][0]["img_scale"] == (320, 320)
    assert small[1]["policies"][0][0]["keep_ratio"] is True
    assert small[1]["policies"][1][0]["crop_size"] == (320, 320)
    assert small[2] == {"type": "Pad", "size_divisor": 1}
    assert PIPELINE[1]["policies"][0][0]["img_scale"] == [(480, 1333), (800, 1333)]


def test_scaling_by_zero_changes_nothing():
    assert overrides.scaled(PIPELINE, 0) == PIPELINE


def test_scaling_follows_padding_to_a_size_and_a_range_of_scales():
    assert overrides.scaled({"type": "Pad", "size": (1024, 1024)}, 320)["size"] == (320, 320)
    ranged = {"type": "Resize", "img_scale": [(1, 2), (3, 4)], "multiscale_mode": "range"}
    assert overrides.scaled(ranged, 320)["multiscale_mode"] == "value"


def test_a_relative_crop_stays():
    crop = {"type": "RandomCrop", "crop_type": "relative", "crop_size": (0.5, 0.5)}
    assert overrides.scaled(crop, 320) == crop


def test_the_leaf_of_wrapped_datasets():
    inner = {"type": "LVISV1Dataset", "ann_file": "a.json"}
    assert overrides.leaf({"type": "RepeatDataset", "dataset": {"type": "ClassBalancedDataset", "dataset": inner}}) is inner


@pytest.mark.parametrize("ann_file", [["a.json", "b.json"], None])
def test_a_dataset_without_exactly_one_annotation_file_is_refused(ann_file):
    with pytest.raises(CheckFailed, match="must name one annotation file"):
        overrides.leaf({"type": "CocoDataset", "ann_file": ann_file})


def test_paths_below_data_are_in_the_data_folder_and_others_in_the_repository():
    repo, data = Path("/repo"), Path("/disk/data")
    assert overrides.located("data/coco/train2017/", repo, data) == Path("/disk/data/coco/train2017")
    assert overrides.located("demo/a.json", repo, data) == Path("/repo/demo/a.json")
    assert overrides.located("/elsewhere/a.json", repo, data) == Path("/elsewhere/a.json")


def test_a_small_dataset_repeats_nothing_and_keeps_what_mixes_images():
    inner = {"type": "CocoDataset", "ann_file": "x", "img_prefix": "y", "data_root": "z", "pipeline": PIPELINE}
    mixed = {"type": "MultiImageMixDataset", "dataset": inner, "pipeline": [{"type": "Resize", "img_scale": (9, 9)}]}
    small = overrides.small_dataset({"type": "RepeatDataset", "times": 3, "dataset": mixed}, Path("/o/t.json"), Path("/d"), 320)
    assert small["type"] == "MultiImageMixDataset"
    assert small["pipeline"][0]["img_scale"] == (320, 320)
    assert (small["dataset"]["ann_file"], small["dataset"]["img_prefix"]) == ("/o/t.json", "/d/")
    assert "data_root" not in small["dataset"]


def _settings(**arguments):
    text = overrides.config_text(Path("/repo/base.py"), {"type": "T"}, {"type": "V"}, **arguments)
    settings: dict = {}
    exec(compile(text, "config", "exec"), settings)
    return settings


def test_the_config_file_is_python_that_inherits_and_trains_one_epoch():
    settings = _settings(without_weights=None, mixed_precision=True)
    assert settings["_base_"] == ["/repo/base.py"]
    assert settings["runner"]["max_epochs"] == 1
    assert settings["data"] == {"_delete_": True, "samples_per_gpu": 1, "workers_per_gpu": 0,
                                "train": {"type": "T"}, "val": {"type": "V"}, "test": {"type": "V"}}
    assert "model" not in settings
    assert "fp16" not in settings


def test_random_weights_and_single_precision_are_laid_over():
    settings = _settings(without_weights={"backbone": {"init_cfg": None}}, mixed_precision=False)
    assert settings["model"] == {"backbone": {"init_cfg": None}}
    assert settings["fp16"] is None


def test_a_backbone_for_one_size_gets_the_size_that_images_are_padded_to():
    train = {"type": "T", "pipeline": [{"type": "Pad", "size": (320, 320)}]}
    text = overrides.config_text(Path("/repo/base.py"), train, {}, mixed_precision=True, sized_backbone=True,
                                 without_weights={"backbone": {"init_cfg": None}})
    settings: dict = {}
    exec(compile(text, "config", "exec"), settings)
    assert settings["model"] == {"backbone": {"init_cfg": None, "img_size": 320}}
    assert "model" not in _settings(mixed_precision=True, sized_backbone=True)
    assert overrides.padded_to({"pipeline": [{"type": "Pad", "size_divisor": 32}]}) is None


def test_ops_that_a_config_uses_with_their_settings_each_once():
    config = {
        "bbox_head": [{"loss_cls": {"type": "FocalLoss", "use_sigmoid": True, "gamma": 1.5}},
                      {"loss_cls": {"type": "FocalLoss", "use_sigmoid": True, "gamma": 1.5}}],
        "transformer": {"attn_cfgs": [{"type": "MultiScaleDeformableAttention"}]},
        "test_cfg": [{"nms": {"type": "nms", "iou_threshold": 0.6}}, {"rpn": {"nms": {"type": "nms", "iou_threshold": 0.7}}},
                     {"nms": {"type": "soft_nms", "iou_threshold": 0.8}}],
    }
    uses = used_ops.in_config(config)
    assert [use.op for use in uses] == ["ms_deform_attn", "nms", "nms", "sigmoid_focal_loss", "soft_nms"]
    assert [use.get("iou_threshold") for use in uses if use.op == "nms"] == [0.6, 0.7]
    assert next(use for use in uses if use.op == "sigmoid_focal_loss").get("gamma") == 1.5


def test_ops_that_modules_use_including_one_that_is_not_known():
    roi_align = type("RoIAlign", (), {"__module__": "mmcv.ops.roi_align"})()
    for name, value in {"output_size": (7, 7), "spatial_scale": 0.125, "sampling_ratio": 0, "pool_mode": "avg", "aligned": True}.items():
        setattr(roi_align, name, value)
    carafe = type("CARAFE", (), {"__module__": "mmcv.ops.carafe"})()
    uses = used_ops.in_modules([object(), roi_align, carafe, roi_align])
    assert [use.op for use in uses] == ["CARAFE", "roi_align"]
    assert uses[1].get("output_size") == (7, 7)


def test_masks_are_cut_by_roi_align_though_no_layer_shows_it():
    uses = used_ops.in_config({"rcnn": {"mask_size": 28}, "mask_head": {"stage_sup_size": [14, 112]}})
    assert [use.get("output_size") for use in uses] == [(112, 112), (14, 14), (28, 28)]
    assert {(use.op, use.get("spatial_scale"), use.get("aligned")) for use in uses} == {("roi_align", 1.0, True)}


def test_images_are_repeated_only_where_there_are_too_few():
    dataset = {"type": "CocoDataset"}
    assert overrides.repeated(dataset, 16, 16) is dataset
    assert overrides.repeated(dataset, 5, 16) == {"type": "RepeatDataset", "times": 4, "dataset": dataset}


@pytest.mark.parametrize(("dataset", "output"), [
    ({"pipeline": PIPELINE}, "480x1333 to 800x1333"), ({"pipeline": [{"img_scale": (1333, 800)}]}, "800x1333"), ({}, "as they are"),
    ({"dataset": {"pipeline": [{"img_scale": (64, 64)}]}}, "64x64"),
])
def test_the_scales_of_a_dataset_are_told(dataset, output):
    assert overrides.scales(dataset) == output


def test_a_config_for_a_measurement_keeps_batch_and_workers_and_leaves_no_checkpoint():
    settings = _settings(mixed_precision=True, batch=4, workers=8, checkpoints=False)
    assert (settings["data"]["samples_per_gpu"], settings["data"]["workers_per_gpu"]) == (4, 8)
    assert settings["checkpoint_config"] is None
    assert "lr_config" not in settings


def test_a_warm_up_is_cut_short_and_epochs_can_be_two():
    settings = _settings(mixed_precision=True, warmup=4, epochs=2)
    assert settings["lr_config"] == {"warmup_iters": 4}
    assert settings["runner"]["max_epochs"] == 2
