"""CUDA toolkits: which are wanted and from where, room, compilers, and config that cannot be."""

from __future__ import annotations

import pytest
from ansible_collections.codetr.provision.plugins.module_utils.package_manager import nvidia_repository
from ansible_collections.codetr.provision.plugins.plugin_utils import catalog, options
from hostfacts import GB, known, plan, wanted
from toolkitfacts import PATH, REAL, UBUNTU20, problem, stage, state_of


def test_a_bare_host_gets_the_runfile_by_its_hash():
    made = stage()
    (run,) = made["params"]["runfiles"]
    assert made["action"] == "install"
    assert made["version"] == "CUDA 11.4.4"
    assert run["argv"] == [
        "sh",
        "/opt/codetr/cache/cuda_11.4.4_470.82.01_linux.run",
        "--silent",
        "--override",
        "--toolkit",
        f"--installpath={PATH}",
        "--tmpdir=/opt/codetr/cache",
        "--no-man-page",
    ]
    assert run["record"]["sha256"] == "44545a7abb4b66dfc201dcad787b5e8352e5b7ddf3e3cc5b2e9177af419c25c8"
    assert made["system_packages"] == ["aria2", "ca-certificates", "libxml2"]
    assert made["params"]["link"] == {"path": "/usr/local/cuda", "target": None, "set": True}
    assert made["params"]["stray"] == ["/etc/ld.so.conf.d/cuda-11-4.conf"]


@pytest.mark.parametrize(
    ("versions", "toolkits", "expected"),
    [
        (["auto"], ["11.4.4"], ["11.4.4"]),
        (["auto"], [], []),
        (["auto"], None, []),
        ([], ["11.4.4"], []),
        (["11.4"], [], ["11.4.4"]),
        (["auto", "11.8"], ["11.4.4"], ["11.4.4", "11.8.0"]),
        (["11.4.4", "11.4"], [], ["11.4.4"]),
    ],
)
def test_versions_that_config_and_stack_name(versions, toolkits, expected):
    config = wanted(cuda_toolkit_versions=versions, codetr_stack="cpu")
    stacks = {name: {**data, "toolkits": toolkits} for name, data in known(config)["stacks"].items()}
    made = plan(state_of(config=config), config, stacks=stacks)["stages"]["cuda_toolkit"]
    assert [run["version"] for run in made["params"]["runfiles"]] == expected
    assert made["action"] == ("install" if expected else "skip")
    assert made["reason"]


@pytest.mark.parametrize(
    ("given", "changes", "part"),
    [
        ({"cuda_toolkit_versions": ["12.4.1"]}, {}, "There is no artifact record cuda-12.4.1-linux-x86_64."),
        ({"cuda_toolkit_versions": ["12.4"], "cuda_toolkit_source": "runfile"}, {}, "There is no artifact record cuda-12.4-linux-x86_64."),
        ({"cuda_toolkit_versions": ["11.4.1", "11.4.4"]}, {}, "names both 11.4.1 and 11.4.4"),
        ({"cuda_toolkit_source": "nvidia"}, {}, "Debian GNU/Linux 12 (bookworm) has no CUDA 11.4"),
        ({"cuda_toolkit_source": "nvidia", "cuda_toolkit_prefix": "/opt"}, UBUNTU20, "install to /usr/local only"),
        ({"cuda_toolkit_default": "11.8"}, {}, "cuda_toolkit_default is 11.8"),
        ({"cuda_toolkit_default": "11.4"}, {"cuda_toolkit__default": {"type": "dir", "target": None}}, "is a folder and not a link"),
        ({"cuda_toolkit_tmpdir": "/scratch"}, {}, "cuda_toolkit_tmpdir /scratch is no folder"),
    ],
)
def test_what_is_refused(given, changes, part):
    assert part in problem(changes=changes, **given)["message"]


def test_a_version_that_is_not_known_is_refused_with_those_that_are():
    fix = problem(cuda_toolkit_versions=["12.4.1"])["fix"]
    assert "11.3.1, 11.4.0, 11.4.1, 11.4.2, 11.4.3, 11.4.4, 11.8.0" in fix
    assert "cuda_toolkit_source=nvidia tries" in fix


def test_any_other_version_is_one_record():
    record = {"urls": ["http://mine/cuda_12.4.1_550.54.15_linux.run"], "sha256": "b" * 64}
    made = stage(cuda_toolkit_versions=["12.4"], provision_artifacts={"cuda-12.4.1-linux-x86_64": record})
    (run,) = made["params"]["runfiles"]
    assert (run["version"], run["path"], made["problems"]) == ("12.4.1", "/usr/local/cuda-12.4", [])
    nameless = {"cuda-12.4.1-linux-x86_64": {**record, "sha256": None}}
    given = {"cuda_toolkit_versions": ["12.4.1"], "provision_artifacts": nameless, "cuda_toolkit_source": "runfile"}
    assert "has no sha256" in problem(**given)["message"]


@pytest.mark.parametrize(
    ("name", "minor", "expected"),
    [
        ("ubuntu 20.04", "11.4", True),
        ("ubuntu 22.04", "11.4", False),
        ("ubuntu 22.04", "11.8", True),
        ("debian 11", "11.4", False),
        ("debian 12", "11.4", False),
        ("debian 12", "12.5", None),
        ("ubuntu 24.04", "12.5", None),
        ("arch ", "12.5", False),
    ],
)
def test_what_nvidias_repositories_carry(name, minor, expected):
    system = dict(zip(("id", "version"), name.split(" "), strict=True))
    assert nvidia_repository.carries(catalog.distributions().find(system), minor) is expected


