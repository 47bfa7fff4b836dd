"""Every variable of ours, checked against the roles' argument specs, coerced, with defaults filled in.

A option may come from anywhere that Ansible takes variables from. A name that starts like one of ours and is none is refused with the
nearest one that exists, because a misspelt variable that is silently ignored costs its author a day.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

ROOT = Path(__file__).resolve().parents[2]
SHARED_PREFIXES = ("provision_", "codetr_")
ABSOLUTE = (
    "provision_prefix",
    "cuda_toolkit_prefix",
    "cuda_toolkit_tmpdir",
    "miniconda_prefix",
    "codetr_env_prefix",
    "codetr_env_python",
    "codetr_packages_folder",
    "codetr_repo_dest",
    "codetr_datasets_root",
)
IGNORE_OPTION = "provision_ignore_variables"


class OptionError(Exception):
    """One or more config are wrong. ``problems`` holds a sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@cache
def specs() -> dict[str, dict[str, Any]]:
    """All options of all roles: name of the variable to its argument spec. Shared ones live in role preflight."""
    options: dict[str, dict[str, Any]] = {}
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        options.update(yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"])
    return options


def prefixes() -> tuple[str, ...]:
    """What the names of our variables start with: each role's name, and the shared prefixes."""
    roles = sorted(path.name + "_" for path in (ROOT / "roles").iterdir() if path.is_dir())
    return (*roles, *SHARED_PREFIXES)


def ours(name: str) -> bool:
    """Whether a variable's name starts like one of ours."""
    return name.startswith(prefixes())


def coerce(given: Mapping[str, Any], template: Callable[[Any], Any] = lambda value: value) -> dict[str, Any]:
    """All config with their types.

    Args:
        given: variables by name, from any source; foreign ones are passed over.
        template: resolves Jinja in a value.

    Returns:
        Every option of every role by name, defaults filled in.

    Raises:
        OptionError: with every problem at once: unknown names, wrong types and choices, paths that cannot be.
    """
    problems: list[str] = []
    found: dict[str, Any] = {}
    known = specs()
    for name in sorted(given):
        if not ours(name):
            continue
        try:
            found[name] = template(given[name])
        except Exception as error:
            problems.append(f"{name} cannot be resolved: {error}")
    ignored = found.get(IGNORE_OPTION) or []
    # From the command line a list arrives as text, and a part of a longer name must not pass for it.
    ignored = [name.strip() for name in ignored.split(",")] if isinstance(ignored, str) else ignored
    for name in sorted(set(found) - set(known)):
        del found[name]
        if name in ignored:
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]}?" if near else ""
        problems.append(f"There is no variable {name}.{hint} (If it is your own, add it to {IGNORE_OPTION}.)")
    result = ArgumentSpecValidator(_spec(known)).validate(found)
    problems += [sentence(error, found) for error in result.error_messages]
    config = dict(result.validated_parameters)
    if not problems:
        problems += check_combinations(config)
    if problems:
        raise OptionError(problems)
    return config


