"""The table of known failures: the pattern of their output, what they mean, and how to fix them with this project.

Sources are issues of Co-DETR, mmdetection, mmcv and PyTorch, and failures met while the stacks were tested; docs/verify.md names them. Each
row has examples in tests/unit/test_verify_diagnosis.py.
"""
from __future__ import annotations

from dataclasses import dataclass

AGAIN = "run site.yml again"
REBUILD = f"Remove mmcv-full (pip uninstall -y mmcv-full with the environment's Python) and {AGAIN}: it installs ops made for this torch."
LOCKED = "the stack's lock file names the version that fits, and site.yml installs it"


@dataclass(frozen=True)
class Known:
    """One known failure; `pattern` is searched for in a check's detail and output."""

    name: str
    pattern: str
    message: str
    fix: str


LOADING = (
    Known("torch missing", r"No module named '?torch(vision)?'?(\s|;|$)",
          "This Python has no torch: it is another environment's, or the installation was cut short.",
          "Run site.yml again, and start verify by workspace/bin/verify, which takes the right Python."),
    Known("libgl", r"lib(GL|gthread-2\.0|glib-2\.0)\.so\.\d+: cannot open shared object",
          "OpenCV needs system libraries that this host lacks.",
          f"Install the packages libgl1 and libglib2.0-0: {AGAIN}, the role codetr_packages does it."),
    Known("libcuda", r"libcuda\.so\.1: cannot open shared object",
          "NVIDIA's driver is not installed, or not available in this container.",
          "Run site.yml again with nvidia_driver_manage=true; in a container pass the GPU in (--gpus all); without a GPU set "
          "codetr_stack=cpu."),
    Known("other CUDA", r"libc10_cuda\.so|libcudart\.so|libtorch_cuda\w*\.so",
          "mmcv's compiled ops were built for a torch with another CUDA, or with CUDA while this torch has none.", REBUILD),
    Known("mkl", r"iJIT_NotifyEvent",
          "This torch from conda does not work with mkl 2024.1 or later.",
          f"Leave codetr_torch_source at wheels, or install mkl<2024.1 in the environment; {AGAIN}."),
    Known("old libstdc++", r"version [`'\"]?(GLIBCXX|CXXABI)_[\d.]+'? not found",
          "A compiled library needs a newer libstdc++ than the one that was loaded first (an older one of conda's, or LD_LIBRARY_PATH).",
          f"Empty LD_LIBRARY_PATH; if that is not it, update libstdcxx-ng in the conda environment and {AGAIN}."),
    Known("old glibc", r"version [`'\"]?GLIBC_[\d.]+'? not found",
          "A compiled library was built on a newer system than this one.",
          f"Set codetr_packages_wheel_cache to an empty folder, remove mmcv-full, and {AGAIN}: the ops are then built on this host."),
    Known("two libstdc++", r"does not name libstdc\+\+\.so\.6",
          "mmcv's compiled library contains its own libstdc++ besides the one that torch uses: two copies in one process.",
          f"Remove mmcv-full and build it with a compiler that links libstdc++ dynamically (the distribution's g++, not one with "
          f"-static-libstdc++): {AGAIN}."),
    Known("crash", r"crash at their first call \(SIG(SEGV|ABRT|BUS|ILL|FPE)\)",
          "mmcv's compiled library does not fit this torch or this CPU: other compiler settings, another torch, another machine's "
          "build.",
          f"Remove mmcv-full and the wheels in codetr_packages_wheel_cache, then {AGAIN}: the ops are built on this host."),
    Known("other torch", r"_ext[^\n]*undefined symbol|undefined symbol[^\n]*(c10|torch|at)\b",
          "mmcv's compiled ops were built against another torch than the one installed.", REBUILD),
)

