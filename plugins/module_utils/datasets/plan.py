"""Plan the data sets: which parts to keep, adopt, link, fetch or repair."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.datasets import classify
from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import (
    ANNOTATIONS,
    IMAGES,
    OURS,
    Layouts,
    Part,
    links_for,
    parts_for,
    parts_of,
)
from ansible_collections.codetr.provision.plugins.module_utils.datasets.params import Params
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage

# The last one decodes images where the environment is not installed yet.
SYSTEM_PACKAGES = ("aria2", "ca-certificates", "python3-pil")
DOWNLOADING, DECODING = SYSTEM_PACKAGES[:2], SYSTEM_PACKAGES[2]
# Extracted bytes per byte of archive, measured: JPEGs are stored and fill their last block, JSON grows by 3.0 to 3.3.
GROWTH = {IMAGES: 1.03, ANNOTATIONS: 3.5}
SUBSET_IMAGE_BYTES = 400_000


def root_of(config: dict[str, Any], ctx: Context) -> str:
    """Return the data root."""
    return (config["codetr_datasets_root"] or f"{ctx.prefix}/data").rstrip("/") or "/"


def _existing(config: dict[str, Any]) -> list[str]:
    return [str(folder).rstrip("/") or "/" for folder in config["codetr_datasets_existing"]]


def ask(config: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Return what the probe is to look for, and where."""
    root, layouts = root_of(config, ctx), ctx.local["datasets"]
    keys = ("name", "kind", "path", "required", "names", "places")
    parts = [{key: getattr(part, key) for key in keys} for part in parts_for(layouts, layouts)]
    return {"root": root, "parts": parts, "links": list(links_for(layouts, layouts)), "existing": _existing(config), "paths": [root]}


def plan(state: dict[str, Any], config: dict[str, Any], ctx: Context) -> Stage:
    """Classify every part by its manifest and files, and fetch only what is missing or damaged."""
    current, root, names = state["datasets"], root_of(config, ctx), config["codetr_datasets_names"]
    stage, layouts = Stage("datasets"), ctx.local["datasets"]
    parts, all_links = parts_for(layouts, names), links_for(layouts, names)
    if not parts:
        stage.action, stage.reason = "skip", "codetr_datasets_names is empty"
        return stage
    _check_config(stage, config, current)
    _check_root(stage, state, root)
    records = {part.name: ctx.artifacts.get(part.name) or {} for part in parts}
    for part in parts:
        if not records[part.name].get("sha256") or not records[part.name].get("urls"):
            what = f"The artifact record {part.name} has no URL or no sha256, so the archive cannot be verified."
            stage.problem(what, "Set both in provision_artifacts.")
    if stage.problems:
        return stage
    choice = _choice(config, parts, records)
    found = {part.name: _check(part, current, records[part.name], choice) for part in parts}
    _check_found(stage, root, parts, found)
    _check_existing(stage, config, current, found)
    links = [link for link, target in all_links.items() if _link_differs(stage, f"{root}/{link}", target, current["links"].get(link))]
    statuses = {name: verdict.status for name, verdict in found.items()}
    chosen_already = None if choice is None else current["choice"] == choice
    made, _unused = classify.to_extract(statuses, {part.name: part.kind for part in parts}, chosen_already)
    work = {name: classify.CHANGED if name in made and status == classify.CURRENT else status for name, status in statuses.items()}
    work = {name: status for name, status in work.items() if status not in (classify.CURRENT, classify.FOREIGN)}
    surplus = 0 if config["codetr_datasets_keep_archives"] else sum(current["archives"].get(part.name, 0) for part in parts)
    _set_action(stage, layouts, parts, found, work, links, surplus)
    if stage.todo:
        _check_writing(stage, state, root)
    stage.version = _version(layouts, names, records, config["codetr_datasets_subset"])
    stage.stand_in = any(records[part.name].get("stand_in") for part in parts)
    from_outside = [url for name in made for url in records[name]["urls"] if not url.startswith("file:")]
    required = (*(DOWNLOADING if from_outside else ()), *((DECODING,) if work else ()))
    stage.system_packages = ctx.missing(state, [name for name in SYSTEM_PACKAGES if name in required])
    stage.needs = [
        {"url": url, "why": f"the data set {name}"} for name in made for url in records[name]["urls"] if not url.startswith("file:")
    ]
    making = [part for part in parts if part.name in made]
    stage.disk = [{"path": root, "bytes": _bytes_needed(making, records, current, config)}] if making else []
    stage.before = work | {link: "missing or other" for link in links}
    stage.after = {name: found[name].source.get("path", "current") for name in work} | {link: all_links[link] for link in links}
    if work:
        stage.after["root"] = root
    elif surplus:
        stage.before["archives"], stage.after["archives"] = f"{surplus} bytes", "removed"
    params: Params = {
        "root": root,
        "make_root": current["root"] is None,
        "keep_archives": config["codetr_datasets_keep_archives"],
        "decode": config["codetr_datasets_decode"],
        "decoders": [python for python in (ctx.earlier["env"].params.get("python"), "/usr/bin/python3") if python],
        "choice": choice or {},
        "links": all_links,
        "progress": f"{root}/{OURS}/progress",
        "parts": [_spec(part, records[part.name], found[part.name]) for part in parts],
    }
    stage.params = dict(params)
    return stage


