"""The command line: `codetr-provision up`, `codetr-provision report`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from codetr_provision import __version__, redact, report, summary
from codetr_provision.model import Upstream, load
from codetr_provision.project import UsageError, find
from codetr_provision.runner import Options
from codetr_provision.up import Request, up

EXIT_CODES = """exit codes: 0 success, 1 a host or its verification failed, 2 wrong usage, 3 hosts unreachable,
130 interrupted"""
LOG_COLUMNS = 140


def parser() -> argparse.ArgumentParser:
    """The command line's parser."""
    top = argparse.ArgumentParser(prog="codetr-provision", description="From a bare machine to a trained detector.", epilog=EXIT_CODES)
    top.add_argument("--version", action="version", version=f"codetr-provision {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser("up", help="provision the hosts, then verify them", epilog=EXIT_CODES)
    run.add_argument("-i", "--inventory", action="append", default=[], help="inventory file, folder, or host list with a comma; repeatable")
    run.add_argument("-e", "--extra-vars", action="append", default=[], metavar="KEY=VALUE|@FILE", help="an option; repeatable")
    run.add_argument("-l", "--limit", help="only these hosts")
    run.add_argument("-C", "--check", action="store_true", help="change nothing; show what a run would do (verifies nothing)")
    run.add_argument("--no-verify", dest="verify", action="store_false", help="do not run playbooks/verify.yml afterwards")
    run.add_argument("--report", type=Path, default=Path("report"), metavar="DIR", help="folder for the pages and run.json [report]")
    run.add_argument("--upstreams", type=Path, metavar="FILE", help="JSON list of {name, url, kind: real or stand-in, why, stage}")
    run.add_argument("-t", "--tags", help="only these tags of site.yml")
    run.add_argument("--skip-tags", help="all but these tags of site.yml")
    run.add_argument("-f", "--forks", type=_positive, metavar="N", help="how many hosts at once")
    run.add_argument("-v", "--verbose", action="count", default=0, help="show Ansible's own output too; repeat for more")
    run.add_argument("--become-password-file", type=Path, metavar="F", help="file with the sudo password")
    run.add_argument("--project", metavar="DIR", help="checkout to run [the one this command belongs to, else the installed collection]")
    rewrite = commands.add_parser("report", help="write the pages again from a run.json")
    rewrite.add_argument("run_json", type=Path, metavar="RUN_JSON")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    given = parser().parse_args(arguments)
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = LOG_COLUMNS
    try:
        if given.command == "report":
            return _report(given.run_json, console)
        run = up(_request(given, arguments), console)
    except UsageError as error:
        Console(stderr=True, highlight=False).print(Text(f"codetr-provision: {error}"), soft_wrap=True)
        return 2
    return run.exit_code


def _report(path: Path, console: Console) -> int:
    try:
        run = report.read_run(path)
        page = report.write(run, path.parent)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be rendered: {error}. Give the run.json that `codetr-provision up` wrote.") from error
    summary.show(console, run)
    console.print(Text(f"Report: {page}"), soft_wrap=True)
    return 0


def _request(given: argparse.Namespace, arguments: list[str]) -> Request:
    project = find(given.project)
    if given.become_password_file is not None and not given.become_password_file.is_file():
        raise UsageError(f"--become-password-file {given.become_password_file}: there is no such file.")
    options = Options(
        inventory=[_inventory(one) for one in given.inventory], extra_vars=[_extra_vars(one) for one in given.extra_vars],
        limit=given.limit, check=given.check, tags=given.tags, skip_tags=given.skip_tags, forks=given.forks, verbosity=given.verbose,
        become_password_file=str(given.become_password_file.resolve()) if given.become_password_file else None,
    )
    _writable(given.report)
    return Request(
        project=project, options=options, verify=given.verify and not given.check, report=given.report.resolve(),
        upstreams=_upstreams(given.upstreams) if given.upstreams else [], command=redact.command(["codetr-provision", *arguments]),
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of 1 or more, not {text}")
    return int(text)


def _inventory(text: str) -> str:
    if "," in text:
        return text
    path = Path(text).expanduser()
    if not path.exists():
        raise UsageError(f"-i {text}: there is no such file. A host list needs a comma: -i {text},")
    return str(path.resolve())


def _extra_vars(text: str) -> str:
    if text.startswith("@"):
        path = Path(text[1:]).expanduser()
        if not path.is_file():
            raise UsageError(f"-e {text}: there is no file {text[1:]}.")
        return f"@{path.resolve()}"
    if "=" not in text and not text.lstrip().startswith(("{", "[")):
        raise UsageError(f"-e {text}: expected KEY=VALUE, @FILE or a JSON object.")
    return text


def _writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / "run.json"
        probe.touch()
        if not probe.stat().st_size:
            probe.unlink()
    except OSError as error:
        raise UsageError(f"--report {folder} cannot be written to: {error.strerror}. Give another folder.") from error


def _upstreams(path: Path) -> list[Upstream]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, list):
            raise ValueError("it must be a list")
        found = [load(Upstream, one, f"entry {number}") for number, one in enumerate(data, 1)]
    except (OSError, ValueError) as error:
        raise UsageError(f"--upstreams {path} cannot be used: {error}.") from error
    for upstream in found:
        upstream.url = redact.text(upstream.url)
    return found
