"""COCO 2017 and LVIS v1 in Co-DETR's layout: what is kept, adopted, fetched and made anew."""

from __future__ import annotations

import os
import re
from typing import Any

from ansible_collections.codetr.provision.plugins.module_utils.dataset import judge
from ansible_collections.codetr.provision.plugins.module_utils.dataset.layout import ANNOTATIONS, IMAGES, LINKS, OURS, Part, parts_for
from ansible_collections.codetr.provision.plugins.module_utils.plan.stage import Context, Stage

APT = ("aria2", "ca-certificates")
# Of an archive's bytes, measured: JPEGs are stored as they are and fill their last block, JSON grows by 3.0 to 3.3.
GROWTH = {IMAGES: 1.03, ANNOTATIONS: 3.5}
SUBSET_IMAGE_BYTES = 400_000
TITLES = {"coco": "COCO 2017", "lvis": "LVIS v1"}


def root_of(wishes: dict[str, Any], ctx: Context) -> str:
    """The data root."""
    return (wishes["codetr_datasets_root"] or f"{ctx.prefix}/data").rstrip("/") or "/"


def ask(wishes: dict[str, Any], ctx: Context) -> dict[str, Any]:
    """Where to look, and for what."""
    root = root_of(wishes, ctx)
    parts = [
        {"name": part.name, "kind": part.kind, "path": part.path, "required": list(part.required)} for part in parts_for(["coco", "lvis"])
    ]
    return {"root": root, "parts": parts, "links": list(LINKS), "paths": [root]}


def plan(state: dict[str, Any], wishes: dict[str, Any], ctx: Context) -> Stage:
    """Judge every part by its manifest and by what is there; fetch only what must be made."""
    here, root, names = state["datasets"], root_of(wishes, ctx), wishes["codetr_datasets_names"]
    stage, parts = Stage("datasets"), parts_for(wishes["codetr_datasets_names"])
    if not parts:
        stage.action, stage.reason = "skip", "codetr_datasets_names is empty"
        return stage
    _judge_wishes(stage, wishes)
    _judge_root(stage, state, root)
    records = {part.name: ctx.artifacts.get(part.name) or {} for part in parts}
    for part in parts:
        if not records[part.name].get("sha256") or not records[part.name].get("urls"):
            what = f"The artifact record {part.name} has no URL or no sha256, so nothing of it could be checked."
            stage.problem(what, "Give both in provision_artifacts.")
    if stage.problems:
        return stage
    choice = _choice(wishes, parts, records)
    found = {part.name: judge.judge(part, here["parts"][part.name], records[part.name], choice) for part in parts}
    _judge_found(stage, root, parts, found)
    choosing = _choosing(parts, found, here, choice)
    links = [link for link in LINKS if "lvis" in names and _link_differs(stage, root, link, here["links"].get(link))]
    todo = [part for part in parts if found[part.name].todo]
    _name_action(stage, parts, found, links)
    if stage.todo:
        _judge_writing(stage, state, root)
    stage.version = _version(names, records, wishes["codetr_datasets_subset"])
    stage.stand_in = any(records[part.name].get("stand_in") for part in parts)
    made = [part for part in todo if found[part.name].word != judge.ADOPT]
    fetched = [part for part in made if found[part.name].word != judge.UNVALIDATED]
    if any(not url.startswith("file:") for part in fetched for url in records[part.name]["urls"]):
        stage.apt = [name for name in APT if state["apt"].get(name) is None]
    stage.needs = [
        {"url": url, "why": f"the data set {part.name}"}
        for part in fetched
        for url in records[part.name]["urls"]
        if not url.startswith("file:")
    ]
    stage.disk = [{"path": root, "bytes": _bytes_needed(fetched, records, here, wishes)}] if fetched else []
    stage.before = {part.name: found[part.name].word for part in todo} | {link: "missing or other" for link in links}
    stage.after = {part.name: "here" for part in todo} | {link: LINKS[link] for link in links}
    if todo:
        stage.after["root"] = root
    stage.params = {
        "root": root,
        "make_root": here["root"] is None,
        "archives": f"{root}/{OURS}/archives",
        "keep_archives": wishes["codetr_datasets_keep_archives"],
        "connections": wishes["codetr_datasets_connections"],
        "rate_limit": wishes["codetr_datasets_rate_limit"],
        "choice": choice or {},
        "choosing": choosing,
        "links": "lvis" in names,
        "fetched": [_work(part, records[part.name], root, choice) for part in fetched],
        "placed": [_placed(part, records[part.name], found[part.name].adopted) for part in todo],
    }
    return stage


