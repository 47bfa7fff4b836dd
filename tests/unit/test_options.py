"""Every variable is checked before a host is touched: types, choices, spelling, booleans as strings."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import yaml
from ansible_collections.codetr.provision.plugins.plugin_utils import options

ROOT = Path(__file__).resolve().parents[2]


def refused(**given):
    with pytest.raises(options.OptionError) as caught:
        options.coerce(given)
    return caught.value.problems


def test_defaults_alone_are_good():
    assert options.coerce({})["provision_prefix"] == "/opt/codetr"


def test_every_boolean_takes_the_string_false():
    booleans = [name for name, option in options.specs().items() if option["type"] == "bool"]
    assert len(booleans) > 5
    coerced = options.coerce(dict.fromkeys(booleans, "false"))
    assert [name for name in booleans if coerced[name] is not False] == []


@pytest.mark.parametrize("prefix", sorted(options.prefixes()))
def test_a_misspelt_variable_of_any_prefix_is_refused(prefix):
    (problem,) = refused(**{f"{prefix}zzz": 1})
    assert f"There is no variable {prefix}zzz." in problem


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("codetr_stak", "codetr_stack"),
        ("provision_prefx", "provision_prefix"),
        ("miniconda_chanels", "miniconda_channels"),
        ("codetr_datasets_subsets", "codetr_datasets_subset"),
    ],
)
def test_the_nearest_name_is_said(name, nearest):
    (problem,) = refused(**{name: "x"})
    assert f"Did you mean {nearest}?" in problem


def test_ignored_names_pass():
    assert "codetr_mine" not in options.coerce({"codetr_mine": 1, "provision_ignore_variables": ["codetr_mine"]})


def test_ignored_names_from_the_command_line_are_whole_names():
    given = {"codetr_mine": 1, "codetr_other": 2, "provision_ignore_variables": "codetr_mine, codetr_other"}
    assert "codetr_mine" not in options.coerce(given)
    (problem,) = refused(codetr_mine=1, provision_ignore_variables="codetr_mine_too")
    assert "There is no variable codetr_mine." in problem


def test_the_names_to_ignore_can_be_copied_when_there_are_several():
    problems = refused(codetr_mine=1, nvidia_driver_ours=2)
    assert problems[-1] == "If these 2 are your own, set provision_ignore_variables: [codetr_mine, nvidia_driver_ours]"


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("nvidia_driver_package_state", "nvidia.nvidia_driver"),
        ("nvidia_driver_ubuntu_branch", "nvidia.nvidia_driver"),
        ("miniconda_conda_environments", "galaxyproject.miniconda"),
        ("miniconda_ver", "andrewrothstein.miniconda"),
    ],
)
def test_a_variable_of_a_published_role_is_named_as_such(name, role):
    (problem,) = refused(**{name: "x"})
    assert problem == (
        f"{name} is a variable of the role {role}, which this collection does not use. "
        "(If it is your own, add it to provision_ignore_variables.)"
    )


def test_no_option_is_taken_for_a_foreign_one():
    patterns = [pattern for role in options.FOREIGN.values() for pattern in role]
    assert [name for name in options.specs() if any(fnmatchcase(name, pattern) for pattern in patterns)] == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("minicnda_prefix", "miniconda_prefix"),
        ("nvidia_drver_manage", "nvidia_driver_manage"),
        ("cdetr_stack", "codetr_stack"),
        ("codert_env_name", "codetr_env_name"),
        ("co_detr_stack", "codetr_stack"),
        ("provison_prefix", "provision_prefix"),
        ("cudatoolkit_versions", "cuda_toolkit_versions"),
        ("nvidia_drivers_branch", "nvidia_driver_branch"),
        ("pre_flight_only_warn", "preflight_only_warn"),
        ("verify_level", "codetr_verify_level"),
        ("status_deep", "provision_status_deep"),
        ("datasets_root", "codetr_datasets_root"),
    ],
)
def test_a_misspelt_prefix_is_noticed(name, meant):
    assert options.near_misses([name]) == {name: meant}
    assert options.near_misses([name], ignored=[name]) == {}


def test_a_misspelt_name_with_a_right_prefix_is_more_than_a_warning():
    """It is refused, so that a warning would say it twice."""
    assert options.near_misses(["codetr_stak"]) == {}


# Names from the published roles and playbooks of NVIDIA (DeepOps), Galaxy, Kubespray and others, and Ansible's own.
FOREIGN = [
    "ansible_user", "ansible_env", "ansible_python_version", "inventory_hostname", "inventory_dir", "playbook_dir", "role_name",
    "group_names", "groups", "hostvars", "omit", "environment", "play_hosts", "cuda_version", "cuda_toolkit", "cuda_packages",
    "cuda_rhel8_url", "cuda_profile_path", "cuda_driver_branch", "nvidia_version", "nvidia_branch", "nvidia_dcgm_prefix",
    "nvidia_docker_version", "nvidia_accelerator_enabled", "install_cuda", "install_nvidia_driver", "conda_prefix", "conda_version",
    "conda_channels", "anaconda_version", "miniforge_prefix", "miniforge_version", "micromamba_prefix", "mambaforge_version",
    "python_env_name", "env_name", "env_prefix", "env_python", "repo_url", "repo_dest", "repo_commit", "repo_edits", "provisioner",
    "provisioner_user", "provision_id", "provider_user", "workspace_folder", "workspace_dir", "datasets", "datasets_dir", "packages",
    "packages_install", "verify", "verify_ssl", "verify_checksum", "status", "status_page", "driver_branch", "toolkit_version",
    "git_repo_url", "codec_stack", "detector_stack", "stack", "prefix", "user", "mirror", "reboot", "reboot_timeout", "jobs",
]  # fmt: skip


def test_names_that_are_merely_similar_are_left_alone():
    assert options.near_misses(FOREIGN) == {}


def test_all_errors_at_once():
    problems = refused(codetr_stak=1, miniconda_shell_init="maybe", codetr_env_manager="poetry")
    assert len(problems) == 3


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"codetr_stack": "cu999"}, "codetr_stack must be one of auto, cpu"),
        ({"provision_prefix": "opt/codetr"}, "must be an absolute path"),
        ({"provision_prefix": "/opt/my codetr"}, "contains a space"),
        ({"provision_prefix": "/"}, "belongs to the system"),
        ({"codetr_repo_commit": "main"}, "whole commit id"),
        ({"codetr_datasets_subset": -1}, "must not be negative"),
        ({"codetr_datasets_subset": "many"}, "codetr_datasets_subset must be of type int"),
        ({"codetr_datasets_existing": ["data"]}, "codetr_datasets_existing: 'data' must be an absolute path"),
        ({"codetr_datasets_decode": "none"}, "codetr_datasets_decode must be one of sample, all; it is none."),
        ({"provision_download_rate_limit": "fast"}, "must be bytes per second such as 20M, or empty; it is 'fast'"),
        ({"provision_download_rate_limit": "0"}, "must be bytes per second such as 20M, or empty; it is '0'"),
        ({"provision_download_connections": 17}, "must be from 1 to 16"),
        ({"provision_download_connections": 0}, "must be from 1 to 16"),
        ({"codetr_env_name": "a/b"}, "cannot name an environment"),
        ({"codetr_env_manager": "poetry"}, "codetr_env_manager must be one of conda, venv, existing; it is poetry."),
        ({"provision_artifacts": {"x": {"sha256": "12"}}}, "64 hexadecimal digits"),
    ],
)
def test_bad_values(given, part):
    (problem,) = refused(**given)
    assert part in problem


@pytest.mark.parametrize(
    "role", sorted(path.name for path in (ROOT / "roles").iterdir() if (path / "meta" / "argument_specs.yml").exists())
)
def test_defaults_and_spec_agree(role):
    spec = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((ROOT / "roles" / role / "defaults" / "main.yml").read_text())
    assert {name: option.get("default") for name, option in spec.items()} == defaults
    assert all(option.get("description") and option.get("type") for option in spec.values())
