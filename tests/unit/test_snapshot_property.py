"""Whatever a host had, whatever we changed, wherever we were cut and whatever others did: removal leaves the host and what others did."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.codetr.provision.plugins.module_utils.snapshot.changes import Restore, changes, note, restorable
from ansible_collections.codetr.provision.plugins.module_utils.snapshot.records import Changes, Note, Snapshot, Source, State
from hypothesis import given, settings
from hypothesis import strategies as st

BEFORE = ["bash", "gcc-12-base", "libc6", "vim"]
COMING = ["dkms", "gcc", "make", "nvidia-smi"]
FOREIGN = ["tree", "libtree", "podman"]
PATHS = ["/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources"]
OUR_FILES = ["/etc/modprobe.d/codetr-a.conf", "/etc/apt/apt.conf.d/52codetr"]


def some(items: list[str]) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(items))


@st.composite
def hosts(draw: st.DrawFn) -> Snapshot:
    packages = draw(some(BEFORE))
    texts, modes = st.sampled_from(["one\n", "two\n"]), st.sampled_from(["0644", "0640"])
    return Snapshot(
        packages=packages,
        residual=draw(some(["dkms", "make"])),
        auto=packages & draw(some(BEFORE)),
        held=packages & draw(some(BEFORE)),
        sources={path: Source(draw(texts), draw(modes)) for path in draw(some(PATHS))},
    )


@st.composite
def runs(draw: st.DrawFn) -> dict[str, frozenset[str]]:
    """What a run of ours wants, and how far it comes."""
    wanted = draw(some(COMING))
    return {
        "packages": wanted,
        "requested": wanted & draw(some(COMING)) | draw(some(BEFORE)),
        "held": draw(some([*COMING, *BEFORE])),
        "sources": draw(some(PATHS)),
        "files": draw(some(OUR_FILES)),
        "came": draw(some(COMING)),
        "written": draw(some([*PATHS, *OUR_FILES])),
        "marked": draw(some([*COMING, *BEFORE])),
    }


def ours(host: Snapshot, state: State, run: dict[str, frozenset[str]], number: int) -> tuple[Snapshot, State]:
    """A run: it notes all, and then does what it comes to."""
    texts = {path: host.sources[path].text + f"ours {number}\n" for path in run["sources"] if path in host.sources}
    requested = {name for name in run["requested"] if name in run["packages"] | host.packages}
    coming = Note(packages=run["packages"], requested=frozenset(requested), held=run["held"], files=run["files"])
    state = note(replace(state, start=host.packages), host, coming, texts)
    fresh = (run["packages"] & run["came"]) - host.packages
    by_name = frozenset(requested) & (fresh | run["marked"])
    packages = host.packages | fresh
    sources = {path: Source(text, host.sources[path].mode) for path, text in texts.items() if path in run["written"]}
    return replace(
        host,
        packages=packages,
        residual=host.residual - fresh,
        auto=(host.auto | fresh) - by_name,
        held=host.held | (run["held"] & packages & run["marked"]),
        files=host.files | (run["files"] & run["written"]),
        sources={**host.sources, **sources},
    ), state


def theirs(host: Snapshot, installed: frozenset[str], holds: frozenset[str], edits: frozenset[str]) -> Snapshot:
    """Somebody installs something, holds it, and edits sources."""
    sources = {path: Source(source.text + "theirs\n", source.mode) if path in edits else source for path, source in host.sources.items()}
    packages = host.packages | installed
    auto = (host.auto | (installed - host.packages)) - frozenset({"tree"})
    return replace(host, packages=packages, auto=auto, held=host.held | (holds & installed), sources=sources)


def take_back(host: Snapshot, plan: Restore) -> Snapshot:
    """The host after removal has done what is planned."""
    packages = host.packages - plan.packages
    sources = {path: plan.sources.get(path, source) for path, source in host.sources.items()}
    return replace(
        host,
        packages=packages,
        residual=(host.residual - plan.packages) | plan.keep_configuration,
        auto=(host.auto | plan.auto) & packages,
        held=(host.held - plan.held) & packages,
        files=host.files - plan.files,
        sources={path: source for path, source in sources.items() if source is not None},
    )


@settings(max_examples=100, deadline=None)
@given(hosts(), st.lists(st.tuples(runs(), some(FOREIGN), some(FOREIGN), some(PATHS), st.booleans()), min_size=1, max_size=3))
def test_removal_leaves_the_host_with_what_others_did(
    before: Snapshot, steps: list[tuple[dict[str, frozenset[str]], frozenset[str], frozenset[str], frozenset[str], bool]]
):
    """Each run ends, or is cut short; after each somebody changes the host."""
    host, expected, receipt, state = before, before, Changes(), None
    touched: set[str] = set()
    for number, (run, installed, holds, edits, ends) in enumerate(steps):
        host, state = ours(host, state or State(before=host), run, number)
        if ends:
            receipt, state = changes(state, host, receipt), None
        host, expected = theirs(host, installed, holds, edits), theirs(expected, installed, holds, edits)
        touched |= edits
    found = take_back(host, restorable(receipt, state, host, allowed=[".*codetr.*"]))
    assert found.packages == expected.packages
    assert found.residual == before.residual
    assert found.held == expected.held
    # apt does not tell who marked a package that was there as installed by hand; none is marked otherwise than before.
    assert found.auto == expected.auto
    assert found.files == before.files
    for path, source in before.sources.items():
        if path not in touched:
            assert found.sources[path] == source
        else:
            # What somebody wrote is still there, in the file as it was or on top of what we added.
            assert found.sources[path].text.count("theirs\n") == expected.sources[path].text.count("theirs\n")
    assert found.sources.keys() == before.sources.keys()
    # Once more, there is nothing to do.
    assert take_back(found, restorable(receipt, state, found, allowed=[".*codetr.*"])) == found
