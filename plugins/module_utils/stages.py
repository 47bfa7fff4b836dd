"""The stages of a run, in order. The planner, the probe, the playbooks, the generated files and the scenarios all follow this list.

Each stage has its package, ``module_utils/<stage>/``, with ``probe.py`` and ``plan.py``. To add a stage, add it to ``STAGES``, write its
package and its role, and run ``make docs``, which writes the static lists: the probe's imports and the roles of site.yml.
"""

from __future__ import annotations

# Each stage and the role that carries it out.
STAGES = {
    "preflight": "preflight",
    "nvidia_driver": "nvidia_driver",
    "cuda_toolkit": "cuda_toolkit",
    "miniconda": "miniconda",
    "env": "codetr_env",
    "packages": "codetr_packages",
    "repo": "codetr_repo",
    "datasets": "codetr_datasets",
    "workspace": "codetr_workspace",
}
# Its sections are probed in every run.
BASE = "preflight"
PROBED = tuple(name for name in STAGES if name != BASE)
