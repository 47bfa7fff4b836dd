"""COCO 2017 and LVIS v1 in Co-DETR's layout: what is kept, adopted, fetched and made anew."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.datasets import classify
from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import ANNOTATIONS, IMAGES, LINKS, OURS, Part, parts_for
from ansible_collections.codetr.provision.plugins.module_utils.datasets.params import Params
from ansible_collections.codetr.provision.plugins.module_utils.stage import Context, Stage

# The last one decodes images where no environment of ours does it.
APT = ("aria2", "ca-certificates", "python3-pil")
DOWNLOADING, DECODING = APT[:2], APT[2]
# Of an archive's bytes, measured: JPEGs are stored as they are and fill their last block, JSON grows by 3.0 to 3.3.
GROWTH = {IMAGES: 1.03, ANNOTATIONS: 3.5}
SUBSET_IMAGE_BYTES = 400_000
TITLES = {"coco": "COCO 2017", "lvis": "LVIS v1"}


def root_of(config: dict[str, Any], ctx: Context) -> str:
    """The data root."""
    return (config["codetr_datasets_root"] or f"{ctx.prefix}/data").rstrip("/") or "/"


def _existing(config: dict[str, Any]) -> list[str]:
    return [str(folder).rstrip("/") or "/" for folder in config["codetr_datasets_existing"]]


def ask(config: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Where to look, and for what."""
    root = root_of(config, ctx)
    keys = ("name", "kind", "path", "required", "names", "places")
    parts = [{key: getattr(part, key) for key in keys} for part in parts_for(["coco", "lvis"])]
    return {"root": root, "parts": parts, "links": list(LINKS), "existing": _existing(config), "paths": [root]}


def plan(state: dict[str, Any], config: dict[str, Any], ctx: Context) -> Stage:
    """Judge every part by its manifest and by what is there; fetch only what must be made."""
    here, root, names = state["datasets"], root_of(config, ctx), config["codetr_datasets_names"]
    stage, parts = Stage("datasets"), parts_for(config["codetr_datasets_names"])
    if not parts:
        stage.action, stage.reason = "skip", "codetr_datasets_names is empty"
        return stage
    _check_config(stage, config, here)
    _check_root(stage, state, root)
    records = {part.name: ctx.artifacts.get(part.name) or {} for part in parts}
    for part in parts:
        if not records[part.name].get("sha256") or not records[part.name].get("urls"):
            what = f"The artifact record {part.name} has no URL or no sha256, so nothing of it could be checked."
            stage.problem(what, "Give both in provision_artifacts.")
    if stage.problems:
        return stage
    choice = _choice(config, parts, records)
    found = {part.name: _check(part, here, records[part.name], choice) for part in parts}
    _check_found(stage, root, parts, found)
    _check_existing(stage, config, here, found)
    links = [link for link in LINKS if "lvis" in names and _link_differs(stage, root, link, here["links"].get(link))]
    words = {name: verdict.word for name, verdict in found.items()}
    made, _unused = classify.to_make(words, {part.name: part.kind for part in parts}, None if choice is None else here["choice"] == choice)
    told = {name: classify.CHANGED if name in made and word == classify.HERE else word for name, word in words.items()}
    told = {name: word for name, word in told.items() if word not in (classify.HERE, classify.FOREIGN)}
    surplus = 0 if config["codetr_datasets_keep_archives"] else sum(here["archives"].get(part.name, 0) for part in parts)
    _name_action(stage, parts, found, told, links, surplus)
    if stage.todo:
        _check_writing(stage, state, root)
    stage.version = _version(names, records, config["codetr_datasets_subset"])
    stage.stand_in = any(records[part.name].get("stand_in") for part in parts)
    from_outside = [url for name in made for url in records[name]["urls"] if not url.startswith("file:")]
    wanted = (*(DOWNLOADING if from_outside else ()), *((DECODING,) if told else ()))
    stage.apt = [name for name in APT if name in wanted and state["apt"].get(name) is None]
    stage.needs = [
        {"url": url, "why": f"the data set {name}"} for name in made for url in records[name]["urls"] if not url.startswith("file:")
    ]
    making = [part for part in parts if part.name in made]
    stage.disk = [{"path": root, "bytes": _bytes_needed(making, records, here, config)}] if making else []
    stage.before = told | {link: "missing or other" for link in links}
    stage.after = {name: found[name].source.get("path", "here") for name in told} | {link: LINKS[link] for link in links}
    if told:
        stage.after["root"] = root
    elif surplus:
        stage.before["archives"], stage.after["archives"] = f"{surplus} bytes", "removed"
    params: Params = {
        "root": root,
        "make_root": here["root"] is None,
        "keep_archives": config["codetr_datasets_keep_archives"],
        "decode": config["codetr_datasets_decode"],
        "decoders": [python for python in (ctx.earlier["env"].params.get("python"), "/usr/bin/python3") if python],
        "choice": choice or {},
        "links": "lvis" in names,
        "progress": f"{root}/{OURS}/progress",
        "parts": [_spec(part, records[part.name], found[part.name]) for part in parts],
    }
    stage.params = dict(params)
    return stage


