"""Wait for a long job on a host and report its progress."""

from __future__ import annotations

import json
import os
import re
import shlex
import time
from pathlib import PurePosixPath
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.codetr.provision.plugins.plugin_utils import progress
from ansible_collections.codetr.provision.plugins.plugin_utils.failure import failure

# Asking costs a process on both sides, so that a long job is asked less often; what is lost at its end is a tenth of its time at most.
POLL_SECONDS = (1.0, 5.0)
POLL_SHARE = 0.1
# The console command shows progress this often, ansible-playbook every ten seconds.
RECORD_SECONDS = 2.0
LINE_SECONDS = 10.0
# The message of async_status for a job whose file is gone, which it calls finished.
NO_JOB = "could not find job"
# The console command sets this to get records instead of lines.
FORMAT_VARIABLE = "CODETR_PROVISION_PROGRESS"


def pause(elapsed: float, longest: float) -> float:
    """Seconds until a job is asked again that has been waited for so long."""
    return min(longest, max(POLL_SECONDS[0], POLL_SHARE * elapsed))


class ActionModule(ActionBase):
    """Polls until the job has ended and returns its result."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The job's own result; in check mode nothing was started, and nothing is waited for."""
        result = super().run(tmp, task_vars)
        variables = task_vars or {}
        text = {"type": "str"}
        spec = {
            "job": {"type": "dict", "required": True},
            "label": {"type": "str", "required": True},
            "log": text,
            "progress": text,
            "count": text,
            "total": {"type": "int"},
            "then": text,
            "progress_file": text,
            "progress_folder": text,
            "gone_ok": {"type": "bool", "default": False},
        }
        gone_ok = self.validate_argument_spec(argument_spec=spec)[1]["gone_ok"]
        job = self._task.args["job"]
        if job.get("skipped") or "ansible_job_id" not in job:
            return {**result, "skipped": True, "changed": False}
        self._host, self._last = str(variables.get("inventory_hostname")), 0.0
        self._report = progress.Report(self._task.args["label"], bool(self._task.args.get("progress_folder")))
        status = self._wait(job, variables)
        if status is None:
            if gone_ok:
                return {**result, "changed": False, "gone": True}
            raise AnsibleActionFail(
                f"{self._task.args['label']}: the job on the host is gone: it was killed, or the host was restarted. "
                "Run again; what is half done is done again."
            )
        for key in ("ansible_job_id", "results_file", "started", "finished", "stdout_lines", "stderr_lines"):
            status.pop(key, None)
        if status.get("failed"):
            raise failure(str(status.get("msg") or status.get("module_stderr") or status), {**result, **status})
        return {**result, **status, **({"gone": False} if gone_ok else {})}

    def _wait(self, job: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any] | None:
        """The job's result, or None when its process is gone."""
        dead, begun, records = False, time.monotonic(), FORMAT_VARIABLE in os.environ
        while True:
            status = self._execute_module(
                "ansible.builtin.async_status",
                {"jid": job["ansible_job_id"], "mode": "status", "_async_dir": str(PurePosixPath(job["results_file"]).parent)},
                task_vars=variables,
            )
            if status.get("failed") and status.get("msg") == NO_JOB:
                return None
            if status.get("finished"):
                return dict(status)
            # The process was gone before this request for the result, which therefore never comes.
            if dead:
                return None
            now = time.monotonic()
            if now - self._last >= (RECORD_SECONDS if records else LINE_SECONDS):
                self._last = now
                dead = not self._alive(job["ansible_job_id"])
                self._print()
            time.sleep(pause(now - begun, RECORD_SECONDS if records else POLL_SECONDS[1]))

    def _alive(self, job_id: str) -> bool:
        """Whether the job's supervisor is among the host's processes; its command line has the job's number."""
        number = job_id.partition(".")[0]
        # The brackets keep the pattern from finding the command that it stands in.
        pattern = f"{number[:-1]}[{number[-1]}]"
        answer = self._low_level_execute_command(f"grep -slae {shlex.quote(pattern)} /proc/[0-9]*/cmdline || true")
        return bool((answer.get("stdout") or "").strip())

    def _print(self) -> None:
        items, then = self._items(), self._task.args.get("then")
        if then and items and all(item.complete for item in items):
            # What was counted is done, and the job goes on with something that cannot be.
            if self._report.label != then:
                self._report = progress.Report(then)
            items = []
        lines, record = self._report.update(time.monotonic(), items)
        if os.environ.get(FORMAT_VARIABLE) == "json":
            lines = [] if record is None else ["codetr-progress " + json.dumps({"host": self._host, **record})]
        else:
            lines = [f"  [{self._host}] {line}" for line in lines]
        for line in lines:
            self._display.display(line)

    def _items(self) -> list[progress.Item]:
        """The parts of the job and how far each is; empty while there are no figures."""
        args = self._task.args
        if args.get("progress_folder"):
            folder = shlex.quote(args["progress_folder"])
            return progress.parse_folder(self._output(f'for f in {folder}/*.json; do printf "%s\\t" "$f"; cat "$f"; done 2>/dev/null'))
        if args.get("progress_file"):
            item = progress.parse("", self._output(f"head -c 8192 {shlex.quote(args['progress_file'])} 2>/dev/null"))
            return [item] if item else []
        if not args.get("log"):
            return []
        log = shlex.quote(args["log"])
        if args.get("count"):
            digits = self._output(f"grep -cF -- {shlex.quote(args['count'])} {log} 2>/dev/null").strip()
            found = [(digits, args["total"])] if digits.isdigit() and int(digits) else []
        else:
            found = re.findall(args["progress"], self._output(f"tail -c 8192 {log} 2>/dev/null")) if args.get("progress") else []
        done, total = (float(found[-1][0]), float(found[-1][1])) if found else (0.0, 0.0)
        return [progress.Item("", "", min(done, total), total)] if total > 0 else []

    def _output(self, command: str) -> str:
        return str(self._low_level_execute_command(f"{command} || true").get("stdout") or "")