def _spec(known: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Argument specs without the keys that only people read."""
    return {
        name: {key: value for key, value in option.items() if key not in ("description", "version_added")} for name, option in known.items()
    }


def sentence(error: str, given: Mapping[str, Any]) -> str:
    """An error of Ansible's validator as a sentence that begins with the variable's name and ends with its value."""
    choice = re.match(r"value of (\S+) must be one(?: or more)? of: (.+?)[,.] [Gg]ot.*?: (.*)$", error)
    if choice:
        return f"{choice.group(1)} must be one of {choice.group(2)}; it is {choice.group(3)}."
    typed = re.match(r"argument '(\S+)' is of type (.+?) and we were unable to convert to (\w+)", error)
    if typed:
        return f"{typed.group(1)} must be of type {typed.group(3)}; it is {given.get(typed.group(1))!r}."
    return error


def check_combinations(config: Mapping[str, Any]) -> list[str]:
    """What types cannot tell: paths that must be absolute and without spaces, hashes, commits, numbers that must not be negative."""
    problems = []
    for name in ABSOLUTE:
        value = config[name]
        if value and not value.startswith("/"):
            problems.append(f"{name} must be an absolute path; it is {value!r}.")
        elif name != "codetr_datasets_root" and re.search(r"\s", value or ""):
            problems.append(f"{name} has a space in it ({value!r}); conda and many build tools break on that. Choose a path without.")
    if config["provision_prefix"].rstrip("/") in ("", "/usr", "/etc", "/home", "/root", "/opt", "/var", "/tmp"):
        problems.append(
            f"provision_prefix {config['provision_prefix']!r} belongs to the system; name a folder below it, such as /opt/codetr."
        )
    if not re.fullmatch(r"[0-9a-f]{40}", config["codetr_repo_commit"]):
        problems.append(f"codetr_repo_commit must be a whole commit id of 40 hexadecimal digits; it is {config['codetr_repo_commit']!r}.")
    for name in ("codetr_datasets_subset", "codetr_packages_jobs"):
        if config[name] < 0:
            problems.append(f"{name} must not be negative; it is {config[name]}.")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", config["codetr_env_name"]):
        problems.append(
            f"codetr_env_name {config['codetr_env_name']!r} cannot name an environment; use letters, digits, dot, dash and underscore."
        )
    problems += [
        f"cuda_toolkit_versions: {version!r} is no version; write auto, 11.4 or 11.4.4."
        for version in config["cuda_toolkit_versions"]
        if version != "auto" and not re.fullmatch(r"[1-9]\d*\.\d+(\.\d+)?", version)
    ]
    if not re.fullmatch(r"([1-9]\d*\.\d+(\.\d+)?)?", config["cuda_toolkit_default"]):
        problems.append(f"cuda_toolkit_default must be a version such as 11.4, or empty; it is {config['cuda_toolkit_default']!r}.")
    if not re.fullmatch(r"((https?|file)://\S+)?", config["cuda_toolkit_repository"]):
        problems.append(f"cuda_toolkit_repository must be a URL, or empty; it is {config['cuda_toolkit_repository']!r}.")
    if config["cuda_toolkit_prefix"].rstrip("/") == "":
        problems.append("cuda_toolkit_prefix must name the folder that toolkits are side by side in, such as /usr/local.")
    problems += _check_gpu(config) + _check_data(config)
    stacks = sorted(path.stem for path in (ROOT / "stacks").glob("*.yml"))
    if config["codetr_stack"] not in ("auto", *stacks):
        problems.append(f"codetr_stack must be one of auto, {', '.join(stacks)}; it is {config['codetr_stack']}.")
    for name, change in config["provision_artifacts"].items():
        digest = change.get("sha256") if isinstance(change, Mapping) else None
        if digest is not None and not re.fullmatch(r"[0-9a-f]{64}", str(digest)):
            problems.append(f"provision_artifacts: the sha256 of {name} must be 64 hexadecimal digits; it is {digest!r}.")
    return problems


def _check_data(config: Mapping[str, Any]) -> list[str]:
    """What types cannot tell of downloads and data."""
    problems = [
        f"codetr_datasets_existing: {folder!r} must be an absolute path on the host."
        for folder in config["codetr_datasets_existing"]
        if not folder.startswith("/")
    ]
    limit, connections = config["provision_download_rate_limit"], config["provision_download_connections"]
    if not re.fullmatch(r"([1-9]\d*[KMkm]?)?", limit):
        problems.append(f"provision_download_rate_limit must be bytes per second such as 20M, or empty; it is {limit!r}.")
    if not 1 <= connections <= 16:
        problems.append(f"provision_download_connections must be from 1 to 16, which is what aria2 opens to a server; it is {connections}.")
    return problems


def _check_gpu(config: Mapping[str, Any]) -> list[str]:
    """What types cannot tell of driver, kernels and GPUs."""
    problems = []
    if not re.fullmatch(r"auto|[1-9]\d{2}", config["nvidia_driver_branch"]):
        branch = config["nvidia_driver_branch"]
        problems.append(f"nvidia_driver_branch must be auto or the number of a driver branch, 470 say; it is {branch!r}.")
    problems += [
        f"nvidia_driver_kernels: {name!r} is no kernel's release; write it as `uname -r` does, 6.1.0-56-amd64 say."
        for name in config["nvidia_driver_kernels"]
        if not re.fullmatch(r"\d+\.\d+[\w.+~-]*", name)
    ]
    problems += [
        f"provision_ignore_gpus: {name!r} is neither a PCI address (0000:01:00.0) nor an id (10de:1eb8)."
        for name in config["provision_ignore_gpus"]
        if not re.fullmatch(r"(?i)([0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]|(10de:)?[0-9a-f]{4}", name)
    ]
    if config["provision_reboot_timeout"] < 1:
        problems.append(f"provision_reboot_timeout must be at least 1 second; it is {config['provision_reboot_timeout']}.")
    return problems
