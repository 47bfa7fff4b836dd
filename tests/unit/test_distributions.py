"""The table of distributions, and what a developer touches to add a release: an entry in it, and one for drivers of the distribution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.codetr.provision.plugins.module_utils import distribution, planner
from ansible_collections.codetr.provision.plugins.plugin_utils import catalog
from hostfacts import bare, known, wanted

TABLE = Path(__file__).resolve().parents[2] / "roles" / "preflight" / "files" / "distributions.yml"
TRIXIE = {
    "codename": "trixie", "supported": True, "package_manager": "apt", "compilers": [14, 13, 12], "dkms_key": True,
    "nvidia_repository": {"name": "debian13", "first_toolkit": "12.8", "exact": False}, "renamed": {"libglib2.0-0": "libglib2.0-0t64"},
}  # fmt: skip


def data() -> dict[str, Any]:
    return dict(yaml.safe_load(TABLE.read_text()))


def on(version: str) -> dict[str, Any]:
    """A bare host with a release of Debian."""
    state = bare(wanted())
    state["os"] = {**state["os"], "id": "debian", "version": version, "name": f"Debian GNU/Linux {version}"}
    return state


def test_a_new_release_of_debian_is_an_entry_in_the_table() -> None:
    config, found = wanted(), known(wanted())
    before = planner.build(on("13"), config, found)
    assert "Debian GNU/Linux 13 is not supported." in [problem["message"] for problem in before["problems"]]
    table = data()
    table["debian"]["13"] = TRIXIE
    after = planner.build(on("13"), config, {**found, "distributions": distribution.parse(table)})
    assert after["problems"] == []
    apt = after["stages"]["packages"]["system_packages"]
    assert "libglib2.0-0t64" in apt
    assert "libglib2.0-0" not in apt
    # The probe is asked for the package under all its names, whatever the host turns out to be.
    assert {"libglib2.0-0", "libglib2.0-0t64", "g++-14", "g++-7"} <= set(planner.questions(config, found)["base"]["system_packages"])


def test_systems_that_are_not_in_the_table_are_refused_with_those_that_are() -> None:
    (problem,) = [each for each in planner.build(on("10"), wanted(), known(wanted()))["problems"] if "supported" in each["message"]]
    assert problem["fix"] == "Use a host with Debian 11 or 12, Ubuntu 20.04 or 22.04 or 24.04."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"codname": "bookworm"}, "debian 12: the keys must be .*; look at codname"),
        ({"package_manager": "apk"}, "debian 12: there is no package manager 'apk'"),
    ],
)
def test_a_wrong_entry_is_named(change: dict[str, Any], message: str) -> None:
    table = data()
    table["debian"]["12"].update(change)
    with pytest.raises(distribution.DistributionError, match=message):
        distribution.parse(table)


def test_every_release_is_named_in_the_drivers_packages_or_has_none_of_its_own() -> None:
    packages = yaml.safe_load((TABLE.parents[2] / "nvidia_driver" / "files" / "packages.yml").read_text())
    named = {("debian", version) for version in packages["debian"]} | {("ubuntu", version) for version in packages["ubuntu"]["releases"]}
    assert named <= {(each.distribution, each.version) for each in catalog.distributions().releases}
