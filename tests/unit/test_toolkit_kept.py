"""CUDA toolkits: what is kept, what an earlier run left, and where /usr/local/cuda points afterwards."""

from __future__ import annotations

import pytest
from ansible_collections.codetr.provision.plugins.module_utils import planner
from ansible_collections.codetr.provision.plugins.module_utils.cuda_toolkit import link as toolkit_link
from ansible_collections.codetr.provision.plugins.module_utils.cuda_toolkit import plan as toolkit_plan
from ansible_collections.codetr.provision.plugins.module_utils.cuda_toolkit import texts as toolkit_texts
from ansible_collections.codetr.provision.plugins.module_utils.version import minor_of
from hostfacts import bare, known, plan, wanted
from hypothesis import given, settings
from hypothesis import strategies as st
from statefiles import state_file
from toolkitfacts import PATH, REAL, UBUNTU20, confirmed, entry, mark, problem, stage, state_of


@pytest.mark.parametrize(
    ("found", "given", "action", "part"),
    [
        ([entry()], {}, "keep", "which this role did not install"),
        ([entry(marker=mark())], {}, "keep", "CUDA 11.4.4 is at /usr/local/cuda-11.4"),
        ([entry("/usr/local/cuda-11.4.4")], {}, "keep", "/usr/local/cuda-11.4.4, which this role did not install"),
        ([entry("/usr/local/cuda", "11.4.4")], {}, "keep", "is at /usr/local/cuda,"),
        ([entry(version="11.4.9")], {}, "keep", "CUDA 11.4.9"),
        ([entry(version="11.4.20210623")], {}, "keep", "CUDA 11.4.20210623"),
        ([entry(version="11.4")], {}, "keep", "CUDA 11.4 "),
        ([entry(version="11.4.1")], {"cuda_toolkit_versions": ["11.4"]}, "keep", "CUDA 11.4.1"),
        ([entry(version="11.4.1", marker=mark())], {}, "upgrade", "CUDA 11.4.1 is older than 11.4.4"),
        ([entry(marker=mark("begun"))], {}, "repair", "was interrupted"),
        ([entry(version=None, nvcc=False, empty=True, marker=mark("begun"))], {}, "repair", "was interrupted"),
        ([entry(nvcc=False, marker=mark())], {}, "repair", "is incomplete"),
        ([entry(version=None, nvcc=False, empty=True)], {}, "install", "CUDA 11.4 is not installed"),
        ([entry("/usr/local/cuda-11.8", "11.8.0")], {}, "install", "CUDA 11.4 is not installed"),
    ],
)
def test_what_is_there_already(found, given, action, part):
    made = stage(found, **given)
    assert made["problems"] == []
    # A toolkit that is kept still gets its file for one shell.
    assert (made["action"], [run["clean"] for run in made["params"]["runfiles"]]) == {
        "keep": ("configure", []),
        "install": ("install", [False]),
    }.get(action, (action, [True]))
    state = state_of(found)
    state["cuda_toolkit"]["env"] = {file["path"]: file["text"] for file in made["params"]["files"]}
    config = wanted(**{"cuda_toolkit_versions": [REAL], **given})
    again = plan(state, config)["stages"]["cuda_toolkit"]
    assert again["action"] == action
    assert part in again["reason"]


@pytest.mark.parametrize(
    ("found", "given", "part"),
    [
        ([entry(version="11.4.1")], {}, "holds CUDA 11.4.1, which this role did not install; 11.4.4 would go to the same folder"),
        ([entry(version=None, nvcc=False)], {}, "holds no readable, complete CUDA 11.4 toolkit"),
        ([entry(version=None, nvcc=False, empty=True, type="file")], {}, "holds no readable, complete CUDA 11.4 toolkit"),
        ([entry(version=None, nvcc=False, empty=True, type="link")], {}, "holds no readable, complete CUDA 11.4 toolkit"),
        ([entry(version=None, nvcc=False, packaged=True)], {}, "belongs to Debian packages"),
    ],
)
def test_nothing_of_the_users_is_overwritten(found, given, part):
    assert part in problem(found, **given)["message"]


def test_what_apt_began_apt_completes():
    half = entry(version=None, nvcc=False, packaged=True)
    made = stage([half], {**UBUNTU20, "inprogress": {"cuda_toolkit": {}}}, cuda_toolkit_source="nvidia")
    assert (made["action"], made["params"]["packages"], made["problems"]) == ("install", ["cuda-toolkit-11-4=11.4.4-*"], [])


