"""Check `speed`: measure how fast the config trains at its own scales and batch, and its use of GPUs and memory."""
from __future__ import annotations

import os
import statistics
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from verify import launch, overrides, trainlog
from verify.options import Options
from verify.prepare import Prepared, dataset
from verify.result import CheckFailed
from verify.watch import Usage, watching

# mmdet's defaults, for a config without them
DEFAULT = {"samples_per_gpu": 2, "workers_per_gpu": 2}


@dataclass
class Measured:
    """One measurement: the figures for verify.json, and what the plot needs."""

    figures: dict[str, Any]
    detail: str
    records: list[dict[str, float]]
    warmup: int  # iterations at the start that do not count
    usage: Usage = field(default_factory=Usage)


def check(options: Options, prepared: Prepared, on_iteration: launch.OnIteration = launch.ignored) -> Measured:
    """Train for `options.speed_iterations` iterations in OUT/speed and measure.

    Raises:
        CheckFailed: there are fewer GPUs than requested, the training failed, or it logged no measured iteration.
    """
    available = _gpus()
    if options.gpus > max(available, 1):
        raise CheckFailed(f"{options.gpus} GPUs are requested (--gpus), but torch finds {available} on this host")
    loader = {key: _setting(prepared.base.data, key) for key in DEFAULT}
    batch = options.batch or loader["samples_per_gpu"]
    wanted = options.speed_iterations * batch * options.gpus
    train, found = dataset(options, prepared.base, "train", min(options.speed_images, wanted), options.speed_longest, "speed")
    config = options.out / "speed_config.py"
    config.write_text(
        overrides.config_text(options.config, overrides.repeated(train, found, wanted), prepared.config.data.val.to_dict(), batch=batch,
                              workers=loader["workers_per_gpu"], checkpoints=False, **prepared.common), encoding="utf-8")
    usage = Usage()
    job = launch.Job("speed", config, options.out / "speed", options.seed, options.gpus, ("--no-validate",))
    gpus = options.gpus if available else 0
    ended = launch.run(options, job, on_iteration, partial(watching, gpus=_ids(gpus), usage=usage))
    log = trainlog.read(job.work_dir)
    _unused, total = (trainlog.iterations(ended.output) or [(0, 0)])[-1]
    if wrong := log.complaints(total, evaluated=False):
        raise CheckFailed(f"tools/train.py: {'; '.join(wrong)}; its last lines:\n{trainlog.last_lines(ended.output)}", ended.output)
    # a quarter of the requested iterations; grouping by the dataset may change their number
    warmup = options.speed_iterations // 4
    figures = measure(log.losses, warmup, batch, gpus)
    figures |= {"images": found, "workers": loader["workers_per_gpu"], "scales": overrides.scales(train)}
    figures |= _used(usage, ended.reached, warmup)
    return Measured(figures, _detail(figures, usage, bool(gpus)), log.losses, warmup, usage)


def measure(records: list[dict[str, float]], warmup: int, batch: int, gpus: int) -> dict[str, Any]:
    """The figures of the iterations after the first `warmup`.

    Args:
        records: what a training logged, a record per iteration, with times in seconds and memory in MB (2**20 bytes).
        warmup: iterations at the start that do not count.
        batch: images per GPU and iteration.
        gpus: how many trained; 0 for the CPU.

    Raises:
        CheckFailed: no iteration is left, or one has no time.
    """
    counted = records[warmup:]
    times = [record["time"] for record in counted if record.get("time", 0) > 0]
    if not times or len(times) != len(counted):
        raise CheckFailed(f"{len(times)} of the {len(records)} iterations have a time and count; the first {warmup} are warm-up")
    memory = max(record.get("memory", 0) for record in records)
    return {
        # the mean includes stalls, which the median below does not show
        "images_per_second": round(batch * max(gpus, 1) * len(times) / sum(times), 3),
        "seconds_per_iteration": round(statistics.median(times), 4),
        "data_seconds": round(statistics.median(record.get("data_time", 0.0) for record in counted), 4),
        "batch": batch, "gpus": gpus, "iterations": len(times),
        # mmcv logs the largest of all GPUs
        "peak_memory_bytes": int(memory) * 2**20 if gpus and memory else None,
    }


def _used(usage: Usage, reached: list[tuple[float, int]], warmup: int) -> dict[str, Any]:
    """GPU use during the measured iterations, or the memory of the processes when no GPU took part."""
    figures: dict[str, Any] = {"gpu_use_percent": None}
    begin = next((at for at, done in reached if done >= warmup), None)
    use = usage.between(begin, reached[-1][0]) if begin is not None else {}
    if use:
        each = {index: statistics.fmean(samples) for index, samples in use.items()}
        figures["gpu_use_percent"] = round(statistics.fmean(each.values()), 1)
        figures["gpu_use_percent_each"] = {str(index): round(mean, 1) for index, mean in sorted(each.items())}
    if usage.memory:
        figures["peak_memory_bytes"] = max(size for _unused, size in usage.memory)
    return figures


def _detail(figures: dict[str, Any], usage: Usage, on_gpu: bool) -> str:
    where = f"{figures['gpus']} GPU{'s' if figures['gpus'] > 1 else ''}" if on_gpu else "the CPU"
    memory = figures["peak_memory_bytes"]
    use = figures["gpu_use_percent"]
    parts = [
        f"{figures['images_per_second']:.2f} images/s on {where}",
        f"{figures['seconds_per_iteration']:.3f} s an iteration ({figures['data_seconds']:.3f} s of it waiting for data)",
        f"batch {figures['batch']}, {figures['iterations']} iterations, scales {figures['scales']}",
        "peak memory unknown" if not memory else f"peak memory {memory / 2**30:.1f} GiB{' per GPU' if on_gpu else ' of all processes'}",
        f"GPU use {use:.0f} %" if use is not None else f"GPU use not measured: {usage.without or 'no sample in that time'}",
    ]
    return ", ".join(parts)


def _setting(data: Any, key: str) -> int:
    """A setting of how a config loads training images; mmdet reads the newer place first."""
    return int(data.get("train_dataloader", {}).get(key, data.get(key, DEFAULT[key])))


def _gpus() -> int:
    import torch

    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0


def _ids(gpus: int) -> str:
    """The GPUs used by a training on `gpus` of them, in the format of nvidia-smi's --id."""
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return ",".join((visible or [str(number) for number in range(gpus)])[:gpus])
