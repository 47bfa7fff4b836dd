"""The toolkits as they run on the hosts, which shells and linkers find them, and the unchanged foreign toolkit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testinfra.host import Host

RUNFILE, PACKAGES = "cuda-toolkit", "cuda-toolkit-packages"
SHELL = "env -i PATH=/usr/bin:/bin LD_LIBRARY_PATH=/mine sh -c"


def hostname(host: Host) -> str:
    return str(host.backend.get_hostname())


def receipt(host: Host, prefix: str = "/opt/codetr") -> dict[str, Any]:
    return dict(json.loads(host.file(f"{prefix}/receipts/cuda_toolkit.json").content_string))


@pytest.mark.parametrize(
    ("name", "path", "release"),
    [
        (RUNFILE, "/usr/local/cuda-11.4", "11.4"),
        (RUNFILE, "/usr/local/cuda-11.8", "11.8"),
        (RUNFILE, "/srv/half/cuda-11.8", "11.8"),
        (PACKAGES, "/usr/local/cuda-11.8", "11.8"),
    ],
)
def test_nvcc_says_its_version(host: Host, name: str, path: str, release: str) -> None:
    if hostname(host) != name:
        pytest.skip(f"another host than {name}")
    assert f"release {release}, V{release}." in host.check_output(f"{path}/bin/nvcc --version")


def test_one_shell_can_have_one_version(host: Host) -> None:
    release = {RUNFILE: "11.4", PACKAGES: "11.8"}[hostname(host)]
    env, home = f"/opt/codetr/cuda-{release}.env", f"/usr/local/cuda-{release}"
    output = host.check_output(f"""{SHELL} '. {env}; . {env}; echo "$CUDA_HOME $PATH $LD_LIBRARY_PATH"; nvcc --version'""")
    assert output.splitlines()[0] == f"{home} {home}/bin:/usr/bin:/bin {home}/lib64:/mine"
    assert f"release {release}" in output


def test_the_version_sourced_last_comes_first(host: Host) -> None:
    if hostname(host) != RUNFILE:
        pytest.skip("one version only")
    output = host.check_output(f"{SHELL} 'for v in 11.4 11.8 11.4; do . /opt/codetr/cuda-$v.env; done; echo $PATH; set' | head -60")
    assert output.splitlines()[0] == "/usr/local/cuda-11.4/bin:/usr/local/cuda-11.8/bin:/usr/bin:/bin"
    assert "codetr_cuda" not in output


def test_the_default_link_is_somebodys_again(host: Host) -> None:
    assert host.check_output("readlink /usr/local/cuda") == "cuda-12.4"
    assert host.file("/usr/local/cuda-12.4/version.json").contains("12.4.1")


def test_shells_and_linker_know_what_was_asked_for(host: Host) -> None:
    asked = hostname(host) == RUNFILE
    assert host.file("/etc/profile.d/codetr-cuda.sh").exists is asked
    assert host.file("/etc/ld.so.conf.d/codetr-cuda.conf").exists is asked
    if asked:
        assert host.check_output("env -i PATH=/usr/bin:/bin sh -c '. /etc/profile; command -v nvcc'") == "/usr/local/cuda-11.4/bin/nvcc"
        known = host.file("/etc/ld.so.conf.d/codetr-cuda.conf").content_string.splitlines()
        assert known[1:] == ["/usr/local/cuda-11.4/lib64", "/usr/local/cuda-11.8/lib64", "/usr/local/cuda-12.4/lib64"]
        # An installer's own file for the linker, which nobody asked for.
        assert host.check_output("find /etc/ld.so.conf.d -name 'cuda-*'") == ""


def test_no_driver_came_along(host: Host) -> None:
    assert (
        host.check_output("dpkg-query --show --showformat '${Package}\\n' | grep -E 'nvidia-(driver|headless|kernel)|cuda-drivers' || true")
        == ""
    )


def test_packages_come_from_a_source_with_a_key_of_its_own_and_replace_nothing(host: Host) -> None:
    if hostname(host) != PACKAGES:
        pytest.skip("a runfile needs no source")
    source = host.file("/etc/apt/sources.list.d/codetr-nvidia-cuda.sources").content_string
    assert "Signed-By: /usr/share/keyrings/codetr-nvidia-cuda.asc" in source
    assert "Pin-Priority: 100" in host.file("/etc/apt/preferences.d/codetr-nvidia-cuda-cuda-toolkit").content_string
    assert host.check_output("apt-cache policy cuda-toolkit-11-8 | grep -c '^ *100 '") != "0"
    with host.sudo():
        assert host.run("apt-get update 2>&1 | grep -E '^(W|E):'").stdout == ""


def test_receipts_say_what_is_ours_and_that_it_stands_in(host: Host, lab: dict[str, Any]) -> None:
    found = receipt(host)
    toolkits = found["remember"]["toolkits"]
    assert found["stand_in"] is True
    if hostname(host) == PACKAGES:
        assert (toolkits["11.8"]["source"], toolkits["11.8"]["stand_in"]) == ("nvidia", True)
        assert {"cuda-toolkit-11-8", "cuda-nvcc-11-8"} <= set(found["remember"]["packages"])
        return
    assert sorted(toolkits) == ["11.4", "11.8"]
    assert toolkits["11.4"]["sha256"] == lab["provision_artifacts"]["cuda-11.4.4-linux-x86_64"]["sha256"]


def test_a_finished_run_leaves_no_installer_and_no_mark(host: Host) -> None:
    for prefix in ("/opt/codetr", "/opt/half") if hostname(host) == RUNFILE else ("/opt/codetr",):
        assert host.file(f"{prefix}/receipts").listdir() == ["cuda_toolkit.json"]
        assert host.check_output(f"find {prefix}/cache {prefix} -maxdepth 1 -type f ! -name '*.env'") == ""
        assert host.check_output(f"find {prefix} ! -user lab -print") == ""
    assert not host.file("/tmp/cuda-installer.log").exists or hostname(host) == PACKAGES


def test_wrong_bytes_and_wrong_keys_are_nowhere(host: Host) -> None:
    # Only what says how far the run came.
    assert host.check_output("find /opt/wrong -type f ! -name '*.inprogress' ! -name '*.progress' ! -name '*.before'") == ""
    assert not host.file("/usr/local/cuda-12.5").exists
