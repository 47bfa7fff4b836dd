"""What the controller knows before it looks at any host: stacks, artifact records, source edits, the wheel cache."""

from __future__ import annotations

import hashlib
import re
import urllib.parse
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils import urls
from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.codetr.provision.plugins.module_utils import distribution
from ansible_collections.codetr.provision.plugins.module_utils.files.pack import tree_digest
from ansible_collections.codetr.provision.plugins.module_utils.packages.plan import block, local_hashes, pins
from ansible_collections.codetr.provision.plugins.module_utils.stack import schema
from ansible_collections.codetr.provision.plugins.module_utils.stack.schema import is_path
from ansible_collections.codetr.provision.plugins.plugin_utils import sources

ROOT = sources.ROOT
WORKSPACE = "roles/codetr_workspace"
STACKS = ROOT / "stacks"
# The package that bin/verify and the role codetr_verify run; it is put into the workspace.
VERIFY = "roles/codetr_verify/files/verify"
MMCV_EDITS = "roles/codetr_packages/files/edits"
REPO_EDITS = "roles/codetr_repo/files/edits"
# Installed before the rest, whose source packages are built with them and not with whatever is newest.
BUILD_TOOLS = ("pip", "setuptools", "wheel")
MIRROR_SECONDS = 5.0
EDITS_KEYS = {"repository", "commit", "groups", "stand_in"}
DEFAULT_WHEEL_CACHE = "~/.cache/codetr-provision/wheels"


class CatalogError(Exception):
    """A file on the controller is missing or wrong; the text says which, and what to do."""


def load(config: dict[str, Any]) -> dict[str, Any]:
    """The catalog that ``plan.build`` takes.

    Raises:
        CatalogError: a file that the config name cannot be used.
    """
    files, option = stack_files(config["codetr_stack"]), config["codetr_stack"]
    all_locks, records = locks(files), artifacts(config["provision_artifacts"], config["provision_mirror"])
    return {
        "stacks": stacks(files, all_locks, records, option),
        "locks": all_locks,
        "distributions": distributions(),
        "artifacts": records,
        "edits": edits(config["codetr_repo_edits"], config["codetr_repo_commit"]),
        "wheels": wheels(wheel_cache(config)),
        "local": {"nvidia_driver": nvidia(), "datasets": layouts(), "workspace": workspace()},
        "pip_index": pip_index(),
    }


def distributions() -> distribution.Table:
    """What each distribution and release has."""
    return distribution.parse(yaml_load((ROOT / "roles" / "preflight" / "files" / "distributions.yml").read_text()))


def nvidia() -> dict[str, Any]:
    """What role nvidia_driver knows of GPUs, drivers and packages."""
    files = ROOT / "roles" / "nvidia_driver" / "files"
    return {name: yaml_load((files / f"{name}.yml").read_text()) for name in ("gpus", "packages")}


def layouts() -> dict[str, dict[str, Any]]:
    """What each data set consists of."""
    return dict(yaml_load((ROOT / "roles" / "codetr_datasets" / "files" / "layouts.yml").read_text()))


def workspace() -> dict[str, Any]:
    """What role codetr_workspace puts on a host, by reference: ``src`` (relative to the collection) and ``sha256``.

    ``bin`` and ``verify["files"]`` by name; the notebook with its ``text``, from which the plan knows its cells.
    """
    wrappers, notebook = f"{WORKSPACE}/templates/bin", f"{WORKSPACE}/templates/codetr_sandbox.py"
    verify, text = sources.digests(sources.tree(VERIFY)), sources.read(notebook)
    return {
        "bin": {
            name: {"src": f"{wrappers}/{name}", "sha256": digest} for name, digest in sources.digests(sources.tree(wrappers)).items()
        },
        "verify": {"src": VERIFY, "sha256": tree_digest(verify), "files": verify},
        "notebook": {"src": notebook, "sha256": hashlib.sha256(text).hexdigest(), "text": text.decode()},
    }