MMCV = (
    Known("mmcv lite", r"No module named '?mmcv('|$|\.(_ext|parallel|runner))|module '?mmcv\._ext'? has no attribute|"
                       r"they overwrite one another|mmcv-full is not installed",
          "mmcv is not mmcv-full 1.x with its compiled ops: the lite package mmcv, or mmcv 2, has taken its place.",
          f"Uninstall mmcv and mmcv-full, then {AGAIN}."),
    Known("mmcv range", r"MMCV==\S+ is used but incompatible",
          "This mmdet does not accept the installed version of mmcv.",
          f"Uninstall mmcv-full and {AGAIN}: it installs the one of the stack, and edits the repository where that is a newer one."),
    Known("get_stream", r"'int' object has no attribute 'type'",
          "mmcv asks torch for a stream by a number; torch from 2.1 on wants a device.",
          f"Remove mmcv-full, which lacks the edits of stack modern, and {AGAIN} with codetr_stack=modern."),
    Known("replicated", r"_use_replicated_tensor_module",
          "mmcv's distributed wrapper reads a setting that this torch no longer has.",
          f"Remove mmcv-full, which lacks the edits of stack modern, and {AGAIN} with codetr_stack=modern."),
    Known("THC", r"THC/THC\w*\.(cuh|h)",
          "mmcv's sources include THC, which torch removed step by step from 1.11 on.",
          f"The ops were built without the edits of stack modern: {AGAIN} with codetr_stack=modern."),
    Known("weights only", r"Weights only load failed|WeightsUnpickler",
          "torch from 2.6 on loads weights only unless told otherwise, and a checkpoint to go on from holds more than weights.",
          f"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 is missing in the environment: {AGAIN} with codetr_stack=modern, which sets it. It "
          "lets a checkpoint run code: load none that you do not trust."),
)

REPOSITORY = (
    Known("registry", r"No module named '?mmdet\.registry|is not in the [\w ]*registry",
          "A class in the config is not registered: another mmdet or `projects` hides the repository's, or it is not installed.",
          f"Uninstall the packages mmdet and projects, or set codetr_packages_remove_foreign=true, then {AGAIN}: it installs the "
          "repository in editable mode."),
    Known("foreign", r"(mmdet|projects) is imported from|foreign (mmdet|projects)",
          "Another package hides the repository's.",
          f"Uninstall the package named (pip uninstall), or set codetr_packages_remove_foreign=true, then {AGAIN}."),
    Known("not installed", r"cannot be imported: the repository is not installed|No module named '?(mmdet|projects)('|$)",
          "The checkout is not installed in the environment.",
          "Run site.yml again: the role codetr_repo installs it in editable mode."),
    Known("lvis package", r"Please follow config/lvis|No module named 'lvis'|install lvis|Package lvis is not installed",
          "The Python package lvis is not installed.",
          "Run site.yml again; the stack's lock file holds lvis."),
    Known("lvis config", r"KeyError: 'ann_file'|must name one annotation file, not None|missing 1 required positional argument: 'pipeline'",
          "At this commit some LVIS configs of the repository cannot build their training set: annotation file or pipeline is set on the "
          "wrapper and not on the dataset inside it.",
          "Set codetr_workspace_config to a config of your own that inherits from it and sets ann_file, img_prefix and pipeline of "
          f"data.train.dataset, and {AGAIN}; docs/real-runs.md names the configs."),
    Known("bash", r"dist_train\.sh: \d+: Bad substitution|Syntax error: [^\n]*dist_train|dist_train\.sh[^\n]*Bad substitution",
          "tools/dist_train.sh needs bash and was run by sh.",
          "Run workspace/bin/train --gpus N, or bash tools/dist_train.sh CONFIG GPUS WORK_DIR."),
    Known("backbone", r"is not a checkpoint file|backbone weights",
          "The backbone's initial weights are not on this host.",
          f"Give your file in codetr_workspace_backbones (NAME: /path/on/the/host; R50's are in codetr_workspace_weights) and {AGAIN}; to "
          "check without them, verify --allow-random-backbone."),
)

