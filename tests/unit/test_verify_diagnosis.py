"""The table of known failures: each row is found by what such a failure really says, and no row catches what belongs to another."""
from __future__ import annotations

import re

import pytest
import verifypackage  # noqa: F401
from ansible_collections.codetr.provision.plugins.plugin_utils import options
from verify.diagnosis import diagnose
from verify.known import KNOWN

EXAMPLES = {
    "libgl": ["ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
              "ImportError: libgthread-2.0.so.0: cannot open shared object file: No such file or directory"],
    "libcuda": ["OSError: libcuda.so.1: cannot open shared object file: No such file or directory"],
    "other CUDA": ["ImportError: libc10_cuda.so: cannot open shared object file: No such file or directory",
                   "ImportError: libcudart.so.11.0: cannot open shared object file: No such file or directory"],
    "mkl": ["ImportError: /opt/codetr/env/lib/python3.10/site-packages/torch/lib/libtorch_cpu.so: undefined symbol: iJIT_NotifyEvent"],
    "old libstdc++": ["ImportError: /opt/conda/lib/libstdc++.so.6: version `GLIBCXX_3.4.30' not found (required by mmcv/_ext.so)"],
    "old glibc": ["ImportError: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by mmcv/_ext.so)"],
    "two libstdc++": ["mmcv's compiled ops crash at their first call (SIGSEGV); _ext.cpython-312-x86_64-linux-gnu.so does not name "
                      "libstdc++.so.6 among the libraries it needs"],
    "crash": ["mmcv's compiled ops crash at their first call (SIGSEGV)", "mmcv's compiled ops crash at their first call (SIGILL)"],
    "other torch": ["ImportError: mmcv/_ext.cpython-310-x86_64-linux-gnu.so: undefined symbol: _ZN3c105ErrorC2ENS_14SourceLocationE"],
    "mmcv lite": ["ModuleNotFoundError: No module named 'mmcv._ext'", "ModuleNotFoundError: No module named 'mmcv.parallel'",
                  "mmcv cannot be imported: ModuleNotFoundError: No module named 'mmcv'",
                  "AttributeError: module 'mmcv._ext' has no attribute 'nms'",
                  "mmcv-full is not installed (mmcv: 2.1.0), so there is no mmcv._ext",
                  "the package mmcv 1.7.1 (lite) lies beside mmcv-full 1.6.0: they overwrite one another"],
    "mmcv range": ["AssertionError: MMCV==1.7.2 is used but incompatible. Please install mmcv>=1.3.17, <=1.7.0."],
    "get_stream": ['  File "site-packages/torch/nn/parallel/_functions.py", line 121, in _get_stream\n    if device.type == "cpu":\n'
                   "AttributeError: 'int' object has no attribute 'type'"],
    "replicated": ["AttributeError: 'MMDistributedDataParallel' object has no attribute '_use_replicated_tensor_module'"],
    "THC": ["mmcv/ops/csrc/common/pytorch_cuda_helper.hpp:6:10: fatal error: THC/THCAtomics.cuh: No such file or directory"],
    "weights only": ["_pickle.UnpicklingError: Weights only load failed. This file can still be loaded, to do so you have two options",
                     "WeightsUnpickler error: Unsupported global: GLOBAL numpy._core.multiarray.scalar was not an allowed global."],
    "registry": ["KeyError: 'CoDETR is not in the models registry'", "ModuleNotFoundError: No module named 'mmdet.registry'",
                 "CoDETR is not in the models registry after importing projects"],
    "foreign": ["mmdet is imported from /opt/env/lib/python3.10/site-packages/mmdet, not from /opt/codetr/Co-DETR",
                "foreign projects in /opt/env/lib/python3.10/site-packages beside the repository's"],
    "not installed": ["mmdet of /opt/codetr/Co-DETR cannot be imported: the repository is not installed in this environment",
                      "mmdet cannot be imported: ModuleNotFoundError: No module named 'mmdet'"],
    "lvis package": ['ImportError: Package lvis is not installed. Please run "pip install git+https://github.com/lvis-dataset/lvis-api.git".',
                     "ModuleNotFoundError: No module named 'lvis'"],
    "lvis config": ["  File \"mmdet/datasets/builder.py\", line 78, in build_dataset\nKeyError: 'ann_file'",
                    "TypeError: LVISV1Dataset: CustomDataset.__init__() missing 1 required positional argument: 'pipeline'",
                    "the config's dataset MultiImageMixDataset must name one annotation file, not None"],
    "bash": ["tools/dist_train.sh: 9: Bad substitution"],
    "backbone": ["OSError: models/swin_tiny_patch4_window7_224.pth is not a checkpoint file",
                 "backbone weights torchvision://resnet50 are not at /opt/codetr/torch-home/hub/checkpoints/resnet50-0676ba61.pth"],
    "driver too old": ["torch finds no GPU, although the driver has 1: The NVIDIA driver on your system is too old (found version 11040).",
                       "RuntimeError: CUDA error: CUDA driver version is insufficient for CUDA runtime version"],
    "driver mismatch": ["Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 550.163",
                        "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 803: system has unsupported display driver / cuda "
                        "driver combination"],
    "driver silent": ["torch finds no GPU, although the driver has 2: CUDA unknown error - this may be due to an incorrectly set up",
                      "RuntimeError: no CUDA-capable device is detected"],
    "no GPU": ["RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU",
               "AssertionError: Torch not compiled with CUDA enabled", "RuntimeError: No CUDA GPUs are available"],
    "no kernel": ["RuntimeError: CUDA error: no kernel image is available for execution on the device",
                  "NVIDIA H100 PCIe with CUDA capability sm_90 is not compatible with the current PyTorch installation."],
    "too few GPUs": ["4 GPUs are requested (--gpus), but torch finds 1 on this host"],
    "launcher": ["    torch.cuda.set_device(rank % num_gpus)\nZeroDivisionError: integer division or modulo by zero",
                 "ZeroDivisionError: integer modulo by zero"],
    "too small": ["RuntimeError: selected index k out of range"],
    "GPU memory": ["RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 14.76 GiB total capacity)",
                   "torch.OutOfMemoryError: CUDA out of memory."],
    "shared memory": ["RuntimeError: DataLoader worker (pid 77) is killed by signal: Bus error. It is possible that its workers are "
                      "out of shared memory.", "exitcode  : -7 (pid: 311)\ntraceback : Signal 7 (SIGBUS) received by PID 311",
                      "include/shm.h:52 NCCL WARN Call to posix_fallocate failed : No space left on device; /dev/shm/nccl-Xz1"],
    "NCCL multicast": ["host:10:52 [0] transport/nvls.cc:244 NCCL WARN Cuda failure 401 'the operation cannot be performed'"],
    "NCCL": ["RuntimeError: NCCL error in: ProcessGroupNCCL.cpp:1269, unhandled cuda error, NCCL version 2.10.3",
             "torch.distributed.DistBackendError: ncclSystemError: System call (e.g. socket, malloc) or external library call failed",
             "[Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7, OpType=ALLREDUCE)"],
    "numpy ABI": ["RuntimeError: Numpy is not available", "AttributeError: _ARRAY_API not found",
                  "A module that was compiled using NumPy 1.x cannot be run in NumPy 2.1.2 as it may crash.",
                  "ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88"],
    "numpy aliases": ["AttributeError: module 'numpy' has no attribute 'int'", "AttributeError: module 'numpy' has no attribute 'bool'.",
                      "AttributeError: `np.float_` was removed in the NumPy 2.0 release. Use `np.float64` instead."],
    "yapf": ["TypeError: FormatCode() got an unexpected keyword argument 'verify'"],
    "importlib_metadata": ["ModuleNotFoundError: No module named 'importlib_metadata'"],
    "setuptools": ["ImportError: cannot import name 'packaging' from 'pkg_resources'",
                   "ModuleNotFoundError: No module named 'pkg_resources'",
                   "AttributeError: module 'distutils' has no attribute 'version'"],
    "sklearn": ["The 'sklearn' PyPI package is deprecated, use 'scikit-learn' rather than 'sklearn' for pip commands."],
    "torch missing": ["torch cannot be imported: ModuleNotFoundError: No module named 'torch'",
                      "torch cannot be imported: ModuleNotFoundError: No module named 'torch'; mmcv cannot be imported: "
                      "ModuleNotFoundError: No module named 'mmcv'"],
    "other version": ["numpy is 1.26.4, expected 1.23.5", "lvis is not installed, expected 0.5.3"],
    "memory": ["tools/train.py: killed by signal 9; its last lines:", "exitcode  : -9 (pid: 4711)",
               "RuntimeError: [enforce fail at alloc_cpu.cpp:66] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes",
               "numpy.core._exceptions.MemoryError: Unable to allocate 1.2 GiB", "OSError: [Errno 12] Cannot allocate memory"],
    "disk": ["OSError: [Errno 28] No space left on device: '/opt/codetr/work_dirs/epoch_1.pth'"],
    "download": ["urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>"],
    "port": ["RuntimeError: Address already in use", "The server socket has failed to bind to [::]:29500 (errno: 98 - EADDRINUSE)."],
    "module": ["ModuleNotFoundError: No module named 'fairscale'", "ModuleNotFoundError: No module named 'terminaltables'"],
    "permission": ["PermissionError: [Errno 13] Permission denied: '/opt/codetr/workspace/verify-results'"],
    "data": ["FileNotFoundError: [Errno 2] No such file or directory: 'data/coco/annotations/instances_train2017.json'",
             "annotation file /data/coco/annotations/instances_val2017.json cannot be read: No such file or directory",
             "3 of 16 images are missing in /data/coco/train2017, the first is 000000000009.jpg"],
    "not finite": ["tools/train.py: loss is nan at iteration 3; its last lines:", "4 of 400 gradients of one step are not finite",
                   "checkpoint epoch_1.pth holds weights that are not finite, first query_head.label_embedding.weight"],
    "not falling": ["the loss does not fall: median of the loss 3.000 over the first 4 iterations, 3.100 over the last 4"],
    "resume": ["tools/train.py --resume-from: it does not say that it resumed; its last lines:\nSaving checkpoint at 1 epochs"],
    "too slow": ["tools/train.py did not end within 3600 s; see /opt/codetr/workspace/verify-results/train.log"],
}


