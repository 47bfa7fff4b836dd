"""How removal asks apt, and what it does where apt, dpkg or a package misbehaves, with recorded answers in apt's place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.codetr.provision.plugins.module_utils import command
from ansible_collections.codetr.provision.plugins.module_utils.host.host import Host
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.apt import dpkg, removal
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.apt.apt import Apt as Manager
from ansible_collections.codetr.provision.plugins.module_utils.package_manager.manager import PackageManagerFailed

KNOWN = {"dpkg": {"Essential": "yes"}, "init": {"Protected": "yes"}, "gcc": {}, "dkms": {}, "nvidia-smi": {}}


class Apt:
    """Answers commands from a function of the arguments after the options, and keeps what was asked."""

    def __init__(self, answer: Callable[[list[str]], tuple[int, str, str]]) -> None:
        self.answer = answer
        self.asked: list[list[str]] = []

    def __call__(self, argv: list[str]) -> tuple[int, str, str]:
        if argv[0] == "apt-get" and argv[1:2] == ["-y"]:
            assert argv[1 : 1 + len(removal.OPTIONS)] == removal.OPTIONS
            argv = ["apt-get", *argv[1 + len(removal.OPTIONS) :]]
        self.asked.append(argv)
        return self.answer(argv)


def simulated(lines: dict[str, str]) -> Apt:
    """apt that says for each package what its removal would do besides."""

    def answer(argv: list[str]) -> tuple[int, str, str]:
        names = argv[argv.index("purge") + 1 :]
        return 0, "".join(f"Purg {name} [1]\n{lines.get(name, '')}" for name in names), ""

    return Apt(answer)


def test_packages_that_nothing_else_needs_go_after_one_question():
    run = simulated({"gcc": "Purg dkms [3.0]\n"})
    assert removal.removable(run, {"gcc", "dkms"}, KNOWN) == (["dkms", "gcc"], {})
    assert run.asked == [["apt-get", "-s", "--ignore-hold", "purge", "dkms", "gcc"]]


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("Remv build-essential:amd64 [12.9]\n", "build-essential"),
        # apt would rather bring another package than remove what needs this one.
        ("Inst clang (14.0 Debian:12/stable [amd64])\n", "clang"),
    ],
)
def test_a_package_that_others_need_stays_and_says_for_whom(line: str, other: str):
    run = simulated({"gcc": line})
    assert removal.removable(run, ["gcc", "dkms"], KNOWN) == (["dkms"], {"gcc": [other]})


@pytest.mark.parametrize("name", ["dpkg", "init"])
def test_a_record_that_cannot_be_true_is_refused_before_apt_is_asked(name: str):
    run = simulated({})
    with pytest.raises(PackageManagerFailed, match=rf"no system is without \({name}\)\. That cannot be, and no package was removed"):
        removal.removable(run, ["gcc", name], KNOWN)
    assert run.asked == []


def test_nothing_is_removed_for_unused_and_held_packages_are_no_obstacle():
    assert "APT::Get::AutomaticRemove=false" in removal.OPTIONS
    assert "--allow-change-held-packages" in removal.OPTIONS


ASK = ["dpkg-query", "-W", "-f", "${Package}\t${Status}\n"]


def test_configuration_that_was_there_before_is_kept():
    run = dpkg_says({"dkms": "deinstall ok config-files", "gcc": "deinstall ok config-files"})
    removal.purge(run, ["dkms", "gcc", "make"], {"dkms"})
    # make left nothing, and apt knows no such package once its source is gone.
    assert run.asked == [["apt-get", "remove", "dkms", "gcc", "make"], ASK, ["apt-get", "purge", "gcc"]]


def test_a_script_that_fails_once_is_tried_again_after_dpkg_was_mended():
    answers = iter([(100, "", "postrm exited with 1"), (0, "", ""), (0, "gcc\tinstall ok half-installed\n", ""), (0, "", "")])
    run = Apt(lambda argv: next(answers))
    removal.purge(run, ["gcc", "make"], ())
    assert run.asked == [["apt-get", "purge", "gcc", "make"], ["dpkg", "--configure", "-a"], ASK, ["apt-get", "purge", "gcc"]]


def test_a_script_that_fails_for_good_is_told():
    run = Apt(lambda argv: (100, "gcc\tinstall ok half-installed\n", "E: Sub-process /usr/bin/dpkg returned an error code (1)"))
    with pytest.raises(PackageManagerFailed, match=r"apt-get could not purge the packages: E: Sub-process"):
        removal.purge(run, ["gcc"], ())


def test_the_lock_of_an_upgrade_by_itself_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(command.time, "sleep", lambda seconds: None)
    answers = iter([(100, "", "E: Could not get lock /var/lib/apt/lists/lock"), (0, "Purg gcc [1]\n", "")])
    run = command.patient(Apt(lambda argv: next(answers)), Manager.locked)
    assert removal.removable(run, ["gcc"], KNOWN) == (["gcc"], {})


def test_another_failure_is_not_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(command.time, "sleep", lambda seconds: pytest.fail("it waited"))
    run = command.patient(Apt(lambda argv: (100, "", "E: Unmet dependencies")), Manager.locked)
    assert run(["apt-get", "check"])[0] == 100


def dpkg_says(statuses: dict[str, str]) -> Apt:
    rows = "".join(f"{name}\t{status}\n" for name, status in statuses.items())
    return Apt(lambda argv: (0, rows if argv[0] == "dpkg-query" else "", ""))


def test_dpkg_is_mended_where_what_is_half_done_is_ours():
    run = dpkg_says({"bash": "install ok installed", "gcc": "install ok half-configured", "dkms": "install reinstreq half-installed"})
    removal.mend(run, {"gcc", "dkms"})
    assert run.asked[1:] == [["dpkg", "--force-remove-reinstreq", "--purge", "dkms"], ["dpkg", "--configure", "-a"]]


def test_dpkg_is_left_alone_where_what_is_half_done_is_somebody_elses():
    run = dpkg_says({"gcc": "install ok unpacked", "postgresql": "install ok half-configured", "vim": "deinstall ok config-files"})
    with pytest.raises(PackageManagerFailed, match=r"not of this stage are half done: postgresql\. Run `sudo dpkg --configure -a`"):
        removal.mend(run, {"gcc"})
    assert len(run.asked) == 1


@pytest.mark.parametrize(
    ("journal", "status", "interrupted"),
    [
        ([], "install ok half-configured", False),
        (["0001"], "install ok installed", True),
        (["tmp.i"], "install ok installed", False),
        ([], "install reinstreq half-installed", True),
    ],
)
def test_when_apt_would_refuse_to_work(journal: list[str], status: str, interrupted: bool, tmp_path: Path):
    updates = tmp_path / dpkg.JOURNAL[1:]
    updates.mkdir(parents=True)
    for name in journal:
        (updates / name).touch()
    (updates.parent / "status").write_text(f"Package: gcc\nStatus: {status}\nArchitecture: amd64\n")
    assert dpkg.interrupted(Host(str(tmp_path))) is interrupted


def test_what_comes_with_a_package_is_known_from_the_simulation():
    run = Apt(lambda argv: (0, "Inst libaria2-0:amd64 (1.36 Debian)\nInst aria2 (1.36 Debian)\nConf aria2 (1.36)\n", ""))
    assert sorted(Manager().simulate(run, ["aria2"]).install) == ["aria2", "libaria2-0"]
    # Before apt has any lists, it knows no package.
    unknown = Manager().simulate(Apt(lambda argv: (100, "", "E: Unable to locate package aria2")), ["aria2"])
    assert (unknown.install, unknown.why) == ({}, "Unable to locate package aria2")


def test_marks_are_changed_together():
    run = Apt(lambda argv: (0, "", ""))
    removal.mark(run, "unhold", {"b", "a"})
    removal.mark(run, "auto", [])
    assert run.asked == [["apt-mark", "unhold", "a", "b"]]
    with pytest.raises(PackageManagerFailed, match="could not change the marks of a: no such"):
        removal.mark(Apt(lambda argv: (1, "", "no such")), "auto", ["a"])