def _check(part: Part, here: dict[str, Any], record: dict[str, Any], choice: dict[str, Any] | None) -> classify.Verdict:
    candidates = [one for folder in here["existing"].values() for one in (folder or {}).get(part.name, [])]
    return classify.classify(part, here["parts"][part.name], record, choice, candidates)


def _check_config(stage: Stage, config: dict[str, Any], here: dict[str, Any]) -> None:
    number = config["codetr_datasets_subset"]
    if number < 0:
        stage.problem(f"codetr_datasets_subset is {number}.", "Give how many images of each folder are wanted, or 0 for all.")
    for folder in _existing(config):
        if here["existing"].get(folder) is None:
            stage.problem(f"There is no folder {folder}, which codetr_datasets_existing names.", "Mount it, or take it out of the list.")


def _check_existing(stage: Stage, config: dict[str, Any], here: dict[str, Any], found: dict[str, classify.Verdict]) -> None:
    """Nobody who names a copy of the data wants it downloaded without a word."""
    making = any(verdict.word in classify.MADE for verdict in found.values())
    if config["codetr_datasets_subset"] and _existing(config) and making:
        stage.warnings.append("codetr_datasets_existing is not used: a subset is always made from the archives.")
        return
    for folder in _existing(config):
        if making and here["existing"].get(folder) is not None and not any(here["existing"][folder].values()):
            what = f"Nothing of COCO or LVIS is in {folder}, which codetr_datasets_existing names, nor in its folders coco, lvis or images."
            stage.problem(what, "Mount it, or take it out of the list.")


def _check_root(stage: Stage, state: dict[str, Any], root: str) -> None:
    if not os.path.isabs(root) or root == "/":
        stage.problem(f"codetr_datasets_root is {root!r}.", "Give the absolute path of a folder below /.")
    elif state["datasets"]["root"] is None and (state["disks"].get(root) or {}).get("self") is not None:
        stage.problem(f"{root}, where the data goes, is no folder.", "Move it away, or set codetr_datasets_root to another path.")


def _check_writing(stage: Stage, state: dict[str, Any], root: str) -> None:
    """Only what is to be written needs a place that can be written: finished data may lie on a disk that is read-only by now."""
    there, owner = state["datasets"]["root"], state["user"]["owner"]
    if ((state["disks"].get(root) or {}).get("room") or {}).get("read_only"):
        fix = "Mount it writable, or set codetr_datasets_root to a path on another."
        stage.problem(f"The file system of {root} is mounted read-only.", fix)
    elif there is not None and not _may_write(there, owner):
        stage.problem(
            f"{root}, where the data goes, exists, and {owner['name']} may not write there.",
            f"Run `chown {owner['name']} {root}`, or set codetr_datasets_root to a folder below it.",
        )


def _may_write(folder: dict[str, Any], owner: dict[str, Any]) -> bool:
    """By the mode bits, as the kernel does."""
    if owner.get("uid") == 0:
        return True
    gids = owner.get("gids") or [owner.get("gid")]
    shift = 6 if folder["uid"] == owner.get("uid") else 3 if folder["gid"] in gids else 0
    return bool(folder["mode"] >> shift & 0o2)