def _judge_wishes(stage: Stage, wishes: dict[str, Any]) -> None:
    limit, connections = wishes["codetr_datasets_rate_limit"], wishes["codetr_datasets_connections"]
    number = wishes["codetr_datasets_subset"]
    if not re.fullmatch(r"(|[1-9]\d*[KMkm]?)", limit):
        way_out = "Give bytes per second with K or M behind, such as 20M, or leave it empty."
        stage.problem(f"codetr_datasets_rate_limit is {limit!r}, which is no rate.", way_out)
    if not 1 <= connections <= 16:
        stage.problem(f"codetr_datasets_connections is {connections}; aria2 opens 1 to 16 to one server.", "Give a number from 1 to 16.")
    if number < 0:
        stage.problem(f"codetr_datasets_subset is {number}.", "Give how many images of each folder are wanted, or 0 for all.")


def _judge_root(stage: Stage, state: dict[str, Any], root: str) -> None:
    if not os.path.isabs(root) or root == "/":
        stage.problem(f"codetr_datasets_root is {root!r}.", "Give the absolute path of a folder below /.")
    elif state["datasets"]["root"] is None and (state["disks"].get(root) or {}).get("self") is not None:
        stage.problem(f"{root}, where the data goes, is no folder.", "Move it away, or set codetr_datasets_root to another path.")


def _judge_writing(stage: Stage, state: dict[str, Any], root: str) -> None:
    """Only what is to be written needs a place that can be written: finished data may lie on a disk that is read-only by now."""
    there, owner = state["datasets"]["root"], state["user"]["owner"]
    if ((state["disks"].get(root) or {}).get("room") or {}).get("read_only"):
        way_out = "Mount it writable, or set codetr_datasets_root to a path on another."
        stage.problem(f"The file system of {root} is mounted read-only.", way_out)
    elif there is not None and not _may_write(there, owner):
        stage.problem(
            f"{root}, where the data goes, exists, and {owner['name']} may not write there.",
            f"Run `chown {owner['name']} {root}`, or set codetr_datasets_root to a folder below it.",
        )


def _may_write(folder: dict[str, Any], owner: dict[str, Any]) -> bool:
    """By the mode bits, as the kernel does."""
    if owner.get("uid") == 0:
        return True
    shift = 6 if folder["uid"] == owner.get("uid") else 3 if folder["gid"] == owner.get("gid") else 0
    return bool(folder["mode"] >> shift & 0o2)


