"""Where mmcv-full with its compiled ops comes from: a wheel that is there already, somebody's, or one that is compiled here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from ansible_collections.codetr.provision.plugins.module_utils.gpu.table import capability_number
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage
from ansible_collections.codetr.provision.plugins.module_utils.version import numbers

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass
class Source:
    """Where the wheel comes from.

    Attributes:
        key: what the compiled code depends on, with ``_unity`` for a unity build; a folder of the wheel cache has this name.
        plain_key: the same for a wheel whose sources were compiled one by one, which is as good.
        good: what a receipt may name for the wheel that is installed to be the right one.
        need: whether it has to be installed.
        cached: ``{"path"}`` on the controller, or ``{"url", "sha256"}`` on the mirror, with ``file`` and ``key``; empty if none.
        prebuilt: somebody's wheel, as an artifact record, with ``dest``; empty where there is none.
        build: how it is compiled here; empty where it cannot be.
        why_not: why it cannot be compiled here, and what to do.
        system_packages: packages of the distribution that compiling needs.
    """

    key: str
    plain_key: str
    good: list[str] = field(default_factory=list)
    need: bool = False
    cached: dict[str, Any] = field(default_factory=dict)
    prebuilt: dict[str, Any] = field(default_factory=dict)
    build: dict[str, Any] = field(default_factory=dict)
    why_not: tuple[str, str] = ("", "")
    system_packages: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """``cached``, ``prebuilt`` or ``build``: the first that there is."""
        return "cached" if self.cached else "prebuilt" if self.prebuilt else "build"

    @property
    def compiles(self) -> bool:
        """Whether it has to be compiled."""
        return self.need and self.kind == "build"


def capabilities(config: dict[str, Any], ctx: Context) -> list[str]:
    """The compute capabilities that ops are compiled for, lowest first; none on a processor, or where no GPU is known."""
    if ctx.stack["compute"] == "cpu":
        return []
    highest = ctx.stack["mmcv"].get("compute_capability_max")
    asked = config["codetr_packages_compute_capabilities"] or [gpu["capability"] for gpu in ctx.gpus if gpu["capability"]]
    # Code for 8.6 runs on 8.9, which this compiler does not know.
    fitting = {min(str(each), highest, key=capability_number) if highest else str(each) for each in asked}
    return sorted(fitting, key=capability_number)


def wheel_key(stack: dict[str, Any], os_release: dict[str, Any], archs: list[str]) -> str:
    """The folder of the wheel cache that holds mmcv-full for a stack, its sources compiled one by one: all that its code depends on.

    The distribution counts because code compiled on a newer glibc does not load on an older one.
    """
    mmcv, tag = stack["mmcv"], "cp" + stack["python"].replace(".", "")
    system = f"x86_64-{os_release['id']}{os_release['version']}"
    compute = stack["compute"] if stack["compute"] == "cpu" else "cu" + stack["cuda"].replace(".", "")
    parts = [f"mmcv-full-{mmcv['version']}", f"torch-{stack['expect']['torch']}", tag, system, compute]
    parts += ["sm" + "-".join(arch.replace(".", "") for arch in archs)] if archs else []
    parts += [f"edits-{mmcv['edits']['digest'][:8]}"] if mmcv.get("edits") else []
    return "_".join(parts)


def find(state: dict[str, Any], config: dict[str, Any], ctx: Context) -> Source:
    """Whether the right mmcv-full is installed, and where there is a wheel of it; how one is compiled is not looked into."""
    mmcv, receipt = ctx.stack["mmcv"], state["receipts"].get("packages") or {}
    plain_key = wheel_key(ctx.stack, state["os"], capabilities(config, ctx))
    source = Source(f"{plain_key}_unity", plain_key)
    record = ctx.artifacts.get(mmcv.get("wheel", ""))
    source.good = [source.key, source.plain_key, *([record["name"]] if record else [])]
    installed, recorded = state["packages"]["dists"].get("mmcv-full"), receipt.get("remember", {}).get("wheel")
    right = installed == mmcv["version"] and (recorded is None or recorded in source.good)
    source.need = not right or state["inprogress"].get("packages") is not None
    source.cached = next(({**ctx.wheels[key], "key": key} for key in (source.key, source.plain_key) if ctx.wheels.get(key)), {})
    if record and not config["codetr_packages_folder"]:
        source.prebuilt = fetched(record, f"{ctx.prefix}/cache/wheels/{record['name']}")
    return source


def fetched(record: dict[str, Any], folder: str) -> dict[str, Any]:
    """A wheel's artifact record as it is fetched into a folder, under the name by which pip knows what it is."""
    name = unquote(record["urls"][0].rsplit("/", 1)[-1])
    return {**{key: record[key] for key in ("name", "urls", "sha256", "size", "stand_in")}, "dest": f"{folder}/{name}"}


def decide(stage: Stage, state: dict[str, Any], config: dict[str, Any], ctx: Context, env: str) -> Source:
    """Where mmcv-full comes from on this host; what keeps it from coming at all is a problem of ``stage``.

    Args:
        env: prefix of the environment.
    """
    source = find(state, config, ctx)
    _building(source, state, config, ctx, env, capabilities(config, ctx))
    if source.compiles and not source.build:
        stage.problem(*source.why_not)
    return source


