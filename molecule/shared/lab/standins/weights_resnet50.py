"""Names and shapes in the state dict of torchvision's resnet50, in its order."""

from __future__ import annotations

from collections.abc import Iterator

CLASSES = 1000
EXPANSION = 4
# Of each layer: the width of its blocks and their number.
LAYERS = ((64, 3), (128, 4), (256, 6), (512, 3))


def shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield (name, shape) of each of the 320 entries; shape () is a scalar counter."""
    yield from _convolution("conv1", "bn1", 3, 64, 7)
    inputs = 64
    for layer, (width, blocks) in enumerate(LAYERS, start=1):
        for block in range(blocks):
            prefix, outputs = f"layer{layer}.{block}.", width * EXPANSION
            yield from _convolution(f"{prefix}conv1", f"{prefix}bn1", inputs, width, 1)
            yield from _convolution(f"{prefix}conv2", f"{prefix}bn2", width, width, 3)
            yield from _convolution(f"{prefix}conv3", f"{prefix}bn3", width, outputs, 1)
            if block == 0:
                yield from _convolution(f"{prefix}downsample.0", f"{prefix}downsample.1", inputs, outputs, 1)
            inputs = outputs
    yield "fc.weight", (CLASSES, inputs)
    yield "fc.bias", (CLASSES,)


def _convolution(name: str, norm: str, inputs: int, outputs: int, kernel: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (outputs, inputs, kernel, kernel)
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{norm}.{part}", (outputs,)
    yield f"{norm}.num_batches_tracked", ()
