"""Options of verify.yml and status.yml that make no sense end the run before any host is contacted."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_playbooks import ROOT, VERIFY, Bench

STATUS = ROOT / "playbooks" / "status.yml"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize(("playbook", "option", "message"), [
    (VERIFY, "codetr_verify_level=quick", "codetr_verify_level must be one of versions, ops, train, speed; it is quick."),
    (VERIFY, "codetr_verify_gpus=0", "codetr_verify_gpus must be at least 1; it is 0."),
    (VERIFY, "codetr_verify_gpus=all", "codetr_verify_gpus must be of type int; it is 'all'."),
    (VERIFY, "codetr_verify_scale=-5", "codetr_verify_scale must be a whole number of pixels, or empty; it is '-5'."),
    (VERIFY, "codetr_verify_levle=ops", "There is no variable codetr_verify_levle. Did you mean codetr_verify_level?"),
    (STATUS, "provision_status_deep=maybe", "provision_status_deep must be of type bool; it is 'maybe'."),
    (STATUS, "provision_status_captur=true", "There is no variable provision_status_captur. Did you mean provision_status_capture?"),
])
def test_an_option_that_makes_no_sense(bench: Bench, playbook: Path, option: str, message: str) -> None:
    assert message in bench.refused(playbook, "-e", option)


@pytest.mark.parametrize("options", ["codetr_verify_level=speed codetr_verify_gpus=2 codetr_verify_scale=0", "codetr_verify_scale="])
def test_options_that_fit_reach_for_the_hosts(bench: Bench, options: str) -> None:
    assert bench.run(VERIFY, "-e", options).stdout.count("UNREACHABLE!") == 2


@pytest.mark.parametrize(("name", "meant"), [("minicnda_prefix", "miniconda_prefix"), ("verify_level", "codetr_verify_level")])
def test_a_misspelt_prefix_is_one_warning_for_all_hosts(bench: Bench, name: str, meant: str) -> None:
    done = bench.run(VERIFY, "-e", f"{name}=ops")
    assert done.stdout.count("UNREACHABLE!") == 2
    text = " ".join((done.stdout + done.stderr).split())
    assert text.count(f"{name} is no option of this collection and has no effect on it. Did you mean {meant}?") == 1


def test_no_warning_of_a_name_to_ignore(bench: Bench) -> None:
    done = bench.run(VERIFY, "-e", "minicnda_prefix=/x", "-e", '{"provision_ignore_variables": ["minicnda_prefix"]}')
    assert done.stdout.count("UNREACHABLE!") == 2
    assert "WARNING" not in done.stdout + done.stderr