@pytest.mark.parametrize(
    "link", [None, {"type": "link", "target": "/usr/local/cuda-12.4"}, {"type": "link", "target": "/etc/alternatives/cuda"}]
)
def test_the_default_link_is_put_back_after_the_installer_has_moved_it(link):
    made = stage(changes={"cuda_toolkit__default": link})
    assert made["params"]["link"] == {"path": "/usr/local/cuda", "target": (link or {}).get("target"), "set": True}
    assert made["remember"]["links"] == {}


def test_a_run_cut_short_remembers_where_the_link_pointed():
    before = state_file(files=["/etc/ld.so.conf.d/cuda-12-4.conf"], links={"/usr/local/cuda": "/usr/local/cuda-12.4"})
    changes = {
        "inprogress": {"cuda_toolkit": {}},
        "cuda_toolkit__before": before,
        "cuda_toolkit__default": {"type": "link", "target": PATH},
        "cuda_toolkit__ldconf": ["/etc/ld.so.conf.d/cuda-11-4.conf", "/etc/ld.so.conf.d/cuda-12-4.conf"],
    }
    for found in ([entry(marker=mark("begun"))], [entry(marker=mark())]):
        made = stage(found, changes)
        assert made["action"] == "repair"
        assert made["params"]["link"] == {"path": "/usr/local/cuda", "target": "/usr/local/cuda-12.4", "set": True}
        assert made["params"]["stray"] == ["/etc/ld.so.conf.d/cuda-11-4.conf"]
        noted = made["params"]["before"]
        assert noted["links"] == {"/usr/local/cuda": "/usr/local/cuda-12.4"}
        assert noted["watch"] == ["/etc/ld.so.conf.d/cuda-*.conf"]
        # Enough to take back what has no receipt yet.
        assert noted["leftovers"] == [*made["params"]["stray"], *(run["installer"] for run in made["params"]["runfiles"])]
        assert "/opt/codetr/cuda-11.4.env" in noted["files"]
    # What was written down by an older run, which has ended, says nothing of this one.
    made = stage(changes={"cuda_toolkit__before": before})
    assert made["params"]["link"]["target"] is None
    assert made["params"]["before"]["links"] == {"/usr/local/cuda": None}


def test_a_link_that_was_moved_after_an_interrupted_run_is_the_users():
    changes = {
        "inprogress": {"cuda_toolkit": {}},
        "cuda_toolkit__before": state_file(links={"/usr/local/cuda": "/usr/local/cuda-12.2"}),
        "cuda_toolkit__default": {"type": "link", "target": "/usr/local/cuda-12.6"},
    }
    made = stage([entry(marker=mark("begun"))], changes)
    assert made["params"]["link"]["target"] == "/usr/local/cuda-12.6"
    assert made["params"]["before"]["links"] == {"/usr/local/cuda": "/usr/local/cuda-12.6"}


def test_a_toolkit_below_another_prefix_is_not_forgotten():
    earlier = {"path": "/srv/tools/cuda-11.4", "source": "runfile", "version": REAL, "stand_in": False}
    changes = {"receipts": {"cuda_toolkit": {"remember": {"toolkits": {"11.4": earlier}}}}}
    made = stage(changes=changes)
    assert sorted(each["path"] for each in made["remember"]["toolkits"].values()) == [earlier["path"], PATH]


def test_a_default_that_is_asked_for_and_taken_back():
    config = wanted(cuda_toolkit_versions=[REAL, "11.8"], cuda_toolkit_default="11.8")
    state = state_of(config=config, cuda_toolkit__default={"type": "link", "target": "cuda-12.4"})
    made = plan(state, config)["stages"]["cuda_toolkit"]
    assert made["params"]["link"]["target"] == "/usr/local/cuda-11.8"
    assert made["remember"]["links"] == {"/usr/local/cuda": {"after": "/usr/local/cuda-11.8", "before": "cuda-12.4"}}
    state = confirmed(made, state)
    assert plan(state, config)["stages"]["cuda_toolkit"]["action"] == "keep"
    assert plan(state, config)["stages"]["cuda_toolkit"]["remember"] == made["remember"]
    without = wanted(cuda_toolkit_versions=[REAL, "11.8"])
    back = plan(state, without)["stages"]["cuda_toolkit"]
    assert (back["action"], back["params"]["link"]["target"]) == ("configure", "cuda-12.4")
    # A link that the user moved afterwards stays.
    state["cuda_toolkit"]["default"] = {"type": "link", "target": "cuda-13.0"}
    assert plan(state, without)["stages"]["cuda_toolkit"]["action"] == "keep"


