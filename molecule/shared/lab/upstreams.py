"""Which upstreams answer, and the stand-ins for those that do not."""

from __future__ import annotations

import importlib
import os
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from lab.settings import LabError

# Each module of stand-ins, and the stage that takes what it makes.
MODULES = {
    "conda": "miniconda",
    "codetr": "repo",
    "cuda": "cuda_toolkit",
    "data": "datasets",
    "nvidia": "nvidia_driver",
    "weights": "workspace",
    "wheels": "packages",
}
# Of what these replace: by name, what another stage takes.
STAGES = {"pytorch": "packages"}
# What the lab always makes itself, and why.
OWN = {
    "data": "the lab's data is always its own small set",
    "nvidia": "the lab's hosts have no GPU, so their driver is always the lab's own",
}
SECONDS = 4.0
FORCE = "CODETR_LAB_FORCE_STANDINS"
REPOSITORY = "CODETR_LAB_REPO"


@dataclass(frozen=True)
class Upstream:
    """One thing that runs download, and where it comes from in this lab.

    url is empty for what the lab makes of its own accord. stand_in: what the lab serves is not the real thing. forced: that was
    decided without asking upstream.
    """

    name: str
    url: str
    module: str
    stand_in: bool
    forced: bool
    why: str


def load(name: str) -> ModuleType | None:
    """Return the module lab.standins.<name>, or None where this checkout has none."""
    full = f"lab.standins.{name}"
    try:
        return importlib.import_module(full)
    except ModuleNotFoundError as error:
        if error.name in (full, "lab.standins"):
            return None
        raise LabError(f"The stand-in {name!r} cannot be loaded: Python has no module {error.name!r}.") from error


def stage(upstream: Upstream) -> str:
    """Return the stage that takes what upstream has."""
    return STAGES.get(upstream.name, MODULES[upstream.module])


def knock(url: str, seconds: float = SECONDS) -> str | None:
    """Ask url once and return None where it answers, else the reason. Proxies of this machine are used."""
    reason = "no answer"
    for method in ("HEAD", "GET"):
        request = urllib.request.Request(url, method=method, headers={"User-Agent": "codetr-lab", "Range": "bytes=0-0"})
        try:
            with urllib.request.urlopen(request, timeout=seconds):
                return None
        except urllib.error.HTTPError as error:
            reason = f"answers {error.code}"
            # Some servers know no HEAD, or no range.
            if error.code not in (403, 405, 416, 501):
                break
        except (OSError, ValueError) as error:
            return f"does not answer ({getattr(error, 'reason', None) or error})"
    return reason


def forced(module: str, environment: Mapping[str, str]) -> str | None:
    """Return why module's part is served by the lab without asking upstream, or None."""
    if module in OWN:
        return OWN[module]
    if module == "codetr" and environment.get(REPOSITORY):
        return f"{REPOSITORY} names a checkout"
    if environment.get(FORCE) not in (None, "", "0"):
        return f"{FORCE} is set"
    return None


def declared(name: str) -> list[tuple[str, str]]:
    """Return names and URLs of what the stand-in module called name replaces; nothing where this checkout has no such module."""
    module = load(name)
    upstreams = module.UPSTREAMS if module else []
    if isinstance(upstreams, Mapping):
        return list(upstreams.items())
    return [(entry["name"], entry["url"]) for entry in upstreams]


def survey(modules: Iterable[str] = MODULES) -> list[Upstream]:
    """Try all upstreams at once and return what is to be made of each."""
    wanted = [(module, *entry, forced(module, os.environ)) for module in modules for entry in declared(module)]
    with ThreadPoolExecutor(max_workers=max(1, len(wanted))) as pool:
        reasons = list(pool.map(lambda entry: entry[3] or knock(entry[2]), wanted))
    return [
        Upstream(name, url, module, reason is not None, decided is not None, reason or "answers")
        for (module, name, url, decided), reason in zip(wanted, reasons, strict=True)
    ]


def holds(found: Iterable[Upstream], modules: Iterable[str] = MODULES) -> bool:
    """Return whether an earlier survey fits what this checkout and this environment ask for now."""
    then = {(each.module, each.name, each.url, each.forced) for each in found if each.url}
    now = {(module, name, url, forced(module, os.environ) is not None) for module in modules for name, url in declared(module)}
    return then == now


def served(found: Iterable[Upstream], modules: Iterable[str] = MODULES) -> list[str]:
    """Return the modules that the lab builds: one whose upstream does not answer, and those that are always its own."""
    failing = {each.module for each in found if each.stand_in}
    return [module for module in modules if module in failing or (forced(module, os.environ) and load(module))]


def resolve(found: Iterable[Upstream], made: Mapping[str, Mapping[str, Any]]) -> list[Upstream]:
    """Return found corrected by what was made.

    A checkout that was named is no stand-in; an upstream that answers is replaced together with one that does not when one
    module makes both; and a module may make things that have no upstream.
    """
    resolved = []
    for each in found:
        stand_in = each.module in made and each.name in made[each.module]["stand_ins"]
        why = "answers, but is replaced together with what does not" if stand_in and not each.stand_in else each.why
        resolved.append(replace(each, stand_in=stand_in, why=why))
    known = {each.name for each in resolved}
    for module, result in made.items():
        decided = forced(module, os.environ)
        extra = [name for name in result["stand_ins"] if name not in known]
        resolved += [Upstream(name, "", module, True, decided is not None, decided or "made along with the others") for name in extra]
    return resolved


def build(names: Iterable[str], www: Path, base_url: str, python310: Path | None) -> dict[str, dict[str, Any]]:
    """Build the stand-ins of the modules called names and return what each made.

    Raises:
        LabError: one of them cannot be built.
    """
    made = {}
    for name in names:
        module = load(name)
        if module is None:
            raise LabError(f"{name!r} has no stand-in here: molecule/shared/lab/standins/{name}.py is missing.")
        made[name] = module.build(www, base_url, str(python310) if python310 else None)
    return made


def merge(made: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the options that point at what was made.

    Raises:
        LabError: two modules set the same record or option.
    """
    artifacts: dict[str, Any] = {}
    config: dict[str, Any] = {}
    for module, result in made.items():
        for target, part in ((artifacts, result.get("artifacts", {})), (config, result.get("config", {}))):
            for key, value in part.items():
                if key in target and target[key] != value:
                    raise LabError(f"The stand-in {module!r} sets {key} to {value!r}, and another one to {target[key]!r}.")
                target[key] = value
    return {**({"provision_artifacts": artifacts} if artifacts else {}), **config}
