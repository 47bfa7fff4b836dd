# %% [markdown]
# # Co-DETR, step by step
#
# Run the cells from top to bottom: the config, one sample as the model gets it, the model, one training step with its losses.
# They run on a GPU or on the CPU. Change what you like: a notebook with changed cells is never overwritten.

# %%
import copy
import os
import sys
from pathlib import Path

CONFIG = "@CONFIG@"
ENV_FILE = "@ENV_FILE@"

# torch reads its variables when it is imported, so set them first
for line in Path(ENV_FILE).read_text().splitlines():
    name, found, value = line.partition("=")
    if found and not name.startswith("#"):
        os.environ.setdefault(name, value.strip("'"))
os.chdir(os.environ["CODETR_REPO"])
sys.path.insert(0, os.environ["CODETR_REPO"])

import matplotlib.pyplot as plt  # noqa: E402
import torch  # noqa: E402

device = "cuda" if torch.cuda.is_available() else "cpu"
print("torch", torch.__version__, "on", torch.cuda.get_device_name(0) if device == "cuda" else "the CPU")

# %% [markdown]
# ## The config

# %%
from mmcv import Config  # noqa: E402
from mmdet.utils import compat_cfg, replace_cfg_vals  # noqa: E402

if Path("projects").is_dir():
    import projects  # noqa: F401  pylint: disable=unused-import; registers Co-DETR's own models

cfg = compat_cfg(replace_cfg_vals(Config.fromfile(CONFIG)))
print("model     ", cfg.model.type)
print("data      ", cfg.data.train.type, cfg.data.train.get("ann_file"))
print("optimizer ", cfg.optimizer.type, "lr", cfg.optimizer.lr)

# %% [markdown]
# ## A sample, with its boxes, as the model gets it
#
# The validation images go through the training pipeline, because their annotations load in seconds.

# %%
from mmdet.datasets import build_dataset  # noqa: E402

train, data = cfg.data.train, copy.deepcopy(cfg.data.val)
data.pipeline = train.pipeline if "pipeline" in train else train.dataset.pipeline
data.test_mode = False
dataset = build_dataset(data)
sample = dataset[0]


def show(sample, classes):
    """Draw the boxes of one sample on its image, with the normalisation undone."""
    meta, image = sample["img_metas"].data, sample["img"].data
    norm = meta["img_norm_cfg"]
    mean, std = (torch.tensor(norm[key]).view(3, 1, 1) for key in ("mean", "std"))
    pixels = (image * std + mean).clamp(0, 255).byte().permute(1, 2, 0).numpy()
    axes = plt.subplots(figsize=(9, 7))[1]
    axes.imshow(pixels if norm["to_rgb"] else pixels[..., ::-1])
    for (left, top, right, bottom), label in zip(sample["gt_bboxes"].data.tolist(), sample["gt_labels"].data.tolist()):  # noqa: B905
        axes.add_patch(plt.Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor="lime", linewidth=2))
        axes.text(left, top, classes[label], color="black", backgroundcolor="lime", fontsize=8, verticalalignment="bottom")
    axes.set_title(f"{meta['ori_filename']}: {image.shape[2]} x {image.shape[1]} pixels")
    axes.axis("off")
    plt.show()


show(sample, dataset.CLASSES)

# %% [markdown]
# ## The model

# %%
from mmcv.utils import get_logger  # noqa: E402
from mmdet.models import build_detector  # noqa: E402

get_logger("mmcv").setLevel("WARNING")  # or it logs each of a thousand initialised weights
model = build_detector(cfg.model, train_cfg=cfg.get("train_cfg"), test_cfg=cfg.get("test_cfg"))
model.init_weights()
model.CLASSES = dataset.CLASSES
print(f"{type(model).__name__}: {sum(weight.numel() for weight in model.parameters()):,} parameters")

# %% [markdown]
# ## One training step
#
# The same as one iteration of `tools/train.py`, on one image. On a CPU it takes about a minute.

# %%
from mmcv.parallel import collate  # noqa: E402
from mmdet.core import build_optimizer  # noqa: E402
from mmdet.utils import build_dp  # noqa: E402

parallel = build_dp(model, device, device_ids=[0])
parallel.train()
optimizer = build_optimizer(model, cfg.optimizer)
batch = collate([sample], samples_per_gpu=1)

outputs = parallel.train_step(batch, optimizer)
optimizer.zero_grad()
outputs["loss"].backward()
optimizer.step()

for name, value in outputs["log_vars"].items():
    print(f"{name:<24} {value:.4f}")
