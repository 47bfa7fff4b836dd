"""Waiting for a job on a host: what is printed meanwhile, and a job whose process is gone."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.codetr.provision.plugins.action import codetr_wait
from ansible_collections.codetr.provision.plugins.plugin_utils import progress
from ansible_collections.codetr.provision.plugins.plugin_utils.progress import Item

JOB = {"ansible_job_id": "j123456.789", "results_file": "/root/.ansible_async/j123456.789"}
FINISHED = {"finished": 1, "started": 1, "changed": True, "parts": 5}
UNFINISHED = {"finished": 0, "started": 1}


class Waiting(codetr_wait.ActionModule):
    """The action with a host that answers from a script: a list gives one answer each time, and at last nothing."""

    def __init__(self, statuses: list[dict[str, Any]], answers: dict[str, str | list[str]], **args: Any) -> None:
        self.statuses, self.answers, self.lines, self.commands = statuses, answers, list[str](), list[str]()
        self._task = SimpleNamespace(args={"job": JOB, "label": "stage: the work", **args})
        self._display = SimpleNamespace(display=self.lines.append)

    def validate_argument_spec(self, argument_spec: Any) -> Any:
        return None, {"gone_ok": self._task.args.get("gone_ok", False)}

    def _execute_module(self, name: str, args: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        assert args["jid"] == JOB["ansible_job_id"]
        return self.statuses.pop(0)

    def _low_level_execute_command(self, command: str) -> dict[str, Any]:
        self.commands.append(command)
        answer = next((answer for part, answer in self.answers.items() if part in command), "")
        return {"stdout": answer if isinstance(answer, str) else answer.pop(0) if answer else ""}


ALIVE: dict[str, str | list[str]] = {"/proc/": "/proc/77/cmdline\n"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codetr_wait, "pause", lambda elapsed, longest: 0.0)
    monkeypatch.setattr(codetr_wait, "RECORD_SECONDS", 0.0)
    monkeypatch.setattr(codetr_wait, "LINE_SECONDS", 0.0)
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})
    monkeypatch.delenv(codetr_wait.FORMAT_VARIABLE, raising=False)


def run(waiting: Waiting) -> dict[str, Any]:
    return waiting.run(task_vars={"inventory_hostname": "gpu-1"})


def folder(**files: dict[str, Any]) -> str:
    lines = ((name.replace("__", "."), json.dumps({"unit": "bytes", **data})) for name, data in files.items())
    return "".join(f"/data/.codetr/progress/{name}.json\t{data}\n" for name, data in lines)


ARRIVING = folder(
    val__fetch={"phase": "done", "done": 8e8, "total": 8e8, "rate": None},
    train__fetch={"phase": "download", "done": 4e9, "total": 19e9, "rate": 3e8},
    train__extract={"phase": "extract", "done": 1e9, "total": 19e9, "rate": 1e8},
    lvis__fetch={"phase": "download", "done": 0, "total": 3e8, "rate": None},
)


def test_each_part_in_progress_gets_a_line_with_share_and_pace() -> None:
    waiting = Waiting([UNFINISHED, FINISHED], {**ALIVE, "progress": ARRIVING}, progress_folder="/data/.codetr/progress")
    assert run(waiting)["parts"] == 5
    assert waiting.lines == [
        "  [gpu-1] stage: downloading train, 4000 of 19000 MB (21 %), 300.0 MB/s",
        "  [gpu-1] stage: extracting train, 1000 of 19000 MB (5 %), 100.0 MB/s",
    ]


def test_the_console_gets_one_share_for_all_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(codetr_wait.FORMAT_VARIABLE, "json")
    waiting = Waiting([UNFINISHED, FINISHED], {**ALIVE, "progress": ARRIVING}, progress_folder="/data/.codetr/progress")
    run(waiting)
    shown = json.loads(waiting.lines[0].removeprefix("codetr-progress "))
    done, total = 8e8 + 4e9 + 1e9, 8e8 + 19e9 + 19e9 + 3e8
    assert (shown["host"], shown["label"], shown["done"], shown["total"]) == ("gpu-1", "stage: the work", done, total)
    assert shown["text"].startswith("stage: downloading train, 4000 of 19000 MB (21 %), 300.0 MB/s; extracting train")
    assert shown["seconds_left"] is None


def test_waiting_for_a_server_is_reported_although_nothing_moves() -> None:
    waits = [folder(val__fetch={"phase": "wait", "done": 0, "total": 8e8, "rate": 0, "seconds": left}) for left in (70, 10)]
    waiting = Waiting([UNFINISHED, UNFINISHED, FINISHED], {**ALIVE, "progress": waits}, progress_folder="/data/.codetr/progress")
    run(waiting)
    assert waiting.lines == [
        f"  [gpu-1] stage: waiting for the server of val, 0 of 800 MB (0 %), next try in {left}" for left in ("1 min 10 s", "10 s")
    ]


def test_a_line_is_not_said_twice() -> None:
    waiting = Waiting([UNFINISHED, UNFINISHED, FINISHED], {**ALIVE, "progress": ARRIVING}, progress_folder="/data/.codetr/progress")
    run(waiting)
    assert len(waiting.lines) == 2


def test_what_is_complete_is_said_once_beside_what_moves() -> None:
    shares = [
        folder(
            lvis__extract={"phase": "extract", "done": 3e8, "total": 3e8, "rate": 1e8},
            train__fetch={"phase": "download", "done": done, "total": 19e9, "rate": 3e8},
        )
        for done in (4e9, 7e9)
    ]
    waiting = Waiting([UNFINISHED, UNFINISHED, FINISHED], {**ALIVE, "progress": shares}, progress_folder="/data/.codetr/progress")
    run(waiting)
    assert waiting.lines == [
        "  [gpu-1] stage: extracting lvis, 300 of 300 MB (100 %), 100.0 MB/s",
        "  [gpu-1] stage: downloading train, 4000 of 19000 MB (21 %), 300.0 MB/s",
        "  [gpu-1] stage: downloading train, 7000 of 19000 MB (37 %), 300.0 MB/s",
    ]


def test_the_console_hears_that_a_part_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(codetr_wait.FORMAT_VARIABLE, "json")
    ended = folder(val__fetch={"phase": "done", "done": 8e8, "total": 8e8, "rate": None})
    waiting = Waiting([UNFINISHED] * 2 + [FINISHED], {**ALIVE, "progress": [ARRIVING, ended]}, progress_folder="/data/.codetr/progress")
    run(waiting)
    assert [json.loads(line.removeprefix("codetr-progress "))["text"] for line in waiting.lines][1:] == ["stage: the work"]


def test_the_console_is_not_told_what_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(codetr_wait.FORMAT_VARIABLE, "json")
    complete = folder(lvis__extract={"phase": "extract", "done": 3e8, "total": 3e8, "rate": 1e8})
    waiting = Waiting([UNFINISHED, FINISHED], {**ALIVE, "progress": complete + ARRIVING}, progress_folder="/data/.codetr/progress")
    run(waiting)
    assert json.loads(waiting.lines[0].removeprefix("codetr-progress "))["text"].startswith("stage: downloading train")


STEP = {"doing": "step 6 of 14: one training step"}
QUARTER = {"phase": "download", "done": 2e6, "total": 8e6, "rate": 1e6, "unit": "bytes"}


@pytest.mark.parametrize(("args", "answers", "output"), [
    ({"progress_file": "/p"}, {"8192 /p": json.dumps(QUARTER)}, ", 2 of 8 MB (25 %), 1.0 MB/s"),
    ({"progress_file": "/p"}, {"8192 /p": json.dumps(STEP)}, ": step 6 of 14: one training step"),
    ({"progress_file": "/p"}, {"8192 /p": json.dumps({**STEP, "done": 3, "total": 16, "unit": "iterations"})},
     ": step 6 of 14: one training step, 3/16 iterations"),
    ({"log": "/l", "progress": r"(\d+) of (\d+)"}, {"tail": "1 of 12\n3 of 12\n"}, " 3/12"),
    ({"log": "/l", "count": "CC", "total": 4}, {"grep -cF": "9\n"}, " 4/4"),
])
def test_logs_and_single_files_are_read(args: dict[str, Any], answers: dict[str, str], output: str) -> None:
    waiting = Waiting([UNFINISHED, FINISHED], {**ALIVE, **answers}, **args)
    run(waiting)
    assert waiting.lines == [f"  [gpu-1] stage: the work{output}"]


def test_what_follows_the_counted_part_has_words_of_its_own() -> None:
    """pip installs for a minute after the last download; that is not "downloading 100/100"."""
    counted: list[str] = ["3\n", "4\n", "4\n"]
    answers = {**ALIVE, "grep -cF": counted}
    waiting = Waiting([UNFINISHED] * 3 + [FINISHED], answers, log="/l", count="CC", total=4, then="stage: installing")
    run(waiting)
    assert waiting.lines == ["  [gpu-1] stage: the work 3/4", "  [gpu-1] stage: installing"]


def test_a_long_job_is_asked_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert [codetr_wait.pause(elapsed, 5.0) for elapsed in (0.0, 10.0, 30.0, 600.0)] == [1.0, 1.0, 3.0, 5.0]
    assert codetr_wait.pause(600.0, 2.0) == 2.0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"done": 1}', '{"done": 1, "total": 0}', '{"done": "x", "total": 2}'])
def test_without_figures_the_line_is_what_is_being_done(text: str) -> None:
    waiting = Waiting([UNFINISHED, FINISHED], {**ALIVE, "8192 /p": text}, progress_file="/p")
    run(waiting)
    assert waiting.lines == ["  [gpu-1] stage: the work"]


def test_a_job_whose_supervisor_is_gone_is_not_waited_for() -> None:
    """After a restart of the host its file still says started and not finished."""
    with pytest.raises(AnsibleActionFail, match=r"was killed, or the host was restarted\. Run again"):
        run(Waiting([UNFINISHED, UNFINISHED], {}))
    got = run(Waiting([UNFINISHED, UNFINISHED], {}, gone_ok=True))
    assert (got["gone"], got["changed"]) == (True, False)


def test_a_job_that_ends_between_two_looks_is_not_gone() -> None:
    got = run(Waiting([UNFINISHED, FINISHED], {}, gone_ok=True))
    assert (got["gone"], got["parts"]) == (False, 5)


def test_a_job_whose_file_is_lost_is_gone() -> None:
    assert run(Waiting([{"failed": True, "finished": 1, "started": 1, "msg": "could not find job"}], {}, gone_ok=True))["gone"]


def test_the_look_for_the_supervisor_does_not_find_itself() -> None:
    waiting = Waiting([UNFINISHED, FINISHED], ALIVE)
    run(waiting)
    assert "j123456" not in waiting.commands[0]
    assert "j12345[6]" in waiting.commands[0]


def test_a_failed_job_is_its_sentence() -> None:
    with pytest.raises(AnsibleActionFail, match="the disk is full"):
        run(Waiting([{**FINISHED, "failed": True, "msg": "the disk is full"}], {}))


@pytest.mark.parametrize(("item", "output"), [
    (Item("a.decode", "decode", 50_000, 123_287, 658.4, unit="files"), "50000/123287 files, 658 per second, 1 min 51 s left"),
    (Item("a.fetch", "download", 66_297, 376_043, 10_240, unit="bytes"), "66 of 376 kB (18 %), 10 kB/s, 30 s left"),
    (Item("a.validate", "validate", 2e6, 8e6, 1.5e6, unit="bytes"), "2 of 8 MB (25 %), 1.5 MB/s, 4 s left"),
])
def test_bytes_and_things_in_units_that_fit(item: Item, output: str) -> None:
    assert item.figures((item.total - item.done) / item.rate) == output


@pytest.mark.parametrize(("seconds", "output"), [(0.4, "0 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")])
def test_time_left_in_words(seconds: float, output: str) -> None:
    assert progress.duration(seconds) == output


def test_overall_never_passes_the_total() -> None:
    assert progress.overall([Item("a", "extract", 30, 20), Item("b", "done", 1, 10)]) == (30, 30)


def test_time_left_needs_three_samples() -> None:
    pace = progress.Pace()
    left = []
    for at, done in ((0.0, 10.0), (10.0, 20.0), (20.0, 20.0), (30.0, 40.0)):
        pace.add(at, done)
        left.append(pace.seconds_left(100.0))
    assert left == [None, None, None, 60.0]


def test_what_was_done_before_does_not_make_a_job_fast() -> None:
    pace = progress.Pace()
    for at, done in ((0.0, 80.0), (5.0, 85.0), (10.0, 90.0)):
        pace.add(at, done)
    assert pace.seconds_left(100.0) == 10.0


def test_a_job_that_begins_anew_has_no_pace() -> None:
    pace = progress.Pace()
    for at, done in ((0.0, 80.0), (5.0, 85.0), (10.0, 90.0), (11.0, 1.0)):
        pace.add(at, done)
    assert pace.seconds_left(100.0) is None


def test_a_job_without_figures_is_reported_every_minute() -> None:
    report = progress.Report("packages: installing torch with conda")
    printed = [line for at in range(0, 140, 10) for line in report.update(float(at), [])[0]]
    text = "packages: installing torch with conda"
    assert printed == [text, f"{text} (1 min 00 s)", f"{text} (2 min 00 s)"]


def test_a_step_counts_its_own_time() -> None:
    report = progress.Report("verify")
    step = [Item("", "", 0, 0, doing=f"ops, step {number} of 14") for number in (6, 7)]
    printed = [line for at, item in ((0.0, step[0]), (40.0, step[1]), (105.0, step[1])) for line in report.update(at, [item])[0]]
    assert printed == ["verify: ops, step 6 of 14", "verify: ops, step 7 of 14", "verify: ops, step 7 of 14 (1 min 05 s)"]


def test_lines_and_records_have_time_left_after_three_samples() -> None:
    report = progress.Report("packages: compiling ops")
    seen = [report.update(at, [Item("", "", done, 67)]) for at, done in ((0.0, 3), (10.0, 13), (20.0, 23))]
    assert [lines for lines, _ in seen] == [
        ["packages: compiling ops 3/67"], ["packages: compiling ops 13/67"], ["packages: compiling ops 23/67, 44 s left"],
    ]  # fmt: skip
    record = seen[-1][1]
    assert record is not None and (record["text"], record["seconds_left"]) == ("packages: compiling ops 23/67", 44.0)


def test_what_a_host_says_is_plain_and_short() -> None:
    item = progress.parse("", json.dumps({"doing": "a\x1b[31mb\n" + "c" * 999}))
    assert item is not None and item.doing.startswith("a[31mbccc") and len(item.doing) <= progress.MOST_LETTERS