GPU = (
    Known("driver too old", r"driver on your system is too old|driver version is insufficient for CUDA runtime",
          "NVIDIA's driver is older than the CUDA that this torch was built for needs.",
          "Run site.yml again with codetr_stack=auto, which takes a stack for this driver, or with nvidia_driver_replace=true for a newer "
          "driver."),
    Known("driver mismatch", r"Driver/library version mismatch|driver mismatch|CUDA_ERROR_SYSTEM_DRIVER_MISMATCH|Error 803",
          "The driver's library was upgraded and the loaded module is still the older one.",
          f"Restart the host, or {AGAIN} with provision_reboot=true; nvidia_driver_hold=true keeps it from coming back."),
    Known("driver silent", r"CUDA unknown error|no CUDA-capable device is detected|Failed to initialize NVML|torch finds no GPU",
          "The host has a GPU and a driver, but CUDA does not start: its modules are not loaded, or /dev/nvidia* is not accessible.",
          f"Check the output of nvidia-smi, restart the host, and {AGAIN}; in a container pass the GPU in (--gpus all)."),
    Known("no GPU", r"Found no NVIDIA driver|Torch not compiled with CUDA enabled|No CUDA GPUs are available",
          "The repository's code requires a GPU, and this host has none.",
          f"On a host without a GPU set codetr_stack=cpu and {AGAIN}: it makes the repository's edits for that."),
    Known("no kernel", r"no kernel image is available|is not compatible with the current PyTorch installation",
          "torch or mmcv's ops contain no code for this GPU's compute capability.",
          f"Set codetr_stack to auto, or to one for this GPU (modern for compute capability 9.0 and up), and {AGAIN}; if the ops "
          "were built for another GPU, set codetr_packages_compute_capabilities too."),
    Known("too few GPUs", r"GPUs are requested \(--gpus\)",
          "More GPUs were requested than this host has, or CUDA_VISIBLE_DEVICES hides some.",
          "Lower codetr_verify_gpus (--gpus), or set CUDA_VISIBLE_DEVICES to the intended ones."),
    Known("launcher", r"ZeroDivisionError[^\n]*modulo",
          "The launcher pytorch divides by the number of GPUs, and there is none.",
          "Use --launcher none on a host without a GPU; workspace/bin/train does so by itself."),
    Known("GPU memory", r"CUDA out of memory|OutOfMemoryError|CUDNN_STATUS_ALLOC_FAILED",
          "The GPU has too little free memory for this config.",
          "End other processes on the GPU (nvidia-smi lists them), lower the batch (verify --batch, data.samples_per_gpu), or choose a "
          "smaller config or scale."),
    Known("too small", r"selected index k out of range",
          "The images are so small that the model finds fewer locations than it needs queries.",
          "Choose a larger scale: codetr_verify_scale=160 or more (--scale)."),
    Known("shared memory", r"[Bb]us error|SIGBUS|killed by signal 7\b|insufficient shared memory|/dev/shm/nccl",
          "Shared memory (/dev/shm) is too small for the processes that load data or the GPUs that talk to each other.",
          "Enlarge it (mount -o remount,size=16G /dev/shm; in a container --shm-size=16g), or lower data.workers_per_gpu."),
    Known("NCCL multicast", r"nvls\.cc:\d+ NCCL WARN|NCCL WARN[^\n]*(NVLS|[Mm]ulticast)|(NVLS|[Mm]ulticast)[^\n]*([Ff]ail|[Ee]rror)",
          "NCCL tries NVLink's multicast (NVLS), which this host or container does not let it use.",
          f"Set NCCL_NVLS_ENABLE=0 in provision_environment and {AGAIN}, or in the environment of the training."),
    Known("NCCL", r"NCCL error|nccl(UnhandledCuda|System|Internal|Remote)Error|ncclInvalidUsage|NCCL WARN|collective operation timeout",
          "The processes of several GPUs cannot talk to each other (NCCL).",
          "Run again with NCCL_DEBUG=INFO; on one host NCCL_SOCKET_IFNAME=lo, NCCL_P2P_DISABLE=1 or NCCL_IB_DISABLE=1 show which path is "
          "broken; each process needs a GPU of its own."),
)

