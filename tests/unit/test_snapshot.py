"""What a stage brought and what removal takes back: tables of cut runs, second runs, marks, sources, shared files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.snapshot.changes import (
    Restore,
    changes,
    handed_over,
    note,
    restorable,
)
from ansible_collections.codetr.provision.plugins.module_utils.snapshot.records import (
    Changes,
    Edit,
    Link,
    Note,
    Snapshot,
    Source,
    State,
    StateError,
    as_dict,
    changes_from,
    state_from,
)

LIST = "/etc/apt/sources.list"
MAIN, CONTRIB = "deb http://apt.test/debian bookworm main\n", "deb http://apt.test/debian bookworm main contrib\n"
OURS = "/etc/modprobe.d/codetr-provision-nouveau.conf"
CUDA = "/etc/apt/sources.list.d/codetr-nvidia-cuda.sources"
UNINSTALL = "/usr/bin/nvidia-uninstall"
ALLOWED = [r"/etc/.*codetr-.*", r"/var/log/nvidia-installer[.]log"]
BARE = Snapshot(
    packages=frozenset({"bash", "gcc-12-base"}),
    auto=frozenset({"gcc-12-base"}),
    sources={LIST: Source(MAIN)},
    kernels=frozenset({"6.1.0-40"}),
)


def names(*given: str) -> frozenset[str]:
    return frozenset(given)


def host(before: Snapshot = BARE, packages: str = "", manual: str = "", **more: Any) -> Snapshot:
    """The host with some more packages, which are all but the manual ones installed for others."""
    added, by_name = frozenset(packages.split()), frozenset(manual.split())
    return replace(before, packages=before.packages | added | by_name, auto=(before.auto | added) - by_name, **more)


def begun(before: Snapshot = BARE, **coming: Any) -> State:
    """A stage that noted what is coming."""
    return note(State(before, Note(), before.packages), before, Note(**{key: frozenset(value.split()) for key, value in coming.items()}))


def restored(now: Snapshot, receipt: Changes | None = None, state: State | None = None, **more: Any) -> Restore:
    return restorable(receipt or Changes(), state, now, **{"allowed": ALLOWED, **more})


def test_nothing_is_taken_back_from_a_host_that_nothing_was_brought_to():
    assert restored(BARE) == restored(BARE, state=begun()) == Restore()
    assert changes(begun(), BARE, Changes()) == Changes()


@pytest.mark.parametrize(
    ("now", "packages"),
    [
        # Cut before apt began, in the middle of it, and after it.
        (BARE, names()),
        (host(packages="gcc", manual="dkms"), names("gcc", "dkms")),
        (host(packages="gcc make", manual="dkms nvidia-smi"), names("gcc", "make", "dkms", "nvidia-smi")),
    ],
)
def test_a_run_that_was_cut_short_is_taken_back_as_far_as_it_came(now: Snapshot, packages: frozenset[str]):
    state = begun(packages="gcc make dkms nvidia-smi", requested="dkms nvidia-smi")
    assert restored(now, state=state).packages == packages
    # The receipt that the same run would have written says the same.
    receipt = changes(state, now, Changes())
    assert (receipt.packages, restored(now, receipt).packages) == (packages, packages)


def test_what_the_run_brought_for_its_own_work_is_noted_without_being_named():
    state = begun(requested="aria2")
    after = host(packages="libaria2-0", manual="aria2")
    noted = note(state, after, Note())
    assert noted.note.packages == names("aria2", "libaria2-0")
    assert restored(after, state=noted).packages == names("aria2", "libaria2-0")


def test_what_somebody_installed_between_two_runs_is_theirs():
    state = begun(packages="gcc make dkms", requested="dkms")
    between = host(packages="gcc libtree", manual="dkms tree")
    again = note(replace(state, start=between.packages), between, Note(packages=names("gcc", "make", "dkms"), requested=names("dkms")))
    after = host(between, packages="make")
    receipt = changes(again, after, Changes())
    assert receipt.packages == names("gcc", "make", "dkms")
    assert restored(after, receipt).packages == names("gcc", "make", "dkms")
    assert restored(between, state=state).packages == names("gcc", "dkms")


def test_what_somebody_installed_at_the_same_time_is_theirs():
    state = begun(packages="gcc", requested="gcc")
    after = host(packages="linux-image-6.1.0-41", manual="gcc", kernels=BARE.kernels | {"6.1.0-41"})
    assert changes(state, after, Changes()).packages == names("gcc")


def test_what_somebody_asked_for_by_name_since_stays_and_the_reason_is_told():
    receipt = Changes(packages=names("gcc", "dkms"), requested=names("dkms"))
    plan = restored(host(manual="gcc dkms"), receipt)
    assert (plan.packages, plan.kept) == (names("dkms"), {"gcc": "somebody installed it by name since"})


def test_names_are_kept_without_version_suite_and_architecture():
    state = begun(requested="cuda-toolkit-11-8=11.8.0-* nvidia-smi/bookworm libc6:amd64")
    assert state.note.requested == names("cuda-toolkit-11-8", "nvidia-smi", "libc6")


def test_configuration_that_was_there_before_the_package_is_not_purged():
    before = replace(BARE, residual=names("dkms"))
    after = host(before, manual="dkms", packages="gcc", residual=names())
    receipt = changes(begun(before, packages="dkms gcc", requested="dkms"), after, Changes())
    plan = restored(host(manual="dkms", packages="gcc"), receipt)
    assert (plan.packages, plan.keep_configuration) == (names("dkms", "gcc"), names("dkms"))
    # Removed by somebody meanwhile, it is as it was; the configuration of the other came with us.
    assert restored(replace(BARE, residual=names("dkms", "gcc")), receipt).packages == names("gcc")


@pytest.mark.parametrize(
    ("requested", "auto"), [("gcc-12-base", names("gcc-12-base")), ("dkms", names())], ids=["by us", "by somebody"]
)
def test_a_mark_that_we_changed_is_given_back_and_no_other(requested: str, auto: frozenset[str]):
    after = replace(host(manual="dkms"), auto=names())
    receipt = changes(begun(packages="dkms", requested=requested), after, Changes())
    assert receipt.auto == restored(after, receipt).auto == auto


def test_a_hold_of_the_users_stays_and_ours_goes():
    before = replace(BARE, held=names("bash"))
    state = begun(before, packages="nvidia-smi", requested="nvidia-smi", held="nvidia-smi libcuda1")
    after = host(before, packages="libcuda1", manual="nvidia-smi", held=names("bash", "nvidia-smi", "libcuda1", "gcc-12-base"))
    receipt = changes(state, after, Changes())
    # libcuda1 was somebody's and is held by us; gcc-12-base is held by somebody since.
    assert receipt.held == names("nvidia-smi", "libcuda1")
    assert restored(after, receipt).held == names("nvidia-smi", "libcuda1")
    released = replace(after, held=names("bash"))
    assert changes(begun(after), released, receipt).held == names()
    # A second run in which nothing was held anew still knows whose holds they are.
    assert changes(begun(after), after, receipt).held == names("nvidia-smi", "libcuda1")


def edited(before: Snapshot, text: str, state: State | None = None) -> tuple[State, Snapshot]:
    """A run that edits the source."""
    noted = note(state or State(before, Note(), before.packages), before, Note(), {LIST: text})
    return noted, replace(before, sources={**before.sources, LIST: Source(text, before.sources[LIST].mode)})


def test_a_source_goes_back_with_its_mode_unless_somebody_changed_it():
    before = replace(BARE, sources={LIST: Source(MAIN, "0640")})
    state, after = edited(before, CONTRIB)
    for given in ({"state": state}, {"receipt": changes(state, after, Changes())}):
        assert restored(after, **given).sources == {LIST: Source(MAIN, "0640")}
        theirs = replace(after, sources={LIST: Source(CONTRIB + "deb http://example.org ./\n")})
        plan = restored(theirs, **given)
        assert (plan.sources, plan.foreign_sources) == ({}, names(LIST))
        # Noted and not yet written, or put back by hand, there is nothing to do or to say.
        assert (restored(before, **given).sources, restored(before, **given).foreign_sources) == ({}, names())
        assert restored(replace(after, sources={}), **given).sources == {}


def test_the_first_text_of_a_source_is_the_one_to_go_back_to():
    state, cut = edited(BARE, CONTRIB)
    again, after = edited(cut, CONTRIB + "# more\n", state)
    assert restored(after, state=again).sources == {LIST: Source(MAIN)}
    receipt = changes(again, after, Changes())
    later, upgraded = edited(after, CONTRIB + "# still more\n")
    assert restored(upgraded, changes(later, upgraded, receipt)).sources == {LIST: Source(MAIN)}


def test_a_source_that_somebody_changed_between_two_runs_goes_back_to_theirs():
    state, cut = edited(BARE, CONTRIB)
    mine = "deb http://mirror.example.org/debian bookworm main\n"
    again, after = edited(replace(cut, sources={LIST: Source(mine)}), mine + "# contrib\n", state)
    assert restored(after, state=again).sources == {LIST: Source(mine)}
    receipt = changes(state, cut, Changes())
    later, upgraded = edited(replace(cut, sources={LIST: Source(mine)}), mine + "# contrib\n")
    assert restored(upgraded, changes(later, upgraded, receipt)).sources == {LIST: Source(mine)}


def test_a_source_that_was_not_there_is_removed():
    state = note(State(BARE, Note(), BARE.packages), BARE, Note(), {CUDA: "Types: deb\n"})
    after = replace(BARE, sources={**BARE.sources, CUDA: Source("Types: deb\n")})
    assert restored(after, state=state).sources == {CUDA: None}


def test_files_are_those_that_are_there_and_that_removal_may_touch():
    state = begun(files=f"{OURS} {CUDA}", leftovers="/var/log/nvidia-installer.log /etc/passwd")
    now = replace(BARE, files=names(OURS, "/var/log/nvidia-installer.log", "/etc/passwd"))
    assert restored(now, state=state).files == names(OURS, "/var/log/nvidia-installer.log")
    receipt = changes(state, now, Changes())
    # A stage that has ended has no leftovers, and a file that is gone is forgotten.
    assert receipt.files == names(OURS)
    before = replace(BARE, files=names("/var/log/nvidia-installer.log"))
    assert restored(now, state=replace(state, before=before)).files == names(OURS)


def test_a_file_of_two_stages_stays_until_the_last_one_goes():
    receipt = Changes(files=names(CUDA, OURS))
    now = replace(BARE, files=names(CUDA, OURS))
    plan = restored(now, receipt, others=[CUDA])
    assert (plan.files, plan.shared) == (names(OURS), names(CUDA))
    assert restored(now, receipt).files == names(CUDA, OURS)


def test_packages_that_another_stage_needs_go_with_that_stage():
    others = {"nvidia_driver": Changes(packages=names("dkms")), "datasets": Changes()}
    fresh = handed_over({"gcc": ["dkms"], "make": ["build-essential"]}, ["make"], others)
    assert fresh == {"nvidia_driver": Changes(packages=names("dkms", "gcc"))}
    assert handed_over({"gcc": ["dkms"]}, ["gcc"], others)["nvidia_driver"].requested == names("gcc")


@pytest.mark.parametrize(("there", "found"), [(names(), names(UNINSTALL)), (names(UNINSTALL), names())])
def test_a_driver_of_nvidias_installer_is_uninstalled_where_it_was_not_there_before(there: frozenset[str], found: frozenset[str]):
    before = replace(BARE, files=there)
    state, now = begun(before, uninstall=UNINSTALL), replace(BARE, files=names(UNINSTALL))
    assert restored(now, state=state).uninstall == changes(state, now, Changes()).uninstall == found


@pytest.mark.parametrize(
    ("current", "link", "before", "own", "target"),
    [
        (None, None, None, [], None),
        # Somebody's link, and one that somebody moved after us.
        ("cuda-12.4", None, None, ["/usr/local/cuda-11.8"], "cuda-12.4"),
        ("cuda-13.0", Link("cuda-12.4", "/usr/local/cuda-11.8"), None, ["/usr/local/cuda-11.8"], "cuda-13.0"),
        # Ours, in whatever spelling, goes back to where it was; that is nowhere where there was none.
        ("/usr/local/cuda-11.8/", Link("cuda-12.4", "/usr/local/cuda-11.8"), None, [], "cuda-12.4"),
        ("cuda-11.8", Link(None, "/usr/local/cuda-11.8"), None, [], None),
        # An installer moved it in a run that was cut short.
        ("/usr/local/cuda-11.8/", None, "cuda-12.4", ["/usr/local/cuda-11.8"], "cuda-12.4"),
        ("/usr/local/cuda-11.8/", None, None, ["/usr/local/cuda-11.8"], None),
    ],
)
def test_where_a_link_is_to_point(current: str | None, link: Link | None, before: str | None, own: list[str], target: str | None):
    path = "/usr/local/cuda"
    receipt = Changes(links={path: link} if link else {})
    state = State(replace(BARE, links={path: before})) if before else None
    assert restored(replace(BARE, links={path: current}), receipt, state, own=own).links == {path: target}


def test_records_survive_json():
    state, after = edited(replace(BARE, links={"/usr/local/cuda": None}), CONTRIB, begun(packages="gcc", files=OURS))
    assert state_from(as_dict(state)) == state
    receipt = changes(state, host(after, packages="gcc"), Changes(links={"/usr/local/cuda": Link(None, "/usr/local/cuda-11.8")}))
    assert changes_from({**as_dict(receipt), "toolkits": {}}) == receipt


@pytest.mark.parametrize(
    "remember",
    [
        None,
        [],
        {"packages": "gcc"},
        {"packages": ["--force-yes"]},
        {"packages": [1]},
        {"kernels": ["../../../x"]},
        {"kernels": [".."]},
        {"files": ["etc/passwd"]},
        {"files": ["/etc/modprobe.d/../passwd"]},
        {"files": ["/etc/a\nb"]},
        {"sources": {"/etc/passwd": {"before": None, "after": [""]}}},
        {"sources": {"/etc/apt/sources.list.d/../../cron.d/x": {"before": None, "after": [""]}}},
        {"sources": {LIST: {"before": {"text": "", "mode": "04777"}, "after": [""]}}},
        {"sources": {LIST: {"before": {"text": 1}, "after": [""]}}},
        {"sources": {LIST: "text"}},
        {"links": {"/usr/local/cuda": {"before": "", "after": "x"}}},
        {"links": {"/usr/local/cuda": {"before": None}}},
    ],
)
def test_a_receipt_that_says_what_cannot_be_is_refused(remember: Any):
    with pytest.raises(StateError):
        changes_from(remember)


def test_edits_of_a_receipt_are_read_as_they_were_written():
    edit = Edit(Source(MAIN), (CONTRIB,))
    assert changes_from(as_dict(Changes(sources={LIST: edit}))).sources == {LIST: edit}