def _choice(config: dict[str, Any], parts: list[Part], records: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """What decides which images a subset has: the same choice is the same images."""
    if config["codetr_datasets_subset"] == 0:
        return None
    sources = {part.name: records[part.name]["sha256"] for part in parts if part.kind == ANNOTATIONS}
    return {"subset": config["codetr_datasets_subset"], "for": sorted(config["codetr_datasets_names"]), "from": sources}


def _check_found(stage: Stage, root: str, parts: list[Part], found: dict[str, classify.Verdict]) -> None:
    for part in parts:
        verdict = found[part.name]
        if verdict.word == classify.FOREIGN:
            stage.problem(f"{verdict.path or f'{root}/{part.path}'} {verdict.detail}.", verdict.fix)


def _link_differs(stage: Stage, root: str, link: str, there: dict[str, Any] | None) -> bool:
    if there is not None and (there["type"] != "link" or there["target"].rstrip("/") != LINKS[link]):
        what = f"{root}/{link} is there and is not the link to {LINKS[link]} that LVIS needs."
        stage.problem(what, "Move it away, or set codetr_datasets_root to another folder.")
    return there is None


def _name_action(
    stage: Stage, parts: list[Part], found: dict[str, classify.Verdict], words: dict[str, str], links: list[str], surplus: int
) -> None:
    """One word and one sentence for the whole stage.

    Args:
        surplus: bytes of archives that are there and not to be kept.
    """
    images = {part.name: found[part.name].files for part in parts if part.kind == IMAGES}
    listed = ", ".join(f"{name} ({word})" for name, word in words.items())
    kinds = set(words.values())
    if not words and not links and surplus:
        stage.action, stage.reason = "change", f"{surplus} bytes of archives are there that are not to be kept"
    elif not words and not links:
        stage.reason = f"{sum(images.values())} images and their annotations are there"
    elif not words:
        stage.action, stage.reason = "repair", f"missing: {', '.join(links)}"
    elif kinds <= {classify.ADOPT, classify.LINK}:
        to = "to be validated and linked" if classify.LINK in kinds else "to be validated"
        stage.action, stage.reason = "adopt", f"already there, {to}: {', '.join(words)}"
    elif len(words) == len(parts) and kinds <= {classify.MISSING, classify.LINK}:
        stage.action, stage.reason = "install", f"nothing is there yet of {', '.join(words)}"
    elif classify.CHANGED in kinds or _new_data_set(words, parts):
        stage.action, stage.reason = "change", f"not what is config: {listed}"
    else:
        stage.action, stage.reason = "repair", f"not whole: {listed}"


def _new_data_set(words: dict[str, str], parts: list[Part]) -> bool:
    """Whether all that is missing are the whole annotations of a data set that was not requested before."""
    for prefix in ("coco-annotations", "lvis-"):
        whole = {part.name for part in parts if part.name.startswith(prefix)}
        if whole and set(words) == whole and set(words.values()) == {classify.MISSING}:
            return True
    return False


def _version(names: list[str], records: dict[str, dict[str, Any]], subset: int) -> str:
    """``COCO 2017 (118287+5000), LVIS v1``: training and validation images, as far as the records know."""
    known = [(records[name].get("counts") or {}).get("images") for name in ("coco-train2017", "coco-val2017")]
    counts = [number for number in known if number is not None]
    images = f"at most {subset}+{subset}" if subset else ""
    if len(counts) == len(known):
        images = "+".join(str(min(number, subset or number)) for number in counts)
    first, *others = [TITLES[name] for name in ("coco", "lvis") if name in names]
    return ", ".join([f"{first} ({images}{', a subset' if subset else ''})" if images else first, *others])


def _bytes_needed(parts: list[Part], records: dict[str, dict[str, Any]], here: dict[str, Any], config: dict[str, Any]) -> int:
    """The most that is on the disk at one time, beyond what is there: the last archive comes while earlier ones are extracted."""
    needed = 0
    for part in parts:
        size = records[part.name].get("size") or 0
        grown = int(size * GROWTH[part.kind])
        if config["codetr_datasets_subset"] and part.kind == IMAGES:
            grown = min(grown, config["codetr_datasets_subset"] * SUBSET_IMAGE_BYTES)
        needed += max(0, size - here["archives"].get(part.name, 0)) + grown
    return needed


def _spec(part: Part, record: dict[str, Any], verdict: classify.Verdict) -> dict[str, Any]:
    """What the work on one part needs."""
    return {
        "name": part.name,
        "kind": part.kind,
        "path": part.path,
        "below": part.below,
        "strip": part.strip,
        "required": list(part.required),
        "word": verdict.word,
        "source": verdict.source,
        "urls": record["urls"],
        "sha256": record["sha256"],
        "size": record.get("size"),
        "counts": record.get("counts"),
        "stand_in": bool(record.get("stand_in")),
    }
