"""The door to the package manager, with recorded answers in apt's place: which set of packages is taken, and what failures say."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.apt import dpkg
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.apt.apt import Apt as Manager
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.choose import Choice, evaluate

REPLACEABLE = "(lib)?nvidia-.*"
SET = {"packages": ["nvidia-dkms-470-server", "nvidia-utils-470-server"], "lead": "nvidia-utils-470-server", "branch": "470", "suite": ""}
NEW = "Inst nvidia-dkms-470-server (470.256.02-0ubuntu0.22.04.1 Ubuntu:22.04/jammy [amd64])\n"
UTILS = "Inst nvidia-utils-470-server (470.256.02-0ubuntu0.22.04.1 Ubuntu:22.04/jammy [amd64])\n"


class Apt:
    """Answers by the first word of a command."""

    def __init__(self, simulation: str, rc: int = 0, held: str = "", version: str = "") -> None:
        self.answers = {"apt-get": (rc, simulation, ""), "apt-mark": (0, held, ""), "dpkg-query": (0 if version else 1, version, "")}
        self.asked: list[list[str]] = []

    def __call__(self, argv: list[str]) -> tuple[int, str, str]:
        self.asked.append(argv)
        return self.answers[argv[0]]

    def evaluate(self, **more: Any) -> Choice:
        return evaluate(Manager(), self, {**SET, **more}, REPLACEABLE)


def test_a_set_that_apt_can_install():
    apt = Apt(NEW + UTILS + "Remv nvidia-dkms-450-server [450.1]\nConf nvidia-dkms-470-server (470.256.02 x)\n")
    assert apt.evaluate(suite="jammy-backports") == Choice(
        install=("nvidia-dkms-470-server", "nvidia-utils-470-server"), remove=("nvidia-dkms-450-server",)
    )
    assert apt.asked[0][-5:] == ["-t", "jammy-backports", "install", *SET["packages"]]


def test_a_set_that_apt_cannot_install_with_apts_reasons():
    said = (
        "Reading package lists...\nThe following packages have unmet dependencies:\n"
        " nvidia-dkms-470-server : Depends: nvidia-kernel-source-470 but it is not installable\nE: Unable to correct problems.\n"
    )
    why = Apt(said, rc=100).evaluate().why
    assert why == "Unable to correct problems. nvidia-dkms-470-server : Depends: nvidia-kernel-source-470 but it is not installable"


@pytest.mark.parametrize(
    ("simulation", "held", "version", "why"),
    [
        (NEW + UTILS + "Remv xserver-xorg-core [2:21.1]\n", "", "", "it would remove xserver-xorg-core"),
        (NEW + UTILS + "Inst gcc-12 [12.1] (12.3 Ubuntu:22.04 [amd64])\n", "gcc-12:amd64\n", "", "it would change held packages: gcc-12"),
        (NEW + UTILS + "Inst linux-image-6.8.0-1031-aws (6.8.0-1031.33 x)\n", "", "", "another kernel: linux-image-6.8.0-1031-aws"),
        (NEW + UTILS.replace("470.256.02", "535.230.02"), "", "", "of branch 470"),
        (NEW, "", "535.230.02-0ubuntu0.22.04.1", "of branch 470"),
        (NEW, "", "", "of branch 470"),
    ],
)
def test_what_a_set_is_passed_over_for(simulation: str, held: str, version: str, why: str):
    assert why in Apt(simulation, held=held, version=version).evaluate().why


def test_a_set_that_is_to_leave_the_driver_as_it_is():
    apt = Apt(NEW + "Inst nvidia-utils-470-server [470.239.06-0ubuntu1] (470.256.02-0ubuntu0.22.04.1 x)\n")
    assert apt.evaluate().why == ""
    assert apt.evaluate(leave=True).why == "it would change installed packages: nvidia-utils-470-server"


def test_held_packages_that_are_the_drivers_own_or_stay_are_no_reason():
    apt = Apt(NEW + UTILS, held="nvidia-utils-470-server\nlinux-image-generic\n")
    assert apt.evaluate().why == ""


def test_essential_is_read_from_dpkgs_status():
    found = dpkg._paragraphs("Package: dpkg\nEssential: yes\nStatus: install ok installed\n\nPackage: gcc\nStatus: install ok installed\n")
    assert (found["dpkg"].get("Essential"), found["gcc"].get("Essential")) == ("yes", None)