def test_the_repository_is_next_where_no_runfile_is_known():
    made = stage(changes=UBUNTU20, cuda_toolkit_versions=["11.2"])
    params = made["params"]
    assert params["packages"] == ["cuda-toolkit-11-2"]
    assert params["runfiles"] == []
    assert params["repository"]["source"]["text"].splitlines()[1:] == [
        "Types: deb",
        "URIs: https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2004/x86_64/",
        "Suites: /",
        "Signed-By: /usr/share/keyrings/codetr-nvidia-cuda.asc",
    ]
    assert params["repository"]["fingerprint"] == "EB693B3035CD5710E231E123A4B469963BF863CC"
    assert 'Pin: origin "developer.download.nvidia.com"' in params["repository"]["priority"]["text"]
    assert set(made["remember"]["files"]) >= set(params["repository"]["files"])
    # Where there was no link, NVIDIA's packages keep one among the alternatives.
    assert params["link"]["set"] is False
    assert stage(changes=UBUNTU20, cuda_toolkit_source="nvidia")["params"]["packages"] == ["cuda-toolkit-11-4=11.4.4-*"]


def test_a_source_that_the_host_has_already_is_used_as_it_is():
    line = "deb https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2004/x86_64/ /\n"
    changes = {**UBUNTU20, "nvidia_driver__sources": {"/etc/apt/sources.list.d/cuda-ubuntu2004-x86_64.list": line}}
    repository = stage(changes=changes, cuda_toolkit_versions=["11.2"])["params"]["repository"]
    assert repository["write"] is False
    # The user set its priority; another one would change the source of the driver's packages.
    assert (repository["files"], repository["priority"]) == ([], None)
    other = {**changes, "nvidia_driver__sources": {"/etc/apt/sources.list.d/cuda.list": line.replace("2004", "1804")}}
    assert stage(changes=other, cuda_toolkit_versions=["11.2"])["params"]["repository"]["write"] is True
    assert [need["why"] for need in repository["needs"]] == ["NVIDIA's packages"]


def test_a_mirror_of_the_repository_brings_its_key():
    given = {"cuda_toolkit_versions": ["11.2"], "cuda_toolkit_repository": "http://mirror.test/cuda/"}
    repository = stage(changes=UBUNTU20, **given)["params"]["repository"]
    assert repository["url"] == "http://mirror.test/cuda/ubuntu2004/x86_64"
    assert repository["key"]["urls"][0] == "http://mirror.test/cuda/ubuntu2004/x86_64/3bf863cc.pub"


def test_room_is_asked_for_with_figures():
    made = stage()
    assert [(need["path"], need["bytes"]) for need in made["disk"]] == [("/opt/codetr/cache", 9_360_000_000), ("/usr/local", 5_760_000_000)]
    config = wanted(cuda_toolkit_versions=[REAL])
    state = state_of(config=config)
    for disk in state["disks"].values():
        disk["room"]["free"] = 12 * GB
    problems = [found["message"] for found in plan(state, config)["problems"]]
    assert any("12.0 GB free" in what and "cuda_toolkit 9.4 GB" in what and "cuda_toolkit 5.8 GB" in what for what in problems)


@pytest.mark.parametrize(
    ("gcc", "version", "changes", "parts"),
    [
        ("10.2.1", "11.4.4", {}, None),
        ("9.4.0", "11.4.4", {}, None),
        (
            "12.2.0",
            "11.4.4",
            {},
            ["does not support g++ 12.2.0, which this host has", "below 11.2", "bookworm) has none", "gxx_linux-64=10"],
        ),
        ("12.2.0", "11.8", {}, ["below 12", "Install g++-11 and call `nvcc -ccbin g++-11`"]),
        ("11.4.0", "11.4.4", {"os__id": "ubuntu", "os__version": "22.04"}, ["Install g++-10 "]),
        (None, "11.4.4", {}, ["g++ 12, which is what Debian GNU/Linux 12 (bookworm) installs"]),
        (None, "11.4.4", UBUNTU20, None),
        ("10.5.0", "11.4.0", UBUNTU20, ["below 10", "g++-9"]),
    ],
)
def test_a_compiler_that_nvcc_does_not_work_with_is_said_plainly(gcc, version, changes, parts):
    warnings = stage(changes={**changes, "cuda_toolkit__gcc": gcc}, cuda_toolkit_versions=[version])["warnings"]
    assert len(warnings) == (1 if parts else 0)
    assert all(part in warnings[0] for part in parts or [])


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"cuda_toolkit_versions": ["latest"]}, "'latest' is no version"),
        ({"cuda_toolkit_versions": ["11"]}, "'11' is no version"),
        ({"cuda_toolkit_versions": ["11.4.4.1"]}, "is no version"),
        ({"cuda_toolkit_default": "newest"}, "cuda_toolkit_default must be a version"),
        ({"cuda_toolkit_prefix": "opt"}, "cuda_toolkit_prefix must be an absolute path"),
        ({"cuda_toolkit_prefix": ""}, "cuda_toolkit_prefix must name the folder"),
        ({"cuda_toolkit_tmpdir": "/my tmp"}, "cuda_toolkit_tmpdir contains a space"),
        ({"cuda_toolkit_repository": "mirror"}, "cuda_toolkit_repository must be a URL"),
        ({"cuda_toolkit_source": "conda"}, "must be one of auto, runfile, nvidia"),
    ],
)
def test_bad_values(given, part):
    with pytest.raises(options.OptionError) as failed:
        options.coerce(given)
    (said,) = failed.value.problems
    assert part in said
