"""Which upstream is real and which is a stand-in."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lab import site, upstreams
from lab.settings import LabError


class Handler(BaseHTTPRequestHandler):
    """/ok answers, /nohead answers GET only, everything else is 404."""

    def do_HEAD(self) -> None:
        self.reply({"/ok": 200, "/nohead": 405}.get(self.path, 404))

    def do_GET(self) -> None:
        self.reply(200 if self.path in ("/ok", "/nohead") else 404)

    def reply(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", upstreams.FORCE, upstreams.REPOSITORY):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def stand_in(**urls: str) -> SimpleNamespace:
    return SimpleNamespace(UPSTREAMS=[{"name": name, "url": url} for name, url in urls.items()])


def test_an_upstream_that_answers_is_real_and_others_say_why(server: str) -> None:
    assert upstreams.knock(f"{server}/ok") is None
    assert upstreams.knock(f"{server}/nohead") is None
    assert upstreams.knock(f"{server}/missing") == "answers 404"
    reason = upstreams.knock("http://127.0.0.1:9/closed")
    assert reason is not None
    assert "does not answer" in reason


def test_a_survey_decides_for_each(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {"conda": stand_in(installer=f"{server}/ok"), "codetr": stand_in(repository=f"{server}/missing"), "data": stand_in()}
    monkeypatch.setattr(upstreams, "load", modules.get)
    found = upstreams.survey()
    assert {each.name: each.stand_in for each in found} == {"installer": False, "repository": True}
    assert upstreams.served(found) == ["codetr", "data"]
    assert upstreams.holds(found)


def test_forced_stand_ins_ask_nobody_and_end_an_earlier_decision(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstreams, "load", {"conda": stand_in(installer=f"{server}/ok")}.get)
    before = upstreams.survey()
    monkeypatch.setenv(upstreams.FORCE, "1")
    assert not upstreams.holds(before)
    (forced,) = upstreams.survey()
    assert forced.stand_in
    assert upstreams.FORCE in forced.why


def test_a_named_checkout_is_served_and_is_no_stand_in(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstreams, "load", {"codetr": stand_in(repository=f"{server}/ok")}.get)
    monkeypatch.setenv(upstreams.REPOSITORY, "/srv/Co-DETR")
    found = upstreams.survey()
    assert upstreams.served(found) == ["codetr"]
    (resolved,) = upstreams.resolve(found, {"codetr": {"stand_ins": []}})
    assert not resolved.stand_in
    # Kept for the next command, it is still served.
    assert upstreams.served([resolved]) == ["codetr"]


def test_one_that_answers_is_marked_when_it_is_replaced_with_another(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstreams, "load", {"conda": stand_in(installer=f"{server}/ok", channel=f"{server}/missing")}.get)
    found = upstreams.resolve(upstreams.survey(), {"conda": {"stand_ins": ["installer", "channel"]}})
    assert [each.stand_in for each in found] == [True, True]
    assert "replaced" in found[0].why


def test_what_has_no_upstream_is_listed_too() -> None:
    (found,) = upstreams.resolve([], {"data": {"stand_ins": ["coco-val2017"]}})
    assert (found.name, found.url, found.stand_in, found.forced) == ("coco-val2017", "", True, True)


def test_the_stage_is_the_one_that_takes_it() -> None:
    stages = {(module, name): upstreams.stage(upstreams.Upstream(name, "", module, True, False, "")) for module, name in (
        ("conda", "conda-forge"), ("conda", "pytorch"), ("wheels", "torch-1.11.0-cu113-cp310"),
    )}  # fmt: skip
    assert list(stages.values()) == ["miniconda", "packages", "packages"]
    assert set(upstreams.STAGES) <= {name for module in upstreams.MODULES for name, _ in upstreams.declared(module)}


def test_options_and_records_are_merged() -> None:
    made: dict[str, dict[str, Any]] = {
        "a": {"artifacts": {"one": {"size": 1}}, "config": {"x": 1}},
        "b": {"artifacts": {"two": {"size": 2}}, "config": {}},
    }
    assert upstreams.merge(made) == {"provision_artifacts": {"one": {"size": 1}, "two": {"size": 2}}, "x": 1}


def test_two_modules_that_disagree_are_refused() -> None:
    with pytest.raises(LabError, match="'b' sets x"):
        upstreams.merge({"a": {"config": {"x": 1}}, "b": {"config": {"x": 2}}})


def test_a_module_that_is_missing_is_named() -> None:
    assert upstreams.load("no_such_module") is None
    with pytest.raises(LabError, match=r"standins/no_such_module\.py is missing"):
        upstreams.build(["no_such_module"], www=None, base_url="", python310=None)  # type: ignore[arg-type]


def test_what_the_last_lab_decided_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODETR_LAB_DIR", str(tmp_path))
    monkeypatch.setattr(upstreams, "holds", lambda found: True)
    found = [upstreams.Upstream(name, "", name, True, False, "no answer") for name in upstreams.MODULES]
    (tmp_path / "upstreams.json").write_text(json.dumps([site._entry(each) for each in found]))
    assert site.earlier() == found
    (tmp_path / "upstreams.json").write_text(json.dumps([{**site._entry(found[0]), "of a later lab": 1}]))
    assert site.earlier() is None