def stack_files(option: str) -> dict[str, Path]:
    """The files of all stacks by name: those of the collection, and the one that ``codetr_stack`` gives a path of.

    Raises:
        CatalogError: that file has the name of another stack.
    """
    found = {path.stem: path for path in sorted(STACKS.glob("*.yml"))}
    if is_path(option):
        path = Path(option).expanduser().absolute()
        if found.get(path.stem, path) != path:
            raise CatalogError(f"codetr_stack: {path} has the name of a stack of the collection. Rename the file.")
        found[path.stem] = path
    return found


def stacks(
    files: Mapping[str, Path], all_locks: Collection[str], records: Collection[str], option: str = ""
) -> dict[str, dict[str, Any]]:
    """All stacks by name. The edits of mmcv-full's sources are a reference: ``{"source", "digest", "paths"}``.

    Args:
        files: see ``stack_files``.
        all_locks: names of the lock files.
        records: names of the artifact records.
        option: ``codetr_stack``; for ``auto`` there must be a stack that needs no GPU.

    Raises:
        CatalogError: a stack's file is wrong; with a sentence for everything that is.
    """
    found, wrong = {}, []
    mmcv_edits = {path.stem for path in (ROOT / MMCV_EDITS).glob("*.yml")}
    for name, path in files.items():
        try:
            data = yaml_load(path.read_text())
        except (OSError, yaml.YAMLError) as error:
            wrong.append(f"{_shown(path)}: It cannot be read: {error}")
            continue
        wrong += [f"{_shown(path)}: {text}" for text in schema.problems(data, all_locks, records, mmcv_edits)]
        found[name] = data
    if not wrong and option == "auto" and not schema.ranked(found, "cpu"):
        wrong.append(f"{_shown(STACKS)}: No stack has both compute: cpu and a priority, so auto has none for a host without a GPU.")
    if wrong:
        raise CatalogError("\n".join(["A stack's file is wrong; nothing was changed:", *(f"  - {text}" for text in wrong)]))
    for data in found.values():
        if data["mmcv"].get("edits"):
            source = f"{MMCV_EDITS}/{data['mmcv']['edits']}.yml"
            text = sources.read(source)
            paths = [entry["path"] for group in yaml_load(text)["groups"].values() for entry in group["files"]]
            data["mmcv"]["edits"] = {"source": source, "digest": hashlib.sha256(text).hexdigest(), "paths": paths}
    return found


def locks(files: Mapping[str, Path] | None = None) -> dict[str, dict[str, Any]]:
    """All lock files by name: ``file``, ``pins`` (versions), ``first`` (the entries that are installed before the rest), and ``local``
    (the hashes of what artifact records bring). They are in ``locks/`` beside the stacks' files.
    """
    found = {}
    for folder in dict.fromkeys([STACKS, *(path.parent for path in (files or {}).values())]):
        for path in sorted((folder / "locks").glob("*.txt")):
            if path.stem not in found:
                text = path.read_text()
                found[path.stem] = {"file": str(path), "pins": pins(text), "first": block(text, BUILD_TOOLS), "local": local_hashes(text)}
    return found


def _shown(path: Path) -> str:
    """A path as people know it: relative to the collection where it is in it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def artifacts(overrides: dict[str, Any], mirror: str) -> dict[str, dict[str, Any]]:
    """All records of all roles by name; ``overrides`` replaces them key by key, and a mirror's URL comes first."""
    records: dict[str, dict[str, Any]] = {}
    for path in sorted((ROOT / "roles").glob("*/files/artifacts.yml")):
        records.update(yaml_load(path.read_text()))
    for name, change in overrides.items():
        if not isinstance(change, dict):
            raise CatalogError(f"provision_artifacts: the record {name} must be a mapping with urls, sha256 and size.")
        records[name] = {**records.get(name, {}), **change}
    result = {}
    for name, record in records.items():
        urls = list(record.get("urls") or [])
        if not urls:
            raise CatalogError(f"provision_artifacts: the record {name} has no urls.")
        if mirror:
            urls.insert(0, f"{mirror.rstrip('/')}/{name}/{urls[0].rsplit('/', 1)[-1]}")
        defaults = {"sha256": None, "size": None, "licence": None, "version": None, "stand_in": False}
        result[name] = {**defaults, **record, "name": name, "urls": urls}
    return result


