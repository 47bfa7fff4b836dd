"""Show a run while it goes on: a live line per host on a terminal, timestamped lines in a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from codetr_provision import redact, wording
from codetr_provision.model import RunResult, StageResult
from codetr_provision.reducer import PROGRESS, Reducer, RunningTask

SLOW_SECONDS = 15.0
STAGE_WIDTH = 15  # of the longest name, nvidia_driver, and a gap
STAGE_STYLE = {"done": "green", "failed": "bold red", "running": "cyan", "interrupted": "yellow", "not run": "dim"}


class Display:
    """Prints each finished stage and failure once; `tick`, called every second, reports tasks that take long."""

    def __init__(self, console: Console, reducer: Reducer, verbose: int = 0, clock: Callable[[], float] = time.time) -> None:
        self.console, self.reducer, self.verbose, self.clock = console, reducer, verbose, clock
        self._printed: set[tuple[str, int]] = set()
        self._failed: set[str] = set()
        self._slow: dict[tuple[str, str, float], float] = {}
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick_forever, daemon=True)

    def __enter__(self) -> Display:
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._ticker.join()

    def _tick_forever(self) -> None:
        while not self._stop.wait(1.0):
            self.tick()

    def say(self, text: str | Text, host: str = "", style: str = "") -> None:
        """Print one line: the time, the host, the text."""
        line = Text(datetime.fromtimestamp(self.clock()).strftime("%H:%M:%S  "), style="dim")
        if host:
            line.append(f"{host}  ", style="bold not dim")
        line.append_text(text if isinstance(text, Text) else Text(text, style=style or "not dim"))
        self.console.print(line, soft_wrap=True)

    def feed(self, event: dict[str, Any]) -> None:
        """Take one event: update the result and print what is new."""
        with self._lock:
            self.reducer.feed(event)
            if self.verbose:
                for line in redact.plain(event.get("stdout") or "").splitlines():
                    if line.strip() and not line.startswith(PROGRESS):
                        self.console.print(Text(redact.text(line), style="dim"), soft_wrap=True)
            self._print_news()

    def _print_news(self) -> None:
        run = self.reducer.run
        for host in run.hosts:
            for stage in host.stages:
                if stage.status in ("done", "failed", "interrupted") and (host.name, id(stage)) not in self._printed:
                    self._printed.add((host.name, id(stage)))
                    self.say(_stage_line(stage, run.check), host.name)
            if host.failure is not None and host.name not in self._failed:
                self._failed.add(host.name)
                failure = host.failure
                outcome = "unreachable" if failure.unreachable else f"failed: {failure.task}"
                self.say(f"{outcome}: {failure.message.splitlines()[0]}", host.name, "bold red not dim")

    def tick(self) -> None:
        """Print, every 15 s, what is still running."""
        with self._lock:
            now = self.clock()
            alive = {(host, task.name, task.started): task for host, task in self.reducer.running.items()}
            self._slow = {key: at for key, at in self._slow.items() if key in alive}
            for key, task in alive.items():
                if now - self._slow.get(key, task.started) >= SLOW_SECONDS:
                    self._slow[key] = now
                    stage = self.reducer.stage_of(key[0])
                    self.say(describe(task, now, stage), key[0], "not dim")


class LiveDisplay(Display):
    """The same lines, and below them one line for each host with what it is doing."""

    def __init__(self, console: Console, reducer: Reducer, verbose: int = 0, clock: Callable[[], float] = time.time) -> None:
        super().__init__(console, reducer, verbose, clock)
        self._begun = clock()
        self._spinner = Spinner("dots", style="cyan")
        self._live = Live(console=console, get_renderable=self.render, refresh_per_second=4, transient=True)

    def __enter__(self) -> LiveDisplay:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def render(self) -> RenderableType:
        """The live part."""
        with self._lock:
            now = self.clock()
            table = Table.grid(padding=(0, 2), expand=True)
            for _ in range(3):
                table.add_column(no_wrap=True)
            table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
            table.add_column(no_wrap=True)
            table.add_column(no_wrap=True)
            for host, task in list(self.reducer.running.items())[: max(1, self.console.height - 4)]:
                took = now - (task.progress.since if task.progress else task.started)
                pace = Text(wording.seconds(took), style="yellow" if took >= SLOW_SECONDS else "")
                stage = self.reducer.stage_of(host)
                doing = Text(_doing(task, stage))
                table.add_row(self._spinner, Text(host, style="bold"), Text(stage, style="cyan"), doing, _bar(task), pace)
            if not self.reducer.running:
                return Text("Waiting for Ansible ...", style="dim")
            hosts = wording.count(len(self.reducer.run.hosts), "host")
            begun = self._begun = min([self._begun, *(task.started for task in self.reducer.running.values())])
            what = "Verifying" if self.reducer.verifying else "Provisioning"
            return Group(Text(f"\n{what} {hosts} ({wording.seconds(now - begun)})", style="dim"), table)


def _bar(task: RunningTask) -> RenderableType:
    progress = task.progress
    if progress is None or progress.share is None:
        return ""
    row = Table.grid(padding=(0, 1))
    row.add_row(ProgressBar(total=1.0, completed=progress.share, width=20), f"{progress.share:4.0%}", wording.left(progress.seconds_left))
    return row


def _doing(task: RunningTask, stage: str) -> str:
    """What a task is doing, without the stage's name where it begins with that."""
    return task.progress.text.removeprefix(f"{stage}: ") if task.progress else wording.doing(task.name)


def describe(task: RunningTask, now: float, stage: str = "") -> str:
    """A running task in one line: the stage, what is being done, how far, for how long, how much longer."""
    since, left = (task.progress.since, task.progress.seconds_left) if task.progress else (task.started, None)
    times = ", ".join(part for part in (wording.seconds(now - since), wording.left(left)) if part)
    return f"{f'{stage}: ' if stage else ''}{_doing(task, stage)} ({times})"


def _stage_line(stage: StageResult, check: bool) -> Text:
    line = Text(f"{stage.stage:<{STAGE_WIDTH}}", style=f"{STAGE_STYLE[stage.status]} not dim")
    line.append(f"{stage.outcome(check):<15}", style="not dim" if stage.todo else "")
    line.append(f"{wording.seconds(stage.seconds):>11}  ")
    line.append("  ".join(part for part in (stage.version, "" if stage.todo else stage.reason) if part), style="not dim")
    if stage.stand_in:
        line.append("  (stand-in)", style="yellow not dim")
    return line


def make(console: Console, run: RunResult, verbose: int) -> Display:
    """The display that suits the console."""
    return (LiveDisplay if console.is_terminal else Display)(console, Reducer(run), verbose)
