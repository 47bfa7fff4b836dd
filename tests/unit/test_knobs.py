"""No dead switches: each variable, set to something else than its default, changes what is planned, fetched or handed to the host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.codetr.provision.plugins.plugin_utils import base, catalog, options
from driverfacts import gpu_host
from hostfacts import GB, bare, known, plan, provisioned, wanted

ROOT = Path(__file__).resolve().parents[2]
OTHER: dict[str, Any] = {
    "codetr_stack": "cpu",
    "provision_prefix": "/srv/codetr",
    "provision_user": "trainer",
    "provision_artifacts": {"resnet50-0676ba61": {"urls": ["http://mine/resnet50.pth"]}},
    "provision_mirror": "http://mirror.test",
    "provision_environment": {"https_proxy": "http://proxy.test:3128"},
    "provision_ca_bundle": "",
    "preflight_only_warn": True,
    "provision_ignore_gpus": ["10de:1eb8"],
    "provision_reboot": True,
    "provision_reboot_timeout": 60,
    "nvidia_driver_manage": False,
    "nvidia_driver_branch": "535",
    "nvidia_driver_source": "nvidia",
    "nvidia_driver_replace": True,
    "nvidia_driver_hold": False,
    "nvidia_driver_kernels": ["6.1.0-99-amd64"],
    "nvidia_driver_without_gpu": True,
    "nvidia_driver_persistence": False,
    "cuda_toolkit_versions": ["11.4.4"],
    "cuda_toolkit_source": "nvidia",
    "cuda_toolkit_prefix": "/opt/nvidia",
    "cuda_toolkit_default": "11.4",
    "cuda_toolkit_path": True,
    "cuda_toolkit_ldconfig": True,
    "cuda_toolkit_tmpdir": "/scratch",
    "cuda_toolkit_repository": "http://mirror.test/cuda",
    "miniconda_distribution": "miniforge3",
    "miniconda_version": "py310_24.1.2-0",
    "miniconda_prefix": "/srv/conda",
    "miniconda_channels": ["nodefaults"],
    "miniconda_channel_alias": "http://channels.test",
    "miniconda_shell_init": True,
    "codetr_env_manager": "venv",
    "codetr_env_name": "other",
    "codetr_env_prefix": "/srv/env",
    "codetr_packages_extra": ["rich"],
    "codetr_packages_index_url": "http://index.mine/simple",
    "codetr_packages_wheel_cache": "/srv/wheels",
    "codetr_packages_jobs": 1,
    "codetr_packages_remove_foreign": True,
    "codetr_packages_folder": "/srv/packages",
    "codetr_packages_sbom": False,
    "codetr_packages_compute_capabilities": ["8.0"],
    "codetr_env_python_version": "3.11",
    "codetr_torch_source": "conda",
    "codetr_repo_url": "https://git.test/Co-DETR.git",
    "codetr_repo_commit": "1" * 40,
    "codetr_repo_dest": "/srv/Co-DETR",
    "provision_download_connections": 3,
    "provision_download_rate_limit": "5M",
    "codetr_datasets_names": ["coco"],
    "codetr_datasets_root": "/data",
    "codetr_datasets_subset": 5,
    "codetr_datasets_keep_archives": True,
    "codetr_datasets_existing": ["/mnt/shared"],
    "codetr_datasets_decode": "all",
    "codetr_workspace_config": "configs/other.py",
    "codetr_workspace_work_dir": "/srv/work",
    "codetr_workspace_master_port": 29501,
    "codetr_workspace_vscode": False,
    "codetr_workspace_notebook": False,
    "codetr_workspace_print_arguments": True,
    "codetr_workspace_weights": [],
    "codetr_workspace_backbones": {"swin.pth": "/srv/swin.pth"},
}
# These say nothing alone: what else has to be set for them to matter.
WITH: dict[str, dict[str, Any]] = {
    "miniconda_accept_anaconda_terms": {"miniconda_channels": ["defaults"]},
    "codetr_env_python": {"codetr_env_manager": "venv"},
    **{
        f"cuda_toolkit_{name}": {"cuda_toolkit_versions": ["11.4.4"]}
        for name in ("source", "prefix", "default", "path", "ldconfig", "tmpdir")
    },
    "codetr_packages_compute_capabilities": {"codetr_stack": "modern"},
    "codetr_env_python_version": {"codetr_stack": "modern"},
    "cuda_toolkit_repository": {"cuda_toolkit_versions": ["12.5"], "cuda_toolkit_source": "nvidia"},
}
OTHER |= {"miniconda_accept_anaconda_terms": True, "codetr_env_python": "/usr/bin/python3.10"}
ELSEWHERE = {
    "provision_ignore_variables": "test_options.py",
    "codetr_repo_edits": "below",
    **dict.fromkeys(("codetr_verify_level", "codetr_verify_gpus", "codetr_verify_scale"), "test_verify_role.py"),
    **dict.fromkeys(("provision_report_dir", "provision_status_deep", "provision_status_capture"), "test_verify_role.py"),
}


def with_gpus(config: dict[str, Any]) -> list[dict[str, Any]]:
    """A host with a GPU and no driver, one with a driver that is too old, and one that waits for a restart."""
    waiting = gpu_host(gpus=["T4"], config=config, driver=470)
    waiting["nvidia_driver"]["loaded"]["version"] = "470.239.06"
    return [gpu_host(gpus=["T4"], config=config), gpu_host(gpus=["T4"], config=config, driver=390), waiting]


def outcome(**given: Any) -> str:
    """All that a host gets to see of the config: the plan of a bare, of a finished and of a troubled host, and its environment."""
    config = wanted(**given)
    troubled = provisioned(config)
    troubled["machine"]["memory"]["total"] = GB
    troubled["packages"]["dists"]["projects"] = "0.1"
    states = [bare(config), provisioned(config), troubled, *with_gpus(config)]
    plans = [plan(state, config) for state in states]
    environment = base.environment_of(config, states[0]["user"]["owner"]), base.download_of(config)
    # The choice of the stack is told by its reason; what a reason quotes of the config would hide a switch that does nothing else.
    return json.dumps([plans, environment, str(catalog.wheel_cache(config)), states[0]["user"]["owner"]["name"]], sort_keys=True)


def test_every_variable_has_another_value_here():
    assert sorted(options.specs()) == sorted({*OTHER, *ELSEWHERE})


@pytest.mark.parametrize("name", sorted(OTHER))
def test_a_variable_changes_something(name):
    others = WITH.get(name, {})
    assert outcome(**{**others, name: OTHER[name]}) != outcome(**others)


def test_edits_of_ones_own_are_taken(tmp_path: Path):
    ours = yaml.safe_load((ROOT / known(wanted())["edits"]["source"]).read_text())
    mine = tmp_path / "edits.yml"
    mine.write_text(yaml.safe_dump({**ours, "commit": "2" * 40}))
    config = wanted(codetr_repo_commit="2" * 40, codetr_repo_edits=str(mine))
    assert known(config)["edits"]["commit"] == "2" * 40
    with pytest.raises(catalog.CatalogError, match="no list of edits for codetr_repo_commit"):
        known(wanted(codetr_repo_edits=str(mine)))
    with pytest.raises(catalog.CatalogError, match="cannot be read"):
        known(wanted(codetr_repo_edits=str(tmp_path / "none.yml")))


def test_a_mirror_comes_first_and_the_origin_stays():
    urls = known(wanted(provision_mirror="http://mirror.test/"))["artifacts"]["resnet50-0676ba61"]["urls"]
    assert urls[0] == "http://mirror.test/resnet50-0676ba61/resnet50-0676ba61.pth"
    assert len(urls) > 1