def _building(source: Source, state: dict[str, Any], config: dict[str, Any], ctx: Context, env: str, archs: list[str]) -> None:
    """Fill in ``build``, or ``why_not``."""
    stack, mmcv = ctx.stack, ctx.stack["mmcv"]
    what = f"mmcv-full {mmcv['version']} has to be compiled for torch {stack['expect']['torch']}"
    environment = dict(mmcv["environment"])
    home, cuobjdump, cudart = "", "", ""
    if stack["compute"] != "cpu":
        what += f" and CUDA {stack['cuda']}"
        if not archs:
            source.why_not = (
                f"{what}, and it is not known for which GPU.",
                "Set codetr_packages_compute_capabilities, to [\"9.0\"] say, or run it where the GPU is.",
            )
            return
        home = _toolkit(state, ctx, env)
        if not home:
            major = stack["cuda"].split(".")[0]
            source.why_not = (
                f"{what} (compute capability {', '.join(archs)}), and there is neither a CUDA {major} toolkit nor a compiled wheel.",
                f"Set cuda_toolkit_versions to [\"{stack['cuda']}\"], with cuda_toolkit_source=nvidia where no record names a runfile, or "
                f"put a wheel and its SHA256SUMS into {source.plain_key} of the wheel cache.",
            )
            return
        environment.update(CUDA_HOME=home, TORCH_CUDA_ARCH_LIST=";".join(archs))
        cuobjdump = f"{home}/bin/cuobjdump"
        if mmcv["compiler"] == "packages":
            # The package has no name to link with, only the one that programs load.
            cudart = f"{home}/lib/libcudart.so.{stack['cuda'].split('.')[0]}"
            environment["LIBRARY_PATH"] = f"{_work(ctx)}/lib"
    gcc = _host_compiler(source, state, ctx, home, what)
    if gcc is None:
        return
    # Over a local connection the controller's own settings would come along: a compiler that links its C++ runtime statically, say.
    environment.update(CC=f"/usr/bin/gcc{gcc}", CXX=f"/usr/bin/g++{gcc}", NVCC_PREPEND_FLAGS="", NVCC_APPEND_FLAGS="")
    # What a debugger needs is two thirds of the library.
    environment.update(CFLAGS="-g0", LDFLAGS="-s")
    environment["MAX_JOBS"] = str(config["codetr_packages_jobs"] or state["machine"]["cpus"] or 1)
    environment["PATH"] = ":".join([f"{env}/bin", *([f"{home}/bin"] if home else []), SYSTEM_PATH])
    source.build = {
        "environment": environment,
        "work": _work(ctx),
        "sdist": f"{mmcv['project']}-{mmcv['version']}",
        "edits": mmcv.get("edits") or {},
        "compiler_lock_file": stack["compiler_lock_file"] if mmcv.get("compiler") == "packages" else "",
        "cudart": cudart,
        "archs": archs,
        "cuobjdump": cuobjdump,
    }


def _work(ctx: Context) -> str:
    return f"{ctx.prefix}/cache/build/mmcv"


def _toolkit(state: dict[str, Any], ctx: Context, env: str) -> str:
    """The folder of the compiler for CUDA: the package index's, or a toolkit of the same major version, best the same minor; else empty."""
    stack = ctx.stack
    major = stack["cuda"].split(".")[0]
    if stack["mmcv"]["compiler"] == "packages":
        return f"{env}/lib/python{stack['python']}/site-packages/nvidia/cu{major}"
    planned = {check["minor"]: check["nvcc"].rsplit("/bin/", 1)[0] for check in ctx.earlier["cuda_toolkit"].params["checks"]}
    installed = {each["minor"]: each["path"] for each in state["cuda_toolkit"]["toolkits"] if each["nvcc"] and each["version"]}
    found = {**installed, **planned}
    same = [minor for minor in found if minor.split(".")[0] == major]
    same.sort(key=lambda minor: (minor == stack["cuda"], numbers(minor)))
    return found[same[-1]] if same else ""


def _host_compiler(source: Source, state: dict[str, Any], ctx: Context, home: str, what: str) -> str | None:
    """The ending of gcc and g++ that nvcc works with: empty for the plain ones; None, and ``why_not``, where there is none."""
    below = str(ctx.stack["mmcv"].get("gcc_below") or _record_of(ctx, home).get("gcc_below") or "")
    offered = ctx.release.compilers
    gcc = state["cuda_toolkit"]["gcc"] or (str(offered[0]) if offered else "")
    if not home or not below or not gcc or numbers(gcc) < numbers(below):
        source.system_packages = ["g++"]
        return ""
    fits = max((major for major in offered if (major,) < numbers(below)[:1]), default=None)
    if fits is None:
        source.why_not = (
            f"{what}, whose compiler needs a g++ below {below}; this host has {gcc}, and {state['os']['name']} brings no older one.",
            f"Put a wheel and its SHA256SUMS into {source.plain_key} of the wheel cache, or compile on a host with an older system.",
        )
        return None
    source.system_packages = [f"g++-{fits}"]
    return f"-{fits}"


def _record_of(ctx: Context, home: str) -> dict[str, Any]:
    """The artifact record of the toolkit at ``home``, by its minor version; empty where there is none."""
    minor = home.rsplit("cuda-", 1)[-1]
    found = [record for name, record in sorted(ctx.artifacts.items()) if name.startswith(f"cuda-{minor}.")]
    return found[-1] if found else {}
