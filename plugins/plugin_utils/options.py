"""Options: variables with a prefix of ours, validated against the roles' argument specs and coerced, with defaults filled in.

An option may come from anywhere that Ansible takes variables from. An unknown name with one of the prefixes is refused together with the
nearest name that exists, because a misspelt variable that is silently ignored costs its author a day. A name whose prefix is misspelt
gets a warning: it may belong to anybody.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.codetr.provision.plugins.module_utils.stack.schema import is_path

ROOT = Path(__file__).resolve().parents[2]
STACKS = ROOT / "stacks"
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
# How alike two names must be for one to be suggested in place of the other, 0 to 1. Names of one role share their prefix: 0.5 is any two.
ALIKE = 0.75
# Edits that a misspelt prefix may be away from its name: one in a short name, two in one of at least this length.
LONG_NAME = 16
# Without the shared prefix these are names that hardly anybody else uses, unlike `repo_url` and `env_name`.
DISTINCTIVE = ("codetr_datasets_", "codetr_packages_", "codetr_verify_", "codetr_workspace_", "provision_status_")
# Variables of published roles that share a prefix with ours, to name their role in the refusal.
FOREIGN = {
    "nvidia.nvidia_driver": (
        "nvidia_driver_add_repos",
        "nvidia_driver_debian_*",
        "nvidia_driver_module_*",
        "nvidia_driver_package_*",
        "nvidia_driver_persistence_mode_on",
        "nvidia_driver_rhel_*",
        "nvidia_driver_skip_reboot",
        "nvidia_driver_ubuntu_*",
    ),
    "galaxyproject.miniconda": (
        "miniconda_base_env_*",
        "miniconda_conda_environments",
        "miniconda_executable",
        "miniconda_installer*",
        "miniconda_manage_dependencies",
        "miniconda_python",
    ),
    "andrewrothstein.miniconda": (
        "miniconda_checksums",
        "miniconda_escalate",
        "miniconda_link_subdir",
        "miniconda_make_sys_default",
        "miniconda_mirror",
        "miniconda_parent_dir",
        "miniconda_pkg_update",
        "miniconda_python_ver",
        "miniconda_ver",
    ),
}


class OptionError(Exception):
    """One or more options are wrong. ``problems`` holds a sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@cache
def specs() -> dict[str, dict[str, Any]]:
    """All options of all roles, by name, with their argument specs. Those that roles share live in role preflight."""
    options: dict[str, dict[str, Any]] = {}
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        options.update(yaml_load(path.read_text())["argument_specs"]["main"]["options"])
    return options


def prefixes() -> tuple[str, ...]:
    """The prefixes of option names: each role's name, and the shared ones."""
    roles = sorted(path.name + "_" for path in (ROOT / "roles").iterdir() if path.is_dir())
    return (*roles, *SHARED_PREFIXES)


def ours(name: str) -> bool:
    """Whether a variable's name has one of the prefixes."""
    return name.startswith(prefixes())


def coerce(given: Mapping[str, Any], template: Callable[[Any], Any] = lambda value: value) -> dict[str, Any]:
    """Validate the options among ``given`` and convert them to their types.

    Args:
        given: variables by name, from any source; those without one of the prefixes are ignored.
        template: resolves Jinja in a value.

    Returns:
        Every option of every role by name, defaults filled in.

    Raises:
        OptionError: with every problem at once: unknown names, wrong types and choices, impossible paths.
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
    ignored = _names(found.get(IGNORE_OPTION))
    unknown = sorted(set(found) - set(known))
    for name in unknown:
        del found[name]
    problems += _unknown([name for name in unknown if name not in ignored], known)
    result = ArgumentSpecValidator(_spec(known)).validate(found)
    problems += [sentence(error, found) for error in result.error_messages]
    config = dict(result.validated_parameters)
    if not problems:
        problems += check_combinations(config)
    if problems:
        raise OptionError(problems)
    return config


def _names(value: Any) -> list[str]:
    """A list of names; from the command line it arrives as text, and part of a longer name must not match."""
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else list(value or [])


def _unknown(names: list[str], known: Collection[str]) -> list[str]:
    """A sentence for each unknown name, and how to keep them."""
    keep = f" (If it is your own, add it to {IGNORE_OPTION}.)" if len(names) == 1 else ""
    problems = []
    for name in names:
        role = next((role for role, patterns in FOREIGN.items() if any(fnmatchcase(name, pattern) for pattern in patterns)), "")
        near = difflib.get_close_matches(name, known, n=1, cutoff=ALIKE)
        if role:
            problems.append(f"{name} is a variable of the role {role}, which this collection does not use.{keep}")
        else:
            problems.append(f"There is no variable {name}.{f' Did you mean {near[0]}?' if near else ''}{keep}")
    if len(names) > 1:
        problems.append(f"If these {len(names)} are your own, set {IGNORE_OPTION}: [{', '.join(names)}]")
    return problems


def near_misses(names: Iterable[str], ignored: Collection[str] = ()) -> dict[str, str]:
    """The names whose prefix looks like a misspelt one of ours, each with the option that was probably meant.

    Only whole names are compared: a similar prefix followed by something that is no option belongs to another role.
    """
    found = {}
    for name in sorted(names):
        if ours(name) or name in ignored or name.startswith(("_", "ansible_")):
            continue
        meant = next((known for known in specs() if _misspelt(name, known)), None)
        if meant:
            found[name] = meant
    return found


def _misspelt(name: str, known: str) -> bool:
    if known.startswith(DISTINCTIVE) and name == known.partition("_")[2]:
        return True
    most = 2 if len(known) >= LONG_NAME else 1
    # The first two are cheap and spare nearly all names the third: each edit changes at most two of the letters that there are.
    return abs(len(name) - len(known)) <= most and len(set(name) ^ set(known)) <= 2 * most and _edits(name, known) <= most


def _edits(one: str, other: str) -> int:
    """How many letters must be added, removed, replaced or swapped with their neighbour to turn one text into the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if earlier and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]