def _check(part: Part, current: dict[str, Any], record: dict[str, Any], choice: dict[str, Any] | None) -> classify.Verdict:
    candidates = [one for folder in current["existing"].values() for one in (folder or {}).get(part.name, [])]
    return classify.classify(part, current["parts"][part.name], record, choice, candidates)


def _check_config(stage: Stage, config: dict[str, Any], current: dict[str, Any]) -> None:
    number = config["codetr_datasets_subset"]
    if number < 0:
        stage.problem(f"codetr_datasets_subset is {number}.", "Set it to the number of images to keep of each folder, or to 0 for all.")
    for folder in _existing(config):
        if current["existing"].get(folder) is None:
            stage.problem(f"The folder {folder} from codetr_datasets_existing does not exist.", "Mount it, or remove it from the list.")


def _check_existing(stage: Stage, config: dict[str, Any], current: dict[str, Any], found: dict[str, classify.Verdict]) -> None:
    """Report configured folders without data, so that nothing is downloaded unexpectedly."""
    making = any(verdict.status in classify.TO_EXTRACT for verdict in found.values())
    if config["codetr_datasets_subset"] and _existing(config) and making:
        stage.warnings.append("codetr_datasets_existing is not used: a subset is always extracted from the archives.")
        return
    for folder in _existing(config):
        if making and current["existing"].get(folder) is not None and not any(current["existing"][folder].values()):
            what = f"The folder {folder} from codetr_datasets_existing has no COCO or LVIS data, nor do its folders coco, lvis or images."
            stage.problem(what, "Mount it, or remove it from the list.")


def _check_root(stage: Stage, state: dict[str, Any], root: str) -> None:
    if not os.path.isabs(root) or root == "/":
        stage.problem(f"codetr_datasets_root is {root!r}.", "Set it to the absolute path of a folder below /.")
    elif state["datasets"]["root"] is None and (state["disks"].get(root) or {}).get("self") is not None:
        stage.problem(f"The data root {root} is not a folder.", "Move it away, or set codetr_datasets_root to another path.")


def _check_writing(stage: Stage, state: dict[str, Any], root: str) -> None:
    """Check that the data root is writable. Only called when there is work: finished data may be on a read-only disk."""
    folder, owner = state["datasets"]["root"], state["user"]["owner"]
    if ((state["disks"].get(root) or {}).get("room") or {}).get("read_only"):
        fix = "Mount it writable, or set codetr_datasets_root to a path on another file system."
        stage.problem(f"The file system of {root} is mounted read-only.", fix)
    elif folder is not None and not _may_write(folder, owner):
        stage.problem(
            f"{owner['name']} may not write to the data root {root}.",
            f"Run `chown {owner['name']} {root}`, or set codetr_datasets_root to a folder below it.",
        )


def _may_write(folder: dict[str, Any], owner: dict[str, Any]) -> bool:
    """Decide by the mode bits, as the kernel does."""
    if owner.get("uid") == 0:
        return True
    gids = owner.get("gids") or [owner.get("gid")]
    shift = 6 if folder["uid"] == owner.get("uid") else 3 if folder["gid"] in gids else 0
    return bool(folder["mode"] >> shift & 0o2)