@pytest.mark.parametrize("name", [known.name for known in KNOWN])
def test_each_row_is_the_one_that_finds_its_examples(name):
    assert EXAMPLES[name]
    for example in EXAMPLES[name]:
        found = diagnose(f"Traceback (most recent call last):\n  ...\n{example}")
        assert found is not None and found.name == name, example


def test_examples_belong_to_rows_and_names_are_given_once():
    names = [known.name for known in KNOWN]
    assert len(names) == len(set(names))
    assert EXAMPLES.keys() == set(names)


@pytest.mark.parametrize("output", [
    "AssertionError: something new",
    "[W ProcessGroupNCCL.cpp:1569] Rank 0 using best-guess GPU 0 to perform barrier as devices used by this process are currently unknown.",
    "host:10:52 [0] NCCL INFO NVLS multicast support is available on dev 0",
    "UserWarning: The value is the same before and after calling `init_weights` of CoDETR",
])
def test_what_is_not_known_gets_no_guess(output):
    assert diagnose(output) is None


def test_every_row_tells_a_cause_and_what_to_do_in_sentences():
    assert all(known.fix.endswith(".") and known.message.endswith(".") for known in KNOWN)
    assert all(known.fix[0].isupper() for known in KNOWN)


def test_fixes_name_variables_that_exist():
    named = {name for known in KNOWN for name in re.findall(r"\b(?:codetr|provision|nvidia|miniconda|cuda)_[a-z_]+", known.fix)}
    roles = {path.name for path in (options.ROOT / "roles").iterdir()}
    assert len(named - roles) > 10
    assert named - roles - set(options.specs()) == set()