PYTHON = (
    Known("numpy ABI", r"Numpy is not available|_ARRAY_API not found|compiled using NumPy 1\.x|numpy\.dtype size changed",
          "This numpy is not the one that torch, OpenCV or pycocotools were built for (numpy 2 beside packages for numpy 1).",
          f"Run site.yml again: {LOCKED}."),
    Known("numpy aliases", r"module 'numpy' has no attribute '\w+'|`np\.\w+` was (a deprecated alias|removed)",
          "The code uses names that numpy 1.24 or numpy 2 removed.",
          f"Run site.yml again: {LOCKED}; stack modern edits the repository instead (codetr_repo_edits)."),
    Known("yapf", r"FormatCode\(\) got an unexpected keyword argument 'verify'",
          "yapf 0.40.2 and later dropped an argument that mmcv uses.",
          f"Run site.yml again: {LOCKED} (yapf 0.40.1)."),
    Known("importlib_metadata", r"No module named '?importlib_metadata|importlib_metadata[^\n]*has no attribute",
          "yapf 0.40.1 needs importlib_metadata, and not its newest version.",
          f"Run site.yml again: {LOCKED} (importlib-metadata 8)."),
    Known("setuptools", r"cannot import name 'packaging' from 'pkg_resources'|No module named '?pkg_resources|"
                        r"module 'distutils' has no attribute 'version'",
          "setuptools does not fit this torch and mmcv: from 70 on pkg_resources has no packaging, from 82 on there is no pkg_resources.",
          f"Run site.yml again: {LOCKED} (setuptools 65.5.1 with torch 1.11)."),
    Known("sklearn", r"The 'sklearn' PyPI package is deprecated",
          "The repository's requirements.txt asks for `sklearn`, a package that no longer exists; it is not needed.",
          f"Do not install requirements.txt; {AGAIN}, the stack's lock file holds what is needed."),
    Known("other version", r"\w+ is [\w.+]+, expected [\w.+]+|is not installed, expected",
          "Something changed a package's version after the environment was made.",
          f"Run site.yml again: {LOCKED}; packages of your own belong in codetr_packages_extra."),
)

HOST = (
    Known("memory", r"exit status -9|killed by signal 9\b|exitcode\s*: -9|Unable to allocate|[Cc]an(no|')t allocate memory|MemoryError",
          "The host ran out of memory.",
          "Give the host more memory or swap; a smaller config, --scale or data.workers_per_gpu needs less."),
    Known("disk", r"No space left on device|Disk quota exceeded",
          "A disk of this host is full, or the user's share of it.",
          "Free space there, or move the prefix (provision_prefix), the data (codetr_datasets_root) or results (--out) to another disk."),
    Known("download", r"URLError|Temporary failure in name resolution|urlopen error|Max retries exceeded",
          "The training tried to download a file that this host cannot reach.",
          f"Name the weights in codetr_workspace_weights or codetr_workspace_backbones and {AGAIN}: they are then on the host."),
    Known("port", r"Address already in use|EADDRINUSE",
          "Another training uses the port MASTER_PORT.",
          "Wait for it, or set another port: codetr_workspace_master_port, or MASTER_PORT in the environment."),
    Known("module", r"No module named '?[\w.]+",
          "A Python package is missing from the environment.",
          "Run site.yml again: it installs all that the stack's lock file names; add what your own code needs to codetr_packages_extra."),
    Known("permission", r"Permission denied",
          "The user who runs verify may not read or write a file that it needs.",
          f"Run verify as the user who owns the prefix (provision_user), or correct the owner of that file and {AGAIN}."),
    Known("data", r"No such file or directory[^\n]*(annotations|\.jpg|coco|lvis)|annotation file|images? (is|are) missing",
          "The data is not where the config expects it, or is incomplete.",
          "Run site.yml again: the role codetr_datasets completes it (codetr_datasets_names, codetr_datasets_root)."),
    Known("not finite", r"loss\w* is (nan|inf)|are not finite|loss of one step is (nan|inf)",
          "The training diverged: a learning rate for more GPUs than there are, mixed precision, or a GPU or memory that computes wrongly.",
          "Run verify again with another --seed; if it stays, lower optimizer.lr for your batch (the configs are for 16 images) and leave "
          "fp16 out; if ops fail too, suspect the hardware (nvidia-smi -q, dmesg)."),
    Known("not falling", r"the loss does not fall",
          "The model trains but learns nothing: weights that are frozen, a learning rate far too small or too large, or boxes that do not "
          "belong to their images.",
          "Look at the sample images; run verify --train-images 64 to tell bad luck from a fault; compare optimizer and lr_config with "
          "those of the default config (codetr_workspace_config)."),
    Known("resume", r"tools/train\.py --resume-from:",
          "The training ran but did not continue from the checkpoint: a hook or a changed tools/train.py ignores --resume-from.",
          "Compare tools/train.py with the commit that codetr_repo_commit names (git diff), and look at OUT/resume.log."),
    Known("too slow", r"tools/train\.py did not end within",
          "The training takes longer than verify waits, or hangs.",
          "Check the end of the named log; a slow CPU needs --train-timeout, fewer --train-images or a smaller --scale."),
)

# The first match wins, so what is more specific comes first.
KNOWN = (*LOADING, *MMCV, *REPOSITORY, *GPU, *PYTHON, *HOST)