def _choice(config: dict[str, Any], parts: list[Part], records: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Identify a subset: equal choices select equal images."""
    if config["codetr_datasets_subset"] == 0:
        return None
    sources = {part.name: records[part.name]["sha256"] for part in parts if part.kind == ANNOTATIONS}
    return {"subset": config["codetr_datasets_subset"], "for": sorted(config["codetr_datasets_names"]), "from": sources}


def _check_found(stage: Stage, root: str, parts: list[Part], found: dict[str, classify.Verdict]) -> None:
    for part in parts:
        verdict = found[part.name]
        if verdict.status == classify.FOREIGN:
            stage.problem(f"{verdict.path or f'{root}/{part.path}'} {verdict.detail}.", verdict.fix)


def _link_differs(stage: Stage, path: str, target: str, found: dict[str, Any] | None) -> bool:
    if found is not None and (found["type"] != "link" or found["target"].rstrip("/") != target):
        what = f"{path} exists and is not the link to {target} that the data set needs."
        stage.problem(what, "Move it away, or set codetr_datasets_root to another folder.")
    return found is None


def _set_action(
    stage: Stage,
    layouts: Layouts,
    parts: list[Part],
    found: dict[str, classify.Verdict],
    work: dict[str, str],
    links: list[str],
    surplus: int,
) -> None:
    """Set the action and the reason of the whole stage.

    Args:
        work: status of each part that needs work, by name.
        surplus: bytes of archives that are present but not to be kept.
    """
    images = {part.name: found[part.name].files for part in parts if part.kind == IMAGES}
    listed = ", ".join(f"{name} ({status})" for name, status in work.items())
    kinds = set(work.values())
    if not work and not links and surplus:
        stage.action, stage.reason = "change", f"{surplus} bytes of archives are not to be kept"
    elif not work and not links:
        stage.reason = f"{sum(images.values())} images and their annotations are installed"
    elif not work:
        stage.action, stage.reason = "repair", f"missing: {', '.join(links)}"
    elif kinds <= {classify.ADOPT, classify.LINK}:
        to = "to be validated and linked" if classify.LINK in kinds else "to be validated"
        stage.action, stage.reason = "adopt", f"already present, {to}: {', '.join(work)}"
    elif len(work) == len(parts) and kinds <= {classify.MISSING, classify.LINK}:
        stage.action, stage.reason = "install", f"not installed yet: {', '.join(work)}"
    elif classify.CHANGED in kinds or _new_data_set(layouts, work):
        stage.action, stage.reason = "change", f"differs from the configuration: {listed}"
    else:
        stage.action, stage.reason = "repair", f"incomplete or not validated: {listed}"


def _new_data_set(layouts: Layouts, work: dict[str, str]) -> bool:
    """Whether the missing parts are all parts that only one data set needs, so that it was not requested before."""
    own = {name: {part.name for part in parts_for(layouts, [name])} for name in layouts}
    for name in layouts:
        others = {part for other in layouts if other != name for part in own[other]}
        if set(work) == own[name] - others and set(work.values()) == {classify.MISSING}:
            return True
    return False


def _version(layouts: Layouts, names: list[str], records: dict[str, dict[str, Any]], subset: int) -> str:
    """``COCO 2017 (118287+5000), LVIS v1``: with the images of each folder, where the records have counts."""
    titles: list[str] = []
    listed: set[str] = set()
    for name in layouts:
        if name not in names:
            continue
        folders = {part.name for part in parts_of(layouts, name, IMAGES)} - listed
        listed |= folders
        counts = [(records[folder].get("counts") or {}).get("images") for folder in folders]
        known = sorted((count for count in counts if count is not None), reverse=True)
        images = f"at most {'+'.join([str(subset)] * len(folders))}" if subset and folders else ""
        if folders and len(known) == len(folders):
            images = "+".join(str(min(number, subset or number)) for number in known)
        titles.append(layouts[name]["title"] + (f" ({images}{', a subset' if subset else ''})" if images else ""))
    return ", ".join(titles)


def _bytes_needed(parts: list[Part], records: dict[str, dict[str, Any]], current: dict[str, Any], config: dict[str, Any]) -> int:
    """Return the peak of additional disk use: the last archive is downloaded while earlier ones are extracted."""
    needed = 0
    for part in parts:
        size = records[part.name].get("size") or 0
        grown = int(size * GROWTH[part.kind])
        if config["codetr_datasets_subset"] and part.kind == IMAGES:
            grown = min(grown, config["codetr_datasets_subset"] * SUBSET_IMAGE_BYTES)
        needed += max(0, size - current["archives"].get(part.name, 0)) + grown
    return needed


def _spec(part: Part, record: dict[str, Any], verdict: classify.Verdict) -> dict[str, Any]:
    """Describe one part for the module codetr_dataset."""
    return {
        "name": part.name,
        "kind": part.kind,
        "path": part.path,
        "below": part.below,
        "strip": part.strip,
        "required": list(part.required),
        "status": verdict.status,
        "source": verdict.source,
        "urls": record["urls"],
        "sha256": record["sha256"],
        "size": record.get("size"),
        "counts": record.get("counts"),
        "stand_in": bool(record.get("stand_in")),
    }
