"""The order of the checks, and the results that one passes on to the next."""
from __future__ import annotations

import statistics
from functools import partial
from itertools import groupby
from typing import Any

from verify import images, launch, lvis_data, model, probe, resume, speed, speed_plot, train, used_ops, versions
from verify.options import LEVELS, Options
from verify.prepare import Prepared, prepare
from verify.result import Recorder, Result


class Session:
    """One run of verify."""

    def __init__(self, options: Options, result: Result, recorder: Recorder, on_iteration: launch.OnIteration = launch.ignored) -> None:
        self._options = options
        self._result = result
        self._recorder = recorder
        self._on_iteration = on_iteration
        self._prepared: Prepared
        self._trained: train.Trained
        self._measured: speed.Measured
        self._model: Any = None
        self._dataset: Any = None
        self._lvis: Any = None

    def run(self) -> None:
        """Run every check of the requested level and those below it."""
        for level, checks in zip(LEVELS, (self._versions, self._ops, self._training, self._measuring), strict=True):
            if self._options.reaches(level):
                self._recorder.level = level
                checks()
                self._result.ended.append(level)

    def _versions(self) -> None:
        self._recorder.run("versions", lambda: versions.check_versions(self._options, self._result.versions))
        self._recorder.run("foreign", lambda: versions.check_foreign(self._options))

    def _ops(self) -> None:
        run = self._recorder.run
        run("config", self._prepare)
        run("model", self._build, needs=("config",))
        self._run_ops()
        run("step", self._step, needs=("model", "ops library"))

    def _training(self) -> None:
        run = self._recorder.run
        run("train", self._train, needs=("config", "step"))
        run("falling", self._falling, needs=("train",))
        run("checkpoint", self._checkpoint, needs=("train",))
        run("evaluation", self._evaluation, needs=("train",))
        run("resume", lambda: resume.check(self._options, self._prepared, self._trained, self._on_iteration), needs=("train", "checkpoint"))
        run("lvis", self._load_lvis)
        run("images", self._images, needs=("train",))

    def _measuring(self) -> None:
        self._recorder.run("speed", self._speed, needs=("config", "train"))
        self._recorder.run("speed plot", self._plot, needs=("speed",))

    def _prepare(self) -> str:
        self._prepared = prepare(self._options)
        self._result.random_backbone = self._prepared.random_backbone
        return self._prepared.detail

    def _build(self) -> str:
        self._model, detail = model.build(self._prepared, self._options.seed)
        self._result.figures["parameters"] = model.parameters(self._model)
        return detail

    def _run_ops(self) -> None:
        """One check per op of the model; of its config alone when the model could not be built."""
        self._recorder.run("ops library", probe.ops_library)
        if not hasattr(self, "_prepared"):
            return
        uses = used_ops.in_config(self._prepared.config.model.to_dict())
        if self._model is not None:
            uses += used_ops.in_modules(self._model.modules())
        by_op = {op: list(group) for op, group in groupby(used_ops.unique(uses), key=lambda use: use.op)}
        for op, group in by_op.items():
            self._recorder.run(f"op {op}", partial(self._check_op, group), needs=("ops library",))

    @staticmethod
    def _check_op(uses: list[used_ops.Use]) -> str:
        from verify import ops

        return ops.check(uses)

    def _step(self) -> str:
        self._dataset = model.train_dataset(self._prepared)
        loss, detail = model.one_step(self._model, self._dataset, self._options.seed)
        self._result.figures["step_loss"] = loss
        # free the memory for the training that follows
        self._model = None
        return detail

    def _train(self) -> str:
        self._trained = train.run(self._options, self._prepared, len(self._dataset), self._on_iteration)
        losses = self._result.losses = self._trained.log.losses
        seconds = [record["time"] for record in losses if "time" in record]
        self._result.figures.update(
            iterations=len(losses), first_loss=losses[0]["loss"], last_loss=losses[-1]["loss"],
            seconds_per_iteration=round(statistics.median(seconds), 3) if seconds else None)
        return self._trained.detail

    def _falling(self) -> str:
        medians, detail = train.check_falling([record["loss"] for record in self._result.losses])
        self._result.figures.update(zip(("median_loss_first_quarter", "median_loss_last_quarter"), medians, strict=True))
        return detail

    def _checkpoint(self) -> str:
        size, detail = train.check_checkpoint(self._trained, self._result.figures["parameters"])
        self._result.figures["checkpoint_bytes"] = size
        return detail

    def _evaluation(self) -> str:
        detail = train.check_evaluation(self._trained)
        self._result.figures["bbox_mAP"] = self._trained.log.average_precision
        return detail

    def _load_lvis(self) -> str:
        self._lvis, detail = lvis_data.check(self._options)
        return detail

    def _images(self) -> str:
        out = self._options.out
        config = self._options.config.stem
        title = f"{config}: one epoch on {len(self._result.losses)} images"
        images.draw_losses(self._result.losses, title, out / "loss.png")
        samples = images.draw_samples(images.innermost(self._dataset), self._lvis, out)
        self._result.images += [{"file": "loss.png", "caption": title}, *samples]
        return ", ".join(image["file"] for image in self._result.images)

    def _speed(self) -> str:
        self._measured = speed.check(self._options, self._prepared, self._on_iteration)
        self._result.figures["speed"] = self._measured.figures
        return self._measured.detail

    def _plot(self) -> str:
        title = f"{self._options.config.stem}: {self._measured.figures['images_per_second']:.2f} images/s"
        speed_plot.draw(self._measured, title, self._options.out / "speed.png")
        self._result.images.append({"file": "speed.png", "caption": title})
        return "speed.png"