def test_path_and_linker_are_told_when_asked_and_no_longer_when_not():
    config = wanted(cuda_toolkit_versions=[REAL, "11.8"], cuda_toolkit_path=True, cuda_toolkit_ldconfig=True, cuda_toolkit_default="11.8")
    state = state_of(config=config)
    made = plan(state, config)["stages"]["cuda_toolkit"]
    texts = {file["path"]: file["text"] for file in made["params"]["files"]}
    assert "CUDA_HOME=/usr/local/cuda-11.8\n" in texts[toolkit_texts.PROFILE]
    assert "LD_LIBRARY_PATH" not in texts[toolkit_texts.PROFILE]
    assert texts[toolkit_texts.LDCONF].splitlines()[1:] == ["/usr/local/cuda-11.4/lib64", "/usr/local/cuda-11.8/lib64"]
    assert sorted(set(made["remember"]["files"]) - set(texts)) == []
    state = confirmed(made, state)
    without = wanted(cuda_toolkit_versions=[REAL, "11.8"], cuda_toolkit_default="11.8")
    back = plan(state, without)["stages"]["cuda_toolkit"]
    assert back["params"]["gone"] == [toolkit_texts.PROFILE, toolkit_texts.LDCONF]
    assert back["params"]["ldconfig"] is True
    assert not {toolkit_texts.PROFILE, toolkit_texts.LDCONF} & set(back["remember"]["files"])
    # For another folder of ours on the same host they are none of its business.
    elsewhere = wanted(cuda_toolkit_versions=[REAL, "11.8"], provision_prefix="/srv/codetr")
    other = bare(elsewhere)
    other["cuda_toolkit"]["files"] = state["cuda_toolkit"]["files"]
    assert plan(other, elsewhere)["stages"]["cuda_toolkit"]["params"]["gone"] == []


@settings(deadline=None, max_examples=60)
@given(
    versions=st.lists(st.sampled_from(["11.3.1", "11.4", "11.4.4", "11.8.0"]), unique_by=minor_of),
    there=st.lists(st.sampled_from(["11.3", "11.4", "11.8", "12.4"]), unique=True),
    mine=st.booleans(),
    cut=st.booleans(),
    link=st.sampled_from([None, "cuda-12.4", "/usr/local/cuda-11.4", "/etc/alternatives/cuda"]),
    default=st.booleans(),
    path=st.booleans(),
    linker=st.booleans(),
)
def test_a_finished_host_gets_nothing_and_nothing_of_others_is_removed(versions, there, mine, cut, link, default, path, linker):
    given_ = {
        "cuda_toolkit_path": path,
        "cuda_toolkit_ldconfig": linker,
        "cuda_toolkit_default": versions[0] if default and versions else "",
    }
    config = wanted(cuda_toolkit_versions=versions, **given_)
    found = [entry(f"/usr/local/cuda-{minor}", f"{minor}.9", marker=mark("begun" if cut else "whole") if mine else None) for minor in there]
    state = state_of(found, config, cuda_toolkit__default=None if link is None else {"type": "link", "target": link})
    if cut:
        state["inprogress"] = {"cuda_toolkit": {}}
    ctx = planner.context(config, known(config), "cpu", state["user"]["owner"])
    made = toolkit_plan.plan(state, config, ctx).as_dict()
    assert made["problems"] == []
    assert not [run for run in made["params"]["runfiles"] if run["clean"] and not mine]
    assert {entry["path"] for entry in made["remember"]["toolkits"].values()} <= (
        {run["path"] for run in made["params"]["runfiles"]} | {one["path"] for one in found if one["marker"]}
    )
    after = confirmed(made, state)
    again = toolkit_plan.plan(after, config, ctx)
    assert again.action in ("keep", "skip"), again.reason
    if not default or not versions:
        assert toolkit_link.same(made["params"]["link"]["target"], link)
