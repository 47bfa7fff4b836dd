"""A further data set: two artifact records, an entry in layouts.yml, and its name among the choices. Planned and carried out to the end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.codetr.provision.plugins.module_utils.datasets.layout import IMAGES, links_for, parts_for, parts_of
from ansible_collections.codetr.provision.plugins.module_utils.datasets.refused import DatasetRefused
from datasets_lab import Lab, counts, document

ROLE = Path(__file__).parents[2] / "roles" / "codetr_datasets"
ENTRY = """
mini:
  title: Mini
  annotations:
    - name: mini-annotations
      path: mini/annotations
      required: [instances_small.json]
      names: instances_small\\.json
      places: [mini/annotations]
  images:
    - name: mini-images
      path: mini/small
      below: small/
      strip: 1
      places: [mini/small]
"""
SMALL = [f"{number:012}.jpg" for number in range(900, 907)]
PARTS = {"mini-annotations", "mini-images"}


@pytest.fixture
def mini(lab: Lab) -> Lab:
    """The lab with the data set added: its layout, and a record and an archive for each part."""
    lab.layouts = yaml.safe_load((ROLE / "files" / "layouts.yml").read_text() + ENTRY)
    found = document([("", name) for name in SMALL])
    lab.archive("mini-images", {f"small/{name}": name.encode() * 9 for name in SMALL}, {"images": len(SMALL)})
    lab.archive("mini-annotations", {"instances_small.json": json.dumps(found).encode()}, counts(found, "small_"))
    return lab


def test_it_is_installed_alone_and_then_kept(mini: Lab) -> None:
    stage = mini.plan(names=["mini"])
    assert (stage.action, stage.version) == ("install", "Mini (7)")
    assert set(mini.run(stage)["fetched"]) == PARTS
    assert {path.name for path in (mini.root / "mini" / "small").iterdir()} == set(SMALL)
    assert {path.name for path in mini.root.iterdir()} == {"mini", ".codetr"}
    assert len(mini.json("mini/annotations/instances_small.json")["images"]) == len(SMALL)
    again = mini.plan()
    assert (again.action, again.reason) == ("keep", "7 images and their annotations are installed")


def test_it_is_added_to_the_others_and_repaired(mini: Lab) -> None:
    mini.run(mini.plan())
    stage = mini.plan(names=["coco", "lvis", "mini"])
    assert (stage.action, stage.version) == ("change", "COCO 2017 (20+10), LVIS v1, Mini (7)")
    assert mini.statuses(stage) == dict.fromkeys(sorted(PARTS), "missing")
    assert set(mini.run(stage)["fetched"]) == PARTS
    assert mini.plan().action == "keep"
    (mini.root / "mini" / "small" / SMALL[2]).unlink()
    assert set(mini.run(mini.plan())["fetched"]) == {"mini-images"}
    assert mini.plan().action == "keep"


def test_a_subset_of_it_is_cut(mini: Lab) -> None:
    stage = mini.plan(names=["mini"], subset=3)
    assert stage.version == "Mini (3, a subset)"
    mini.run(stage)
    images = {path.name for path in (mini.root / "mini" / "small").iterdir()}
    assert len(images) == 3
    assert {image["file_name"] for image in mini.json("mini/annotations/instances_small.json")["images"]} == images
    assert mini.plan().action == "keep"


def test_its_images_and_counts_are_validated(mini: Lab) -> None:
    mini.archive("mini-images", {f"small/{name}": b"x" for name in SMALL[1:]}, {"images": len(SMALL) - 1})
    with pytest.raises(DatasetRefused, match=rf"lists 1 images that do not exist below .*, first small/{SMALL[0]}"):
        mini.run(mini.plan(names=["mini"]))
    mini.records["mini-annotations"]["counts"]["small_annotations"] += 1
    with pytest.raises(DatasetRefused, match=r"instances_small\.json has 12 annotations, but its record lists 13"):
        mini.run(mini.plan())


def test_a_copy_of_it_is_found_and_linked(mini: Lab, tmp_path: Path) -> None:
    mini.run(mini.plan(names=["mini"]))
    (mini.root / "mini").rename(tmp_path / "mini")
    mini.config["codetr_datasets_root"] = str(tmp_path / "other")
    mini.root = tmp_path / "other"
    stage = mini.plan(existing=[str(tmp_path)])
    assert set(mini.statuses(stage).values()) == {"link"}
    assert mini.run(stage)["fetched"] == {}
    assert mini.plan().action == "keep"


def test_layouts_records_and_choices_agree(lab: Lab) -> None:
    records = yaml.safe_load((ROLE / "files" / "artifacts.yml").read_text())
    specs = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert list(lab.layouts) == specs["codetr_datasets_names"]["choices"]
    assert {part.name for part in parts_for(lab.layouts, lab.layouts)} == set(records)
    folders = {part.name: Path(part.path).name for name in lab.layouts for part in parts_of(lab.layouts, name, IMAGES)}
    assert len(set(folders.values())) == len(folders)
    assert {Path(link).name for link in links_for(lab.layouts, lab.layouts)} <= set(folders.values())
