"""Images are decoded, a sample or all of them, and the summary tells what was looked at."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.datasets import decode
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import DatasetRefused
from ansible_collections.codetr.provision.plugins.module_utils.fetch.progress import Progress
from datasets_lab import TRAIN, VAL, Lab


def images(lab: Lab) -> dict[str, bytes]:
    """Real JPEGs for every name, of the size that the annotations get."""
    image = pytest.importorskip("PIL.Image")
    path = lab.source / "one.jpg"
    image.linear_gradient("L").resize((64, 48)).save(path)
    return {name: path.read_bytes() for name in [*TRAIN, *VAL]}


def pack(lab: Lab, images: dict[str, bytes]) -> None:
    """Put them into the archives."""
    lab.archive("coco-train2017", {f"train2017/{name}": images[name] for name in TRAIN}, {"images": len(TRAIN)})
    lab.archive("coco-val2017", {f"val2017/{name}": images[name] for name in VAL}, {"images": len(VAL)})


@pytest.mark.parametrize(("which", "said"), [("sample", "10 of 30 images decoded"), ("all", "30 of 30 images decoded")])
def test_a_sample_or_all_images_are_decoded(lab: Lab, monkeypatch: pytest.MonkeyPatch, which: str, said: str) -> None:
    monkeypatch.setattr(decode, "SAMPLE", 5)
    units: dict[str, str] = {}
    monkeypatch.setattr(Progress, "report", lambda self, phase, *rest: units.update({phase: self.unit}))
    lab.decoders = [sys.executable]
    pack(lab, images(lab))
    lab.run(lab.plan(decode=which))
    found = {check["name"]: check["detail"] for check in lab.json(".codetr/summary.json")["checks"]}
    assert found["decoding"].startswith(said)
    assert units["decode"] == "files"


def test_what_lies_beside_the_images_is_not_decoded(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    monkeypatch.setattr(decode, "decoder", lambda candidates: "python")
    monkeypatch.setattr(decode, "decode", lambda python, wanted, told: looked.extend(job.name for job in wanted) or decode.Decoded())
    lab.run(lab.plan())
    (lab.root / "coco" / "train2017" / "mine.txt").write_text("mine")
    (lab.root / "coco" / "val2017" / VAL[0]).unlink()
    looked.clear()
    lab.run(lab.plan())
    assert (len(looked), [name for name in looked if name.endswith(".txt")]) == (len(TRAIN) + len(VAL), [])
    assert lab.plan().action == "keep"


def test_images_are_decoded_and_one_that_cannot_be_is_named(lab: Lab) -> None:
    lab.decoders = [sys.executable]
    good = images(lab)
    good[VAL[0]] = b"<html>no"
    pack(lab, good)
    with pytest.raises(DatasetRefused, match=rf"1 of 30 checked images .* are damaged: val2017/{VAL[0]}"):
        lab.run(lab.plan())
    assert lab.plan().action != "keep"
    assert {check["name"]: check["status"] for check in lab.json(".codetr/summary.json")["checks"]}["decoding"] == "failed"


def test_the_summary_tells_what_was_looked_at(lab: Lab) -> None:
    lab.decoders = [sys.executable]
    pack(lab, images(lab))
    lab.run(lab.plan())
    told = lab.json(".codetr/summary.json")
    assert {check["name"]: check["status"] for check in told["checks"]}["decoding"] == "ok"
    assert [(folder["name"], folder["images"], folder["source"]) for folder in told["folders"]] == [
        ("val2017", 10, "archive"), ("train2017", 20, "archive"),
    ]
    assert dict(told["classes"]["coco"]) == {"person": 2 * (19 + 9)}
    assert told["stand_in"] is True
    assert told["subset"] == 0


def test_without_a_decoder_the_summary_says_that_nothing_was_decoded(lab: Lab) -> None:
    lab.run(lab.plan())
    found = {check["name"]: check for check in lab.json(".codetr/summary.json")["checks"]}
    assert found["decoding"]["status"] == "skipped"
    assert "python3-pil" in found["decoding"]["detail"]


def test_pil_is_asked_for_where_data_is_validated(lab: Lab) -> None:
    lab.system_packages["python3-pil"] = None
    assert lab.plan().system_packages == ["python3-pil"]
    lab.run(lab.plan())
    assert lab.plan().system_packages == []
