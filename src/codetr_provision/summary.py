"""Print the end of a run: stages, checks, one sentence, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from codetr_provision import wording
from codetr_provision.display import STAGE_STYLE
from codetr_provision.model import HostResult, RunResult

CHECK_STYLE = {"ok": "green", "skipped": "dim"}


def show(console: Console, run: RunResult) -> None:
    """Print all of it."""
    if any(host.stages for host in run.hosts):
        console.print(_stages(run))
    if any(host.verify for host in run.hosts):
        console.print(_checks(run))
    for host in run.hosts:
        if host.verify:
            console.print(Text(f"{host.name}: {host.verify.reached}{_measured(host.verify.speed)}."))
        for warning in host.warnings:
            console.print(Text.assemble(("Warning", "yellow"), f" {host.name}: {warning}"))
    for warning in run.warnings:
        console.print(Text.assemble(("Warning", "yellow"), f" {warning}"))
    if run.stand_ins:
        console.print(Text(stand_in_sentence(run), style="yellow"))
    for title, message in troubles(run):
        console.print(Text(f"\n{title}", style="bold red"))
        console.print(Padding(Text(message), (0, 0, 0, 2), expand=False))
    console.print(Text(f"\n{sentence(run)}", style="bold green" if run.good else "bold red"))
    for step in next_steps(run):
        console.print(Padding(Text(step), (0, 0, 0, 2), expand=False))


def _stages(run: RunResult) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Stages", title_justify="left", title_style="bold")
    for name in ("Host", "Stage", "Planned" if run.check else "Outcome", "Version"):
        table.add_column(name, overflow="fold")
    table.add_column("Time", justify="right", no_wrap=True)
    table.add_column("Source")
    for host in run.hosts:
        for number, stage in enumerate(host.stages):
            style = STAGE_STYLE[stage.status] if stage.todo or stage.status != "done" else "dim"
            table.add_row(
                Text(host.name if number == 0 else "", style="bold"), Text(stage.stage), Text(stage.outcome(run.check), style=style),
                Text(stage.version), "" if stage.status == "not run" else wording.seconds(stage.seconds),
                Text(stage.source, style="yellow" if stage.stand_in else ""), end_section=number == len(host.stages) - 1,
            )
    return table


def _checks(run: RunResult) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Checks", title_justify="left", title_style="bold")
    for name in ("Host", "Level", "Check", "Result", "Detail"):
        table.add_column(name, overflow="fold")
    table.add_column("Time", justify="right", no_wrap=True)
    for host in run.hosts:
        checks = host.verify.checks if host.verify else []
        for number, check in enumerate(checks):
            begins = number == 0 or check.level != checks[number - 1].level
            table.add_row(
                Text(host.name if number == 0 else "", style="bold"), Text(check.level if begins else ""), Text(check.name),
                Text(check.status, style=CHECK_STYLE.get(check.status, "bold red")), Text(check.detail), wording.seconds(check.seconds),
                end_section=number == len(checks) - 1,
            )
    return table


def _measured(speed: dict[str, Any]) -> str:
    """The images per second of level speed, to follow a sentence; empty without it."""
    rate = speed.get("images_per_second")
    return f", {rate:.3g} images/s" if isinstance(rate, (int, float)) else ""


def stand_in_sentence(run: RunResult) -> str:
    """The banner: which stand-ins were used, and what that means."""
    return f"Stand-ins were used: {', '.join(run.stand_ins)}. This run proves the code path, not the real thing."


def troubles(run: RunResult) -> Iterator[tuple[str, str]]:
    """Everything that went wrong: a title and the whole message."""
    for error in run.errors:
        yield "Ansible could not run", error
    for host in run.hosts:
        if host.failure is not None:
            where = f", stage {host.failure.stage}" if host.failure.stage else ""
            unreachable = " is unreachable" if host.failure.unreachable else ""
            # The task that fails after a failed verification says less than the checks below.
            if not (host.failure.stage == "verify" and host.verify is not None and host.verify.failed):
                yield f"{host.name}{unreachable}{where}: {host.failure.task}", host.failure.message
        for problem in host.problems:
            if host.failure is None or problem not in host.failure.message:
                yield f"{host.name}, problem", problem
        yield from _check_troubles(host, run)
        for check in host.data.failed if host.data else []:
            yield f"{host.name}, data, check {check.name}", check.detail


def _check_troubles(host: HostResult, run: RunResult) -> Iterator[tuple[str, str]]:
    for check in host.verify.failed if host.verify else []:
        lines = [check.detail, check.message, check.fix and f"Fix: {check.fix}"]
        yield f"{host.name}, check {check.name}", "\n".join(line for line in lines if line)
    if host.verify is not None and not host.verify.good and not host.verify.failed:
        yield f"{host.name}, verify", "verify.json reports that verify did not pass, or holds no check that passed; see the host's report."
    if run.verify and host.verify is None and host.failure is None and not run.interrupted and not run.errors:
        yield f"{host.name}, verify", "This host returned no verify.json, so nothing proves that it works."


def sentence(run: RunResult) -> str:
    """The whole run in one sentence."""
    took = wording.seconds(run.seconds)
    if run.interrupted:
        return f"Interrupted after {took}."
    if not run.hosts:
        return f"Nothing ran on any host ({took})."
    hosts = wording.count(len(run.hosts), "host")
    bad = [host.name for host in run.hosts if not host.good or (run.verify and host.verify is None)]
    if bad and len(run.hosts) == 1:
        return f"{bad[0]} failed after {took}."
    if bad:
        return f"{len(bad)} of {hosts} failed after {took}: {', '.join(bad)}."
    if run.errors:
        return f"The run failed after {took}."
    changed = sum(stage.todo for host in run.hosts for stage in host.stages)
    stages = wording.count(changed, "stage")
    if run.check:
        return f"Check of {hosts} in {took}: " + (f"a run would change {stages}." if changed else "all is in place.")
    levels = {host.verify.level_passed for host in run.hosts if host.verify} - {""}
    verified = f" and verified{f' (level {levels.pop()})' if len(levels) == 1 else ''}" if run.verify else ", not verified"
    return f"{hosts} ready{verified} in {took}; {f'{stages} changed' if changed else 'nothing changed'}."


def next_steps(run: RunResult) -> Iterator[str]:
    """What to do next after a run that was not good."""
    if run.good:
        return
    if run.interrupted:
        yield "Run the same command again: it continues where it stopped, and finished work is kept."
        return
    unreachable = [host.name for host in run.hosts if host.unreachable]
    if unreachable:
        yield f"Unreachable: {', '.join(unreachable)}. Check that the address, user and key in the inventory work with plain ssh."
    if any(host.failure is None and host.verify is not None and not host.verify.good for host in run.hosts):
        yield "Verification failed on a provisioned host; its failed checks say why."
    bad_data = [host.name for host in run.hosts if host.data is not None and host.data.failed]
    if bad_data:
        yield f"Fix the data on {', '.join(bad_data)}: data.html lists the failed checks."
    if not run.hosts:
        yield "Nothing was changed. Check that the inventory and --limit name the intended hosts, then run again."
        return
    yield "After fixing this, run the same command again: finished work is kept."
