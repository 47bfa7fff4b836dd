"""The reducer on events that ansible-runner really sent: two hosts that went well, and one that failed beside one out of reach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codetr_provision.model import RunResult, VerifyResult, load
from codetr_provision.reducer import Reducer, reduce_events

HERE = Path(__file__).parent


def events(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / f"console_events_{name}.jsonl").read_text().splitlines()]


def feed(*some: dict[str, Any]) -> Reducer:
    reducer = Reducer()
    for event in some:
        reducer.feed(event)
    return reducer


def result(kind: str, host: str = "a", at: int = 1, **data: Any) -> dict[str, Any]:
    stamp = f"2026-01-01T00:00:{at:02d}+00:00"
    return {"event": kind, "created": stamp, "event_data": {"host": host, "task": "Do it", "start": stamp, **data}}


def stage(name: str, at: int = 1, host: str = "a", **more: Any) -> dict[str, Any]:
    record = {"stage": name, "action": "install", "todo": True, **more}
    return result("runner_on_ok", host, at, resolved_action="codetr.provision.codetr_stage", res={"stage": record, "todo": record["todo"]})


def test_stages_of_two_hosts() -> None:
    run = reduce_events(events("two-hosts"))
    assert sorted(host.name for host in run.hosts) == ["gpu-a", "gpu-b"]
    for host in run.hosts:
        assert [(one.stage, one.action, one.status, one.stand_in) for one in host.stages] == [
            ("plan", "check", "done", False), ("miniconda", "install", "done", True), ("env", "create", "done", False),
            ("packages", "install", "done", False), ("workspace", "keep", "done", False),
        ]
        assert host.stack == "cpu"
        assert host.warnings == ["shared memory is 64 MB; dataloaders will run in the main process"]
        assert host.good


def test_seconds_are_those_between_the_stage_and_its_last_task() -> None:
    host = next(host for host in reduce_events(events("two-hosts")).hosts if host.name == "gpu-a")
    seconds = {one.stage: one.seconds for one in host.stages}
    # From the recording: codetr_stage of miniconda began at 51.957, codetr_confirm answered at 53.945; packages 55.769 to 61.720.
    assert seconds["miniconda"] == pytest.approx(1.99, abs=0.02)
    assert seconds["packages"] == pytest.approx(5.95, abs=0.02)


def test_failed_host_and_host_out_of_reach() -> None:
    run = reduce_events(events("failed-and-unreachable"))
    hosts = {host.name: host for host in run.hosts}
    gone, bad = hosts["gone"].failure, hosts["gpu-a"].failure
    assert gone is not None and gone.unreachable and gone.message.startswith("Data could not be sent to remote host")
    assert bad is not None and (bad.stage, bad.task) == ("packages", "Refuse")
    assert bad.message.startswith("The wheel cache at") and bad.message.endswith("then run again.")
    assert [(one.stage, one.status) for one in hosts["gpu-a"].stages][-2:] == [("packages", "failed"), ("workspace", "not run")]
    assert run.exit_code == 1


def test_only_unreachable_is_exit_code_3() -> None:
    reducer = feed(result("runner_on_unreachable", res={"msg": "no route"}))
    assert reducer.finish().exit_code == 3


def test_progress_share_and_time_left() -> None:
    reducer = Reducer()
    recorded = events("two-hosts")
    for event in recorded[: next(n for n, e in enumerate(recorded) if '"done": 5' in e["stdout"]) + 1]:
        reducer.feed(event)
    progress = reducer.running["gpu-b"].progress
    assert progress is not None and progress.share == 0.5
    assert progress.seconds_left == 2.5
    assert reducer.stage_of("gpu-b") == "packages"
    assert reducer.output == []


@pytest.mark.parametrize("line", ["codetr-progress {", "codetr-progress []", 'codetr-progress {"host": "nobody"}', "codetr-progress 1"])
def test_broken_progress_lines_are_dropped(line: str) -> None:
    reducer = feed(result("runner_on_start"), {"event": "verbose", "stdout": line, "created": None})
    assert reducer.running["a"].progress is None and reducer.output == []


def test_time_is_counted_from_the_step_that_the_label_names() -> None:
    def line(at: int, label: str, done: int) -> dict[str, Any]:
        text = json.dumps({"host": "a", "label": label, "text": f"{label} {done}/9", "done": done, "total": 9, "seconds_left": None})
        return {"event": "verbose", "created": f"2026-01-01T00:00:{at:02d}+00:00", "stdout": f"codetr-progress {text}"}

    one, other = "verify: ops, step 6 of 14: x", "verify: ops, step 7 of 14: y"
    start = result("runner_on_start")
    progress = feed(start, line(10, one, 1), line(20, other, 1), line(30, other, 2)).running["a"].progress
    assert progress is not None and (progress.since % 60, progress.text, progress.seconds_left) == (20, f"{other} 2/9", None)


def test_warnings_of_the_validation_are_kept_once() -> None:
    res = {"warnings": ["minicnda_prefix is no option."]}
    warned = [result("runner_on_ok", res=res, task_action="codetr.provision.codetr_validate", host=host) for host in ("a", "b")]
    assert feed(*warned).run.warnings == ["minicnda_prefix is no option."]


def test_interrupted_stage_is_not_done() -> None:
    reducer = feed(stage("miniconda"), stage("env", at=5), result("runner_on_start", at=30))
    run = reducer.finish(interrupted=True)
    assert [(one.stage, one.status, one.seconds) for one in run.hosts[0].stages] == [
        ("miniconda", "done", 0.0), ("env", "interrupted", 25.0),
    ]
    assert run.exit_code == 130


def test_rescued_failure_does_not_count() -> None:
    stats = {"event": "playbook_on_stats", "created": None, "event_data": {"processed": {"a": 1}, "rescued": {"a": 1}}}
    assert feed(stage("env"), result("runner_on_failed", res={"msg": "no"}), stats).run.hosts[0].good


def test_ignored_failure_does_not_count() -> None:
    assert feed(stage("env"), result("runner_on_failed", ignore_errors=True, res={"msg": "no"})).run.hosts[0].good


def test_second_plan_is_a_recheck() -> None:
    plan = result("runner_on_ok", resolved_action="codetr.provision.codetr_plan", res={"plan": {"stack": "cpu", "stages": {}}})
    run = feed(plan, stage("env"), plan).finish()
    assert [one.stage for one in run.hosts[0].stages] == ["plan", "env", "recheck"]


@pytest.mark.parametrize(("before", "named"), [([], "plan"), (["plan", "env"], "recheck")])
def test_plan_that_fails_shows_as_a_failed_stage(before: list[str], named: str) -> None:
    plan = result("runner_on_ok", resolved_action="codetr.provision.codetr_plan", res={"plan": {"stack": "cpu", "stages": {}}})
    refused = result("runner_on_failed", resolved_action="codetr.provision.codetr_plan", res={"msg": "The disk is full."})
    stats = {"event": "playbook_on_stats", "created": None, "event_data": {"processed": {"a": 1}, "failures": {"a": 1}}}
    host = feed(*({"plan": plan, "env": stage("env")}[one] for one in before), refused, stats).run.hosts[0]
    assert host.failure is not None and host.failure.stage == named
    assert (host.stages[-1].stage, host.stages[-1].status) == (named, "failed")


def test_problems_of_the_plan_make_a_host_fail() -> None:
    plan = {"stack": "cpu", "stages": {}, "problems": [{"message": "The disk is full.", "fix": "Free 4 GB."}]}
    host = feed(result("runner_on_ok", resolved_action="codetr.provision.codetr_plan", res={"plan": plan})).run.hosts[0]
    assert host.problems == ["The disk is full. Free 4 GB."] and not host.good


def test_messages_of_loops_and_commands_are_whole() -> None:
    res = {"msg": "One or more items failed", "results": [
        {"item": "x", "failed": True, "msg": "first"}, {"item": "y", "msg": "fine"},
        {"item": "z", "failed": True, "msg": "third", "stderr": "why"},
    ]}
    failure = feed(result("runner_on_failed", res=res)).run.hosts[0].failure
    assert failure is not None and failure.message == "One or more items failed\nx: first\nz: third\nwhy"


def test_hidden_and_credentials_stay_out() -> None:
    hidden = feed(result("runner_on_failed", res={"msg": "pw", "_ansible_no_log": True})).run
    proxied = feed(result("runner_on_failed", res={"msg": "no answer from http://me:pw@proxy:3128/x"})).run
    assert '"pw"' not in json.dumps(hidden.to_json())
    assert "me:pw" not in json.dumps(proxied.to_json()) and "(hidden)@proxy:3128/x" in json.dumps(proxied.to_json())


def test_no_host_and_missing_verify_are_never_good() -> None:
    assert RunResult(verify=False).exit_code == 1
    run = feed(stage("env")).finish()
    assert run.verify and run.exit_code == 1
    run.verify = False
    assert run.exit_code == 0


def test_run_survives_json() -> None:
    run = reduce_events(events("failed-and-unreachable"))
    assert load(RunResult, json.loads(json.dumps(run.to_json()))) == run


VERIFY = {"schema": 1, "host": "a", "stack": "cpu", "level": "train", "passed": True, "checks": [{"name": "ops", "status": "ok"}]}


@pytest.mark.parametrize(("change", "good"), [
    ({}, True), ({"passed": False}, False), ({"checks": []}, False), ({"checks": [{"name": "ops", "status": "fail"}]}, False),
    ({"checks": [{"name": "ops", "status": "skipped"}]}, False), ({"checks": [{"name": "ops", "status": "odd"}]}, False),
])
def test_verify_is_good_only_when_nothing_contradicts(change: dict[str, Any], good: bool) -> None:
    assert load(VerifyResult, VERIFY | change).good is good


@pytest.mark.parametrize(("change", "named"), [
    ({"passed": "yes"}, "VerifyResult.passed must be of type bool"), ({"checks": [3]}, r"checks\[0\] must be an object"),
    ({"losses": [{"iter": 1, "loss": "nan"}]}, r"losses\[0\].loss must be of type float"), ({"checks": [{}]}, "missing"),
])
def test_verify_that_is_malformed_is_refused_by_place(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        load(VerifyResult, VERIFY | change)