def edits(path: str, commit: str) -> dict[str, Any] | None:
    """The list of edits for a commit, with ``source`` and ``sha256`` to refer to it by; None where there is none.

    Args:
        path: a file of the user's own; without one, ours for the commit is taken.

    Raises:
        CatalogError: the named file cannot be read, or is for another commit.
    """
    if path:
        source = str(Path(path).expanduser().absolute())
        try:
            text = Path(source).read_bytes()
            data = yaml_load(text)
        except (OSError, yaml.YAMLError) as error:
            raise CatalogError(f"codetr_repo_edits: {path} on the controller cannot be read: {error}") from error
        if not isinstance(data, dict) or data.get("commit") != commit:
            raise CatalogError(f"codetr_repo_edits: {path} is no list of edits for codetr_repo_commit {commit}.")
        unknown = sorted(set(data) - EDITS_KEYS)
        if unknown or not isinstance(data.get("groups"), dict):
            what = f"has the unknown key {unknown[0]}" if unknown else "has no groups"
            raise CatalogError(f"codetr_repo_edits: {path} {what}; its keys are {', '.join(sorted(EDITS_KEYS))}. Stacks name the groups.")
        return {**data, "source": source, "sha256": hashlib.sha256(text).hexdigest()}
    for ours in sorted((ROOT / REPO_EDITS).glob("*.yml")):
        text = ours.read_bytes()
        data = yaml_load(text)
        if data["commit"] == commit:
            return {**data, "source": f"{REPO_EDITS}/{ours.name}", "sha256": hashlib.sha256(text).hexdigest()}
    return None


def wheel_cache(config: dict[str, Any]) -> Path:
    """The folder on the controller that keeps built wheels."""
    return Path(config["codetr_packages_wheel_cache"] or DEFAULT_WHEEL_CACHE).expanduser()


def wheels(cache: Path) -> dict[str, dict[str, str]]:
    """The cached wheels by key, ``{"path", "file", "sha256"}``. One without its sha256 beside it, or with another, is not taken."""
    found = {}
    for sums in sorted(cache.glob("*/SHA256SUMS")):
        entry = _summed(sums.read_text())
        wheel = sums.parent / entry["file"] if entry else None
        if wheel and wheel.is_file() and hashlib.sha256(wheel.read_bytes()).hexdigest() == entry["sha256"]:
            found[sums.parent.name] = {**entry, "path": str(wheel)}
    return found


def mirrored_wheel(mirror: str, key: str) -> dict[str, str]:
    """A wheel that the mirror keeps as the cache does, in wheels/<key>/ with its SHA256SUMS: ``{"url", "file", "sha256"}``, or empty."""
    folder = f"{mirror.rstrip('/')}/wheels/{key}"
    try:
        with urls.open_url(f"{folder}/SHA256SUMS", timeout=MIRROR_SECONDS) as answer:
            entry = _summed(answer.read(1000).decode("utf-8", "replace"))
    except (OSError, ValueError, urls.ConnectionError):
        return {}
    return {**entry, "url": f"{folder}/{urllib.parse.quote(entry['file'])}"} if entry else {}


def _summed(text: str) -> dict[str, str]:
    match = re.fullmatch(r"([0-9a-f]{64})  ([^/\s]+\.whl)\n", text)
    return {"sha256": match.group(1), "file": match.group(2)} if match else {}


def pip_index() -> str:
    """The index that the controller's pip would use, so that reachability is tried before pip runs; empty where pip does not tell."""
    try:
        from pip._internal.configuration import Configuration
        from pip._internal.models.index import PyPI
    except ImportError:
        return ""
    configuration = Configuration(isolated=False)
    configuration.load()
    return str(dict(configuration.items()).get("global.index-url") or PyPI.simple_url)
