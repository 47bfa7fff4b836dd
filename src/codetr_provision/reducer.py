"""Reduce ansible-runner's events to a RunResult. No clock, no input, no output: everything comes from the events."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Any

from codetr_provision import redact
from codetr_provision.model import Failure, HostResult, RunResult, StageResult

PROGRESS = "codetr-progress "
RESULTS = {"runner_on_ok", "runner_on_failed", "runner_on_skipped", "runner_on_unreachable"}
LAST_LINES = 40


@dataclass
class Progress:
    """How far a long job is, as codetr_wait reports it; `since` is the Unix time at which it began what `label` says.

    `text` is the label with figures, and what the parts of a job are doing.
    """

    label: str
    text: str
    done: float
    total: float
    since: float
    seconds_left: float | None = None

    @property
    def share(self) -> float | None:
        """Done over total, 0 to 1; None when the total is not known."""
        return min(1.0, self.done / self.total) if self.total > 0 else None


@dataclass
class RunningTask:
    """A task that is running on a host; `started` is a Unix time."""

    name: str
    action: str
    started: float
    progress: Progress | None = None


@dataclass
class _Clock:
    started: float
    last: float


class Reducer:
    """Feed it every event in order; `run` is the result so far, `running` the current task of each host."""

    def __init__(self, run: RunResult | None = None) -> None:
        self.run = run or RunResult()
        self.running: dict[str, RunningTask] = {}
        self.output: list[str] = []
        self.playbook = ""
        self._hosts: dict[str, HostResult] = {}
        self._open: dict[str, tuple[StageResult, _Clock]] = {}
        self._at = 0.0

    @property
    def verifying(self) -> bool:
        """Whether the playbook is verify.yml."""
        return PurePath(self.playbook).stem.rpartition(".")[2] == "verify" or self.playbook.endswith(".verify")

    def stage_of(self, host: str) -> str:
        """The stage a host is in; empty between stages."""
        if host in self._open:
            return self._open[host][0].stage
        return "verify" if self.verifying else ""

    def feed(self, event: dict[str, Any]) -> None:
        """Take one event of ansible-runner."""
        kind, data = event.get("event", ""), event.get("event_data") or {}
        at = self._at = _unix(event.get("created")) or self._at
        if kind == "playbook_on_start":
            self.playbook = data.get("playbook", "")
            self.output.clear()
        elif kind == "runner_on_start":
            self.running[data["host"]] = RunningTask(data.get("task") or "", _action(data), at)
        elif kind in RESULTS:
            self._result(kind, data, at)
        elif kind == "playbook_on_stats":
            self._stats(data)
        elif not kind.startswith(("runner_", "playbook_")):
            self._output(event.get("stdout") or "", at)

    def _output(self, stdout: str, at: float) -> None:
        for line in redact.plain(stdout).splitlines():
            if line.startswith(PROGRESS):
                self._progress(line.removeprefix(PROGRESS), at)
            elif line.strip():
                self.output = [*self.output, redact.text(line.rstrip())][-LAST_LINES:]

    def _progress(self, text: str, at: float) -> None:
        try:
            record = json.loads(text)
            done, total = (float(record.get(key) or 0) for key in ("done", "total"))
            left = None if record.get("seconds_left") is None else float(record["seconds_left"])
            task = self.running[record["host"]]
        except (ValueError, TypeError, KeyError, AttributeError):
            return
        label = str(record.get("label") or task.name)
        before = task.progress
        since = task.started if before is None else before.since if before.label == label else at
        task.progress = Progress(label, str(record.get("text") or label), done, total, since, left)

    def _host(self, name: str) -> HostResult:
        if name not in self._hosts:
            known = next((host for host in self.run.hosts if host.name == name), None)
            if known is None:
                known = HostResult(name)
                self.run.hosts.append(known)
            self._hosts[name] = known
        return self._hosts[name]

    def _result(self, kind: str, data: dict[str, Any], at: float) -> None:
        host, res, action = self._host(data["host"]), data.get("res") or {}, _action(data)
        self.running.pop(host.name, None)
        begun = _unix(data.get("start")) or at
        if kind in ("runner_on_failed", "runner_on_unreachable"):
            if not data.get("ignore_errors"):
                self._failed(host, res, data, action, at, kind == "runner_on_unreachable")
        elif kind == "runner_on_ok" and action == "codetr_validate":
            self.run.warnings = list(dict.fromkeys([*self.run.warnings, *(redact.text(str(one)) for one in res.get("warnings") or [])]))
        elif kind == "runner_on_ok" and not self.verifying:
            if action == "codetr_plan" and isinstance(res.get("plan"), dict):
                self._plan(host, res["plan"], begun, at)
            elif action == "codetr_stage" and isinstance(res.get("stage"), dict):
                self._stage(host, res, begun, at)
        if host.name in self._open:
            stage, clock = self._open[host.name]
            clock.last = max(clock.last, at)
            stage.seconds = round(clock.last - clock.started, 3)
        if action == "codetr_confirm" and res.get("confirmed") and kind == "runner_on_ok":
            self._close(host.name)

    def _plan(self, host: HostResult, plan: dict[str, Any], begun: float, at: float) -> None:
        self._close(host.name)
        warnings = [*(plan.get("warnings") or []), *(plan.get("waits") or [])]
        host.warnings = list(dict.fromkeys([*host.warnings, *(redact.text(_sentence(one)) for one in warnings)]))
        host.problems = [redact.text(_sentence(one)) for one in plan.get("problems") or []]
        recheck = any(stage.stage == "plan" for stage in host.stages)
        host.stack = str(plan.get("stack") or host.stack)
        host.stack_reason = str(plan.get("stack_reason") or host.stack_reason)
        ahead = [stage for stage in host.stages if stage.status == "not run"]
        if recheck:
            host.stages = [stage for stage in host.stages if stage.status != "not run"]
        else:
            ahead = [_stage_result({"stage": name, **stage}, "not run") for name, stage in (plan.get("stages") or {}).items()]
        first = StageResult("recheck" if recheck else "plan", "check", host.stack_reason, "" if recheck else host.stack)
        host.stages += [first, *ahead]
        self._open[host.name] = (first, _Clock(begun, at))

    def _stage(self, host: HostResult, res: dict[str, Any], begun: float, at: float) -> None:
        self._close(host.name)
        stage = _stage_result(res["stage"], "running")
        stage.todo = bool(res.get("todo", stage.todo))
        place = next((n for n, old in enumerate(host.stages) if old.stage == stage.stage and old.status == "not run"), len(host.stages))
        host.stages[place:place + 1] = [stage]
        self._open[host.name] = (stage, _Clock(begun, at))

    def _failed(self, host: HostResult, res: dict[str, Any], data: dict[str, Any], action: str, at: float, unreachable: bool) -> None:
        if action == "codetr_plan" and isinstance(res.get("plan"), dict):
            self._plan(host, res["plan"], _unix(data.get("start")) or at, at)
        named = res.get("stage") if action == "codetr_stage" else None
        stage = (named or {}).get("stage") if isinstance(named, dict) else None
        if action == "codetr_plan" and host.name in self._open and self._open[host.name][0].stage not in ("plan", "recheck"):
            self._close(host.name)
        if action == "codetr_plan" and host.name not in self._open and not self.verifying:
            self._plan(host, {}, _unix(data.get("start")) or at, at)
        if not stage:
            stage = "plan" if action == "codetr_validate" else self.stage_of(host.name)
        host.failure = Failure(host.name, data.get("task") or "", redact.text(_message(res)), stage, unreachable)

    def _close(self, host: str) -> None:
        if host in self._open:
            stage, _ = self._open.pop(host)
            stage.status = "done"

    def _stats(self, data: dict[str, Any]) -> None:
        lost = {*(data.get("failures") or {}), *(data.get("dark") or {})}
        for host in self.run.hosts:
            if host.name not in lost and host.name in (data.get("processed") or {}):
                host.failure = None  # a block rescued it, so Ansible counts the host as good
            if host.failure is not None and host.name in self._open:
                self._open.pop(host.name)[0].status = "failed"
            self._close(host.name)
        self.running.clear()

    def finish(self, interrupted: bool = False) -> RunResult:
        """Close the stages that never ended."""
        for stage, clock in self._open.values():
            stage.status = "interrupted" if interrupted else "failed"
            stage.seconds = round(max(clock.last, self._at) - clock.started, 3)
        self._open.clear()
        self.running.clear()
        self.run.interrupted = self.run.interrupted or interrupted
        return self.run


def reduce_events(events: Iterable[dict[str, Any]]) -> RunResult:
    """The result of a whole list of events."""
    reducer = Reducer()
    for event in events:
        reducer.feed(event)
    return reducer.finish()


def _stage_result(stage: dict[str, Any], status: Any) -> StageResult:
    action = str(stage.get("action") or "")
    return StageResult(
        stage=str(stage.get("stage") or ""), action=action, reason=redact.text(str(stage.get("reason") or "")),
        version=redact.text(str(stage.get("version") or "")), stand_in=bool(stage.get("stand_in")),
        todo=bool(stage.get("todo", action not in ("keep", "skip"))), status=status, sources=stage.get("sources"),
    )


def _action(data: dict[str, Any]) -> str:
    """The last part of the action's name: `codetr_stage` whether called by its full name or not."""
    return str(data.get("resolved_action") or data.get("task_action") or "").rpartition(".")[2]


def _sentence(one: Any) -> str:
    """The text of a warning, or message and fix of a problem."""
    if isinstance(one, dict):
        return " ".join(str(one[key]) for key in ("message", "fix") if one.get(key))
    return str(one)


def _message(res: dict[str, Any]) -> str:
    """The message of a failed task, with those of its loop's items and the last output of a command."""
    if res.get("_ansible_no_log") or res.get("censored"):
        return "The details are hidden, because the task handles a secret (no_log)."
    parts = [str(res.get("msg") or "").removeprefix("Task failed: ").removeprefix("Action failed: ")]
    failed = [item for item in res.get("results") or [] if isinstance(item, dict) and item.get("failed")]
    parts += [f"{item.get('item', '')}: {_message(item)}" for item in failed]
    for key in ("stderr", "module_stderr"):
        tail = redact.plain(str(res.get(key) or "")).strip().splitlines()[-8:]
        if tail and tail[-1] not in parts[0]:
            parts.append("\n".join(tail))
    return "\n".join(part for part in parts if part) or "The task failed and gave no reason."


def _unix(stamp: str | None) -> float:
    """An ISO 8601 time as a Unix time; 0.0 when there is none."""
    return datetime.fromisoformat(stamp).timestamp() if stamp else 0.0
