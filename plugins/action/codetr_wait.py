"""Wait for a long job on a host, and say how far it is."""

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

DOCUMENTATION = r"""
name: codetr_wait
short_description: Wait for a long job on a host, and say how far it is
description:
  - Polls a task that was started with async and poll 0.
  - The terminal gets a line when the figures change, every ten seconds at most.
options:
  job:
    description: What the task registered.
    type: dict
    required: true
  label:
    description: What the line calls the job.
    type: str
    required: true
  log:
    description: File on the host that the job writes to.
    type: str
  progress:
    description: Regular expression on the end of O(log), with two groups, done and total. The last match counts.
    type: str
  count:
    description: Text whose lines in O(log) are counted, as what is done of O(total).
    type: str
  total:
    description: How many lines with O(count) there will be.
    type: int
  progress_file:
    description: File on the host that holds JSON with C(done) and C(total), instead of O(log) and O(progress).
    type: str
author: codetr-provision
"""

POLL_SECONDS = 2.0
LINE_SECONDS = 10.0
# The console command sets this and draws a bar from lines that a program can read.
FORMAT_VARIABLE = "CODETR_PROVISION_PROGRESS"


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
            "progress_file": text,
        }
        self.validate_argument_spec(argument_spec=spec)
        job = self._task.args["job"]
        if job.get("skipped") or "ansible_job_id" not in job:
            return {**result, "skipped": True, "changed": False}
        self._host, self._said, self._last = str(variables.get("inventory_hostname")), "", 0.0
        while True:
            status = self._execute_module(
                "ansible.builtin.async_status",
                {"jid": job["ansible_job_id"], "mode": "status", "_async_dir": str(PurePosixPath(job["results_file"]).parent)},
                task_vars=variables,
            )
            if status.get("finished"):
                break
            if status.get("failed") and "started" not in status:
                raise AnsibleActionFail(
                    f"{self._task.args['label']}: the job on the host is gone: {status.get('msg', status)}. "
                    "Run again; what is half done is done again."
                )
            self._tell()
            time.sleep(POLL_SECONDS)
        for key in ("ansible_job_id", "results_file", "started", "finished", "stdout_lines", "stderr_lines"):
            status.pop(key, None)
        if status.get("failed"):
            raise AnsibleActionFail(str(status.get("msg") or status.get("module_stderr") or status), result={**result, **status})
        return {**result, **status}

    def _tell(self) -> None:
        figures = self._figures()
        if not figures or time.monotonic() - self._last < (POLL_SECONDS if FORMAT_VARIABLE in os.environ else LINE_SECONDS):
            return
        done, total = figures
        line = f"{done:g}/{total:g}"
        if line == self._said:
            return
        self._said, self._last = line, time.monotonic()
        label = self._task.args["label"]
        if os.environ.get(FORMAT_VARIABLE) == "json":
            self._display.display(
                "codetr-progress " + json.dumps({"host": self._host, "label": label, "done": done, "total": total, "text": line})
            )
        else:
            self._display.display(f"  [{self._host}] {label}: {_amount(done, total)} ({100 * done / total:.0f} %)")

    def _figures(self) -> tuple[float, float] | None:
        """How much is done of how much, or None while the job does not tell."""
        args = self._task.args
        path = args.get("progress_file") or args.get("log")
        if not path:
            return None
        if args.get("count"):
            answer = self._low_level_execute_command(f"grep -cF -- {shlex.quote(args['count'])} {shlex.quote(path)} 2>/dev/null || true")
            digits = (answer.get("stdout") or "").strip()
            return (min(float(digits), float(args["total"])), float(args["total"])) if digits.isdigit() and int(digits) else None
        answer = self._low_level_execute_command(f"tail -c 8192 {shlex.quote(path)} 2>/dev/null || true")
        text = answer.get("stdout") or ""
        if args.get("progress_file"):
            try:
                data = json.loads(text)
                done, total = float(data["done"]), float(data["total"])
            except (ValueError, KeyError, TypeError):
                return None
        else:
            found = re.findall(args["progress"], text) if args.get("progress") else []
            if not found:
                return None
            done, total = float(found[-1][0]), float(found[-1][1])
        return (done, total) if total > 0 else None


def _amount(done: float, total: float) -> str:
    return f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if total > 1e5 else f"{done:g} of {total:g}"
