"""Check `speed plot`: draw the time of each iteration, and the use of the GPUs (or the memory without GPUs) during it."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from verify.speed import Measured

BLUE, ORANGE, GREY = "#1f5fa8", "#c8641e", "#8a93a3"


def draw(measured: Measured, title: str, path: Path) -> None:
    """Write the plot to `path`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    usage = measured.usage
    figure, panels = pyplot.subplots(2, 1, figsize=(8, 6), dpi=120)
    figure.suptitle(title, fontsize=12)
    _iterations(panels[0], measured)
    if usage.gpus:
        _use(panels[1], measured)
    else:
        _memory(panels[1], measured)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def _iterations(axes: Any, measured: Measured) -> None:
    from matplotlib.ticker import MaxNLocator

    numbers = range(1, len(measured.records) + 1)
    axes.bar(numbers, [record["time"] for record in measured.records], color=BLUE, label="whole iteration")
    axes.bar(numbers, [record.get("data_time", 0.0) for record in measured.records], color=ORANGE, label="waiting for data")
    median = measured.figures["seconds_per_iteration"]
    axes.axhline(median, color="black", linewidth=1, linestyle="--", label=f"median {median:.3f} s")
    if measured.warmup:
        axes.axvspan(0.5, measured.warmup + 0.5, color=GREY, alpha=0.25, label="warm-up, not counted", zorder=0)
    axes.set_xlim(0.5, len(measured.records) + 0.5)
    # the first iteration may take a hundred times as long as the others and would flatten them
    counted = [record["time"] for record in measured.records[measured.warmup:]]
    axes.set_ylim(0, 1.35 * max(counted))
    axes.set_xlabel("iteration")
    axes.set_ylabel("seconds")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper right", fontsize=8, ncol=2)


def _use(axes: Any, measured: Measured) -> None:
    begin = measured.usage.gpus[0][0]
    for index in sorted({index for _unused, use in measured.usage.gpus for index in use}):
        samples = [(at - begin, use[index]) for at, use in measured.usage.gpus if index in use]
        axes.plot(*zip(*samples, strict=True), label=f"GPU {index}", linewidth=1.2)
    axes.set_ylim(0, 105)
    axes.set_ylabel("GPU use, %")
    axes.set_xlabel("seconds since the training was started")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8, ncol=4)


def _memory(axes: Any, measured: Measured) -> None:
    samples = measured.usage.memory
    if not samples:
        axes.text(0.5, 0.5, f"GPU use not measured: {measured.usage.without}", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    axes.plot([at - samples[0][0] for at, _unused in samples], [size / 2**30 for _unused, size in samples], color=BLUE, linewidth=1.2)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("memory of all processes, GiB")
    axes.set_xlabel("seconds since the training was started")
    axes.grid(alpha=0.3)
