"""`codetr-provision up`: provision, verify, show, report."""

from __future__ import annotations

import platform
import tempfile
from dataclasses import dataclass, replace
from datetime import datetime
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.text import Text

from codetr_provision import __version__, report, summary
from codetr_provision.display import Display, make
from codetr_provision.model import RunResult, Upstream
from codetr_provision.project import Project
from codetr_provision.runner import Interrupt, Options, Outcome, run_playbook

LOG = "ansible.log"


@dataclass(frozen=True)
class Request:
    """A validated command line: every path exists and is absolute."""

    project: Project
    options: Options
    verify: bool
    report: Path
    upstreams: list[Upstream]
    command: str


def up(request: Request, console: Console) -> RunResult:
    """Run everything, print the summary, write the report. Its exit code is `RunResult.exit_code`."""
    begun = datetime.now().astimezone()
    run = RunResult(
        started=begun.isoformat(timespec="seconds"), command=request.command, check=request.options.check, verify=request.verify,
        versions=_versions(), upstreams=request.upstreams,
    )
    with tempfile.TemporaryDirectory(prefix="codetr-provision-") as scratch:
        fetched = Path(scratch) / "reports"
        fetched.mkdir()
        display = make(console, run, request.options.verbosity)
        notice = "Stopping: waiting for Ansible to end. Interrupt again to stop at once."
        interrupt = Interrupt(lambda: display.say(notice, style="yellow not dim"))
        with interrupt.installed(), display:
            log = _run(request, display, interrupt, fetched)
        display.reducer.finish(interrupt.requested)
        # localhost appears for plays on the controller, too, which provision nothing.
        hosts = [host for host in run.hosts if host.stages or host.failure or host.name != "localhost"] or run.hosts
        run.hosts = sorted(hosts, key=lambda host: host.name)
        report.collect(run, fetched, request.report)
    ended = datetime.now().astimezone()
    run.finished, run.seconds = ended.isoformat(timespec="seconds"), round((ended - begun).total_seconds(), 1)
    console.print()
    summary.show(console, run)
    page = report.write(run, request.report)
    console.print(Text(f"\nReport: {page}"), soft_wrap=True)
    _keep_log(run, log, request.report / LOG, console)
    return run


def _run(request: Request, display: Display, interrupt: Interrupt, fetched: Path) -> str:
    """Both playbooks; returns what Ansible printed."""
    run = display.reducer.run
    outcome = run_playbook(request.project, "site", request.options, display.feed, interrupt)
    log = outcome.log
    _explain(run, outcome, display, "site.yml", interrupt)
    succeeded = [host.name for host in run.hosts if host.failure is None]
    if not request.verify or interrupt.requested or run.errors or not succeeded:
        return log
    # Tags choose stages of site.yml; a host that failed there is not verified.
    limit = ",".join(succeeded) if len(succeeded) < len(run.hosts) else request.options.limit
    extra = [*request.options.extra_vars, f"provision_report_dir={fetched}"]
    options = replace(request.options, limit=limit, extra_vars=extra, tags=None, skip_tags=None)
    display.say("Provisioned. Verifying.")
    outcome = run_playbook(request.project, "verify", options, display.feed, interrupt)
    _explain(run, outcome, display, "verify.yml", interrupt)
    return f"{log}\n{outcome.log}"


def _explain(run: RunResult, outcome: Outcome, display: Display, playbook: str, interrupt: Interrupt) -> None:
    """Record why Ansible failed when no host did; a run without hosts is an error."""
    if interrupt.requested:
        return
    if not run.hosts:
        output = "\n".join(display.reducer.output) or outcome.log.strip()
        run.errors.append(output or f"No host matched {playbook}: check the inventory and --limit.")
    elif outcome.code != 0 and all(host.failure is None for host in run.hosts):
        output = "\n".join(display.reducer.output) or "\n".join(outcome.log.strip().splitlines()[-20:])
        run.errors.append(f"{playbook} ended with exit code {outcome.code} although no host failed.\n{output}")


def _keep_log(run: RunResult, log: str, path: Path, console: Console) -> None:
    path.unlink(missing_ok=True)
    if run.good or not log.strip():
        return
    path.touch(mode=0o600)
    path.write_text(log + "\n", encoding="utf-8")
    console.print(Text(f"Ansible's output: {path}"), soft_wrap=True)


def _versions() -> dict[str, str]:
    own = {"codetr-provision": __version__}
    return own | {name: metadata.version(name) for name in ("ansible-core", "ansible-runner")} | {"python": platform.python_version()}
