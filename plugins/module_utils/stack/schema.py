"""The form of a stack's file: which keys it has, of which type, and what they may name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

COMPUTE = ("cpu", "cuda")
TYPES: dict[str, type | tuple[type, ...]] = {"text": str, "a whole number": int, "a list": list, "a mapping": dict, "true or false": bool}
# Type by key; a star marks what every file must have.
STACK = {
    "compute*": "text",
    "python*": "a list",
    "mmcv*": "a mapping",
    "expect*": "a mapping",
    "edits*": "a list",
    "edits_required*": "true or false",
    "priority": "a whole number",
    "gpu": "a list",
    "drivers": "a list",
    "toolkits": "a list",
    "lock": "text",
    "wheels": "a list",
    "conda": "a mapping",
    "environment": "a mapping",
}
VARIANT = {
    "cuda*": "text",
    "compute_capability*": "a list",
    "driver*": "text",
    "newer_driver": "a list",
    "lock": "text",
    "compiler": "text",
    "compiler_lock": "text",
    "gcc_below": "text",
    "build_toolkits": "a list",
    "expect": "a mapping",
}
MMCV = {
    "project*": "text",
    "version*": "text",
    "sha256*": "text",
    "environment*": "a mapping",
    "edits": "text",
    "wheel": "text",
    "compiler": "text",
    "compute_capability_max": "text",
    "gcc_below": "text",
}
CONDA = {"lock*": "text", "channels*": "a list", "packages*": "a list"}
EXPECTED = ("torch", "torchvision", "mmcv", "mmdet")


def problems(data: Any, locks: Collection[str], records: Collection[str], mmcv_edits: Collection[str]) -> list[str]:
    """What is wrong with a stack's data, a sentence each.

    Args:
        data: the parsed file.
        locks: names of the lock files, without their ending.
        records: names of the artifact records.
        mmcv_edits: names of the lists of edits of mmcv-full's sources, without their ending.
    """
    if not isinstance(data, dict):
        return ["It is no mapping of keys."]
    found = [*_form("", data, STACK)]
    if not found:
        found += _form("mmcv: ", data["mmcv"], MMCV)
        found += [text for number, variant in enumerate(data.get("gpu", [])) for text in _form(f"gpu[{number}]: ", variant, VARIANT)]
        found += _form("conda: ", data["conda"], CONDA) if "conda" in data else []
    # What follows reads keys of those types.
    return found or [*_values(data), *_names(data, locks, records, mmcv_edits)]


def is_path(option: str) -> bool:
    """Whether ``codetr_stack`` gives a file of the user's own, and not a stack's name."""
    return "/" in option


def name_of(option: str) -> str:
    """The name of the stack that ``codetr_stack`` gives."""
    return PurePosixPath(option).stem if is_path(option) else option


def ranked(stacks: Mapping[str, dict[str, Any]], compute: str) -> list[str]:
    """The stacks that ``auto`` may take, the highest priority first. One without a priority is only taken by name."""
    found = [name for name, stack in stacks.items() if stack["compute"] == compute and stack.get("priority") is not None]
    return sorted(found, key=lambda name: (-stacks[name]["priority"], name))


def lock_names(data: dict[str, Any]) -> Iterator[str]:
    """The lock files that a stack can need, without their ending."""
    variants = data.get("gpu") or [{}]
    for python in data["python"]:
        names = {variant.get("lock") or data.get("lock", "") for variant in variants} | {data.get("conda", {}).get("lock", "")}
        yield from (f"{name}-py{python.replace('.', '')}" for name in sorted(names - {""}))
    yield from sorted({variant["compiler_lock"] for variant in variants if "compiler_lock" in variant})


def _form(where: str, data: Any, keys: dict[str, str]) -> Iterator[str]:
    """Unknown and missing keys, and values of the wrong type."""
    if not isinstance(data, dict):
        yield f"{where}It must be a mapping."
        return
    types = {key.rstrip("*"): kind for key, kind in keys.items()}
    for key in data:
        if key not in types:
            near = difflib.get_close_matches(str(key), types, n=1)
            yield f"{where}The key {key} is unknown.{f' Did you mean {near[0]}?' if near else ''}"
        elif not isinstance(data[key], TYPES[types[key]]) or (types[key] == "a whole number" and isinstance(data[key], bool)):
            quotes = " Write a version in quotes." if types[key] == "text" and isinstance(data[key], (int, float)) else ""
            yield f"{where}{key} must be {types[key]}; it is {data[key]!r}.{quotes}"
    for key in keys:
        if key.endswith("*") and key.rstrip("*") not in data:
            yield f"{where}The key {key.rstrip('*')} is missing."


def _values(data: dict[str, Any]) -> Iterator[str]:
    """Values that a type cannot tell."""
    if data["compute"] not in COMPUTE:
        yield f"compute must be one of {', '.join(COMPUTE)}; it is {data['compute']}."
    if data["compute"] == "cuda":
        yield from (f"With compute: cuda, the key {key} is needed." for key in ("gpu", "drivers") if not data.get(key))
        if any("compiler" not in {**data["mmcv"], **variant} for variant in data.get("gpu", [])):
            yield "With compute: cuda, mmcv or each entry of gpu needs the key compiler."
    elif data.get("gpu"):
        yield "With compute: cpu, the key gpu has no meaning."
    if not data["python"] or any(not re.fullmatch(r"3\.\d+", str(each)) or not isinstance(each, str) for each in data["python"]):
        yield f"python must list versions in quotes, such as \"3.10\"; it is {data['python']!r}."
    for number, variant in enumerate(data.get("gpu", [])):
        low_high = variant["compute_capability"]
        if len(low_high) != 2 or not all(each is None or isinstance(each, str) for each in low_high) or low_high[0] is None:
            yield f"gpu[{number}]: compute_capability must be [lowest, highest] in quotes, with null for no highest; it is {low_high!r}."
    for variant in data.get("gpu") or [{}]:
        expect = {**data["expect"], **variant.get("expect", {})}
        yield from (f"expect has no {name}." for name in EXPECTED if name not in expect)
        unquoted = {name: value for name, value in expect.items() if not isinstance(value, str)}
        yield from (f"expect: {name} must be a version in quotes; it is {value!r}." for name, value in unquoted.items())


def _names(data: dict[str, Any], locks: Collection[str], records: Collection[str], mmcv_edits: Collection[str]) -> Iterator[str]:
    """Names of what does not exist."""
    if not any(isinstance(each, str) and each for each in [data.get("lock"), *(variant.get("lock") for variant in data.get("gpu", []))]):
        yield "The key lock is missing, in the stack or in each entry of gpu."
        return
    if all(isinstance(each, str) for each in data["python"]):
        for name in lock_names(data):
            if name not in locks:
                yield f"The lock file {name}.txt does not exist. Write its .in file and run `make lock`."
    for name in [*data.get("wheels", []), *([data["mmcv"]["wheel"]] if "wheel" in data["mmcv"] else [])]:
        if name not in records:
            yield f"There is no artifact record {name}."
    if data["mmcv"].get("edits", "") not in ("", *mmcv_edits):
        yield f"mmcv: There is no list of edits {data['mmcv']['edits']}."