def _choice(wishes: dict[str, Any], parts: list[Part], records: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """What decides which pictures a subset has: the same choice is the same pictures."""
    if wishes["codetr_datasets_subset"] == 0:
        return None
    sources = {part.name: records[part.name]["sha256"] for part in parts if part.kind == ANNOTATIONS}
    return {"subset": wishes["codetr_datasets_subset"], "for": sorted(wishes["codetr_datasets_names"]), "from": sources}


def _judge_found(stage: Stage, root: str, parts: list[Part], found: dict[str, judge.Verdict]) -> None:
    for part in parts:
        if found[part.name].word == judge.FOREIGN:
            stage.problem(f"{root}/{part.path} {found[part.name].detail}.", "Move it away, or set codetr_datasets_root to another folder.")


def _choosing(parts: list[Part], found: dict[str, judge.Verdict], here: dict[str, Any], choice: dict[str, Any] | None) -> bool:
    """Whether the subset is chosen (again): then all annotations are made anew, because they are what it is chosen from."""
    sources = [part for part in parts if part.kind == ANNOTATIONS]
    choosing = (
        choice is not None
        and any(found[part.name].todo for part in parts)
        and (here["choice"] != choice or any(found[part.name].todo for part in sources))
    )
    if choosing:
        for part in sources:
            found[part.name].make_anew()
    return choosing


def _link_differs(stage: Stage, root: str, link: str, there: dict[str, Any] | None) -> bool:
    if there is not None and (there["type"] != "link" or there["target"].rstrip("/") != LINKS[link]):
        what = f"{root}/{link} is there and is not the link to {LINKS[link]} that LVIS needs."
        stage.problem(what, "Move it away, or set codetr_datasets_root to another folder.")
    return there is None


def _name_action(stage: Stage, parts: list[Part], found: dict[str, judge.Verdict], links: list[str]) -> None:
    """One word and one sentence for the whole stage."""
    words = {part.name: found[part.name].word for part in parts if found[part.name].todo}
    images = {part.name: found[part.name].files for part in parts if part.kind == IMAGES}
    listed = ", ".join(f"{name} ({word})" for name, word in words.items())
    if not words and not links:
        stage.reason = f"{sum(images.values())} images and their annotations are there"
    elif not words:
        stage.action, stage.reason = "repair", f"missing: {', '.join(links)}"
    elif set(words.values()) == {judge.ADOPT}:
        stage.action, stage.reason = "adopt", f"already there, to be validated: {', '.join(words)}"
    elif len(words) == len(parts) and set(words.values()) == {judge.MISSING}:
        stage.action, stage.reason = "install", f"nothing is there yet of {', '.join(words)}"
    elif judge.CHANGED in words.values() or _new_data_set(words, parts):
        stage.action, stage.reason = "change", f"not what is wished: {listed}"
    else:
        stage.action, stage.reason = "repair", f"not whole: {listed}"


def _new_data_set(words: dict[str, str], parts: list[Part]) -> bool:
    """Whether all that is missing are the whole annotations of a data set that was not wished before."""
    for prefix in ("coco-annotations", "lvis-"):
        whole = {part.name for part in parts if part.name.startswith(prefix)}
        if whole and set(words) == whole and set(words.values()) == {judge.MISSING}:
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


def _bytes_needed(parts: list[Part], records: dict[str, dict[str, Any]], here: dict[str, Any], wishes: dict[str, Any]) -> int:
    """The most that is on the disk at one time, beyond what is there: each archive of pictures goes before the next comes, unless kept."""
    archives, extracted = [], 0
    for part in parts:
        size = records[part.name].get("size") or 0
        archives.append((part.kind, max(0, size - here["archives"].get(part.name, 0))))
        grown = int(size * GROWTH[part.kind])
        if wishes["codetr_datasets_subset"] and part.kind == IMAGES:
            grown = min(grown, wishes["codetr_datasets_subset"] * SUBSET_IMAGE_BYTES)
        extracted += grown
    annotations = sum(size for kind, size in archives if kind == ANNOTATIONS)
    images = [size for kind, size in archives if kind == IMAGES]
    return extracted + annotations + (sum(images) if wishes["codetr_datasets_keep_archives"] else max(images, default=0))


def _work(part: Part, record: dict[str, Any], root: str, choice: dict[str, Any] | None) -> dict[str, Any]:
    """What fetching and extracting one part needs."""
    ours = f"{root}/{OURS}"
    images = part.kind == IMAGES
    return {
        "name": part.name,
        "kind": part.kind,
        "urls": record["urls"],
        "sha256": record["sha256"],
        "size": record.get("size"),
        "stand_in": bool(record.get("stand_in")),
        "archive": f"{ours}/archives/{part.name}.zip",
        "progress": f"{ours}/progress/{part.name}.json",
        "members": part.below,
        "strip": part.strip,
        "dest": f"{root}/{part.path}" if images else f"{ours}/staging/{part.name}",
        "manifest": f"{ours}/{part.name}.json" if images else f"{ours}/staging/{part.name}.json",
        "only_list": f"{ours}/choice/{part.path.rpartition('/')[2]}.txt" if images and choice else "",
        "note": {"part": part.name, "choice": choice, "validated": False, "adopted": False},
    }


def _placed(part: Part, record: dict[str, Any], adopt: bool) -> dict[str, Any]:
    """What validating and placing one part needs."""
    return {
        "name": part.name,
        "kind": part.kind,
        "path": part.path,
        "required": list(part.required),
        "sha256": record["sha256"],
        "counts": record.get("counts"),
        "stand_in": bool(record.get("stand_in")),
        "adopt": adopt,
    }