def _spec(known: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Argument specs without the keys that are only documentation."""
    return {
        name: {key: value for key, value in option.items() if key not in ("description", "version_added")} for name, option in known.items()
    }


def sentence(error: str, given: Mapping[str, Any]) -> str:
    """Rewrite an error of Ansible's validator as a sentence that begins with the variable's name and ends with its value."""
    choice = re.match(r"value of (\S+) must be one(?: or more)? of: (.+?)[,.] [Gg]ot.*?: (.*)$", error)
    if choice:
        return f"{choice.group(1)} must be one of {choice.group(2)}; it is {choice.group(3)}."
    typed = re.match(r"argument '(\S+)' is of type (.+?) and we were unable to convert to (\w+)", error)
    if typed:
        return f"{typed.group(1)} must be of type {typed.group(3)}; it is {given.get(typed.group(1))!r}."
    return error


def check_combinations(config: Mapping[str, Any]) -> list[str]:
    """Check what types cannot express: absolute paths without spaces, hashes, commits, ranges of numbers."""
    problems = []
    for name in ABSOLUTE:
        value = config[name]
        if value and not value.startswith("/"):
            problems.append(f"{name} must be an absolute path; it is {value!r}.")
        elif name != "codetr_datasets_root" and re.search(r"\s", value or ""):
            problems.append(f"{name} contains a space ({value!r}); conda and many build tools break on that. Choose a path without.")
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
    problems += _check_gpu(config) + _check_data(config) + _check_verify(config) + _check_stack(config["codetr_stack"])
    for name, change in config["provision_artifacts"].items():
        digest = change.get("sha256") if isinstance(change, Mapping) else None
        if digest is not None and not re.fullmatch(r"[0-9a-f]{64}", str(digest)):
            problems.append(f"provision_artifacts: the sha256 of {name} must be 64 hexadecimal digits; it is {digest!r}.")
    return problems


def _check_stack(stack: str) -> list[str]:
    """A stack is a file: one of ours by its name, or another by its path."""
    names = sorted(path.stem for path in STACKS.glob("*.yml"))
    if is_path(stack):
        exists = Path(stack).suffix == ".yml" and Path(stack).expanduser().is_file()
        return [] if exists else [f"codetr_stack must name a .yml file that exists on the controller, or a stack; it is {stack}."]
    return [] if stack in ("auto", *names) else [f"codetr_stack must be one of auto, {', '.join(names)}, or a path; it is {stack}."]


def _check_data(config: Mapping[str, Any]) -> list[str]:
    """Check what types cannot express of downloads and data."""
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
    """Check what types cannot express of driver, kernels and GPUs."""
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


def _check_verify(config: Mapping[str, Any]) -> list[str]:
    """Check what types cannot express of the options of verify."""
    problems = []
    if config["codetr_verify_gpus"] < 1:
        problems.append(f"codetr_verify_gpus must be at least 1; it is {config['codetr_verify_gpus']}.")
    if not re.fullmatch(r"\d*", config["codetr_verify_scale"]):
        problems.append(f"codetr_verify_scale must be a whole number of pixels, or empty; it is {config['codetr_verify_scale']!r}.")
    return problems
