"""The result of a run: plain data, the same in memory, in run.json and in the report. Durations are seconds, times ISO 8601."""

from __future__ import annotations

import types
import typing
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeVar

from codetr_provision.data_result import DataResult

SCHEMA = 1
# The first letters of names that mark the data as a stand-in: of the stage and of the records.
DATA_NAMES = ("datasets", "coco", "lvis")
T = TypeVar("T")
StageStatus = Literal["running", "done", "failed", "interrupted", "not run"]


@dataclass
class StageResult:
    """One stage on one host, from its `codetr_stage` task and the tasks after it."""

    stage: str
    action: str
    reason: str = ""
    version: str = ""
    stand_in: bool = False
    todo: bool = False
    status: StageStatus = "running"
    seconds: float = 0.0
    # names of the upstreams it used, when those are not all of the stage's
    sources: list[str] | None = None

    @property
    def took_part(self) -> bool:
        """False for a stage that was skipped or never reached."""
        return self.status != "not run" and self.action != "skip"

    @property
    def source(self) -> str:
        """`real` or `stand-in`; empty for a stage that uses no upstream."""
        if not self.took_part or self.stage in ("plan", "preflight", "recheck"):
            return ""
        return "stand-in" if self.stand_in else "real"

    def outcome(self, check: bool) -> str:
        """What was done, in the plan's own word; in check mode what would be done."""
        if self.status in ("failed", "interrupted", "not run"):
            return self.status
        return f"would {self.action}" if check and self.todo else self.action


@dataclass
class Failure:
    """The task that ended a host's run."""

    host: str
    task: str
    message: str
    stage: str = ""
    unreachable: bool = False


@dataclass
class Check:
    """One line of verify.json."""

    name: str
    status: str
    detail: str = ""
    seconds: float = 0.0
    level: str = ""
    message: str = ""
    fix: str = ""


@dataclass
class Loss:
    """The training loss after `iter` iterations."""

    iter: int
    loss: float


@dataclass
class VerifyResult:
    """verify.json as the host wrote it."""

    host: str
    stack: str
    level: str
    passed: bool
    level_passed: str = ""  # the highest level that passed together with those below it; empty for none
    levels: dict[str, str] = field(default_factory=dict)
    stand_ins: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> list[Check]:
        """The checks that did not pass."""
        return [check for check in self.checks if check.status not in ("ok", "skipped")]

    @property
    def reached(self) -> str:
        """The level that passed, in words."""
        return f"level {self.level_passed} passed" if self.level_passed else "no level passed"

    @property
    def speed(self) -> dict[str, Any]:
        """The figures of level speed; empty when it did not run or failed."""
        speed = self.figures.get("speed")
        return speed if isinstance(speed, dict) else {}

    @property
    def other_figures(self) -> dict[str, Any]:
        """All figures but those of the level speed."""
        return {name: value for name, value in self.figures.items() if name != "speed"}

    @property
    def good(self) -> bool:
        """True when the host says that it passed and no check contradicts it."""
        return self.passed and not self.failed and any(check.status == "ok" for check in self.checks)


@dataclass
class HostResult:
    """Everything that happened to one host."""

    name: str
    stack: str = ""
    stack_reason: str = ""
    stages: list[StageResult] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    failure: Failure | None = None
    verify: VerifyResult | None = None
    data: DataResult | None = None

    @property
    def unreachable(self) -> bool:
        """Whether the host was unreachable."""
        return self.failure is not None and self.failure.unreachable

    @property
    def stand_ins(self) -> list[str]:
        """The stand-ins used on this host: stages, and what verify and the data report."""
        names = self.verify.stand_ins if self.verify else []
        names = names or [stage.stage for stage in self.stages if stage.stand_in]
        named = any(name.lower().startswith(DATA_NAMES) for name in names)
        return [*names, "datasets"] if self.data and self.data.stand_in and not named else names

    @property
    def good(self) -> bool:
        """True unless something failed."""
        sound = (self.verify is None or self.verify.good) and (self.data is None or not self.data.failed)
        return self.failure is None and not self.problems and sound


@dataclass
class Upstream:
    """An upstream and whether it is the real one; `stage` uses it, or every stage when that is empty."""

    name: str
    url: str
    kind: Literal["real", "stand-in"]
    why: str = ""
    stage: str = ""


@dataclass
class RunResult:
    """One run of the command over all its hosts."""

    schema: int = SCHEMA
    started: str = ""
    finished: str = ""
    seconds: float = 0.0
    command: str = ""
    check: bool = False
    verify: bool = True
    interrupted: bool = False
    versions: dict[str, str] = field(default_factory=dict)
    hosts: list[HostResult] = field(default_factory=list)
    upstreams: list[Upstream] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def used(self, upstream: Upstream) -> bool:
        """Whether any host used `upstream`."""
        stages = [stage for host in self.hosts for stage in host.stages if stage.stage == upstream.stage]
        return not upstream.stage or any(stage.took_part and (stage.sources is None or upstream.name in stage.sources) for stage in stages)

    @property
    def stand_ins(self) -> list[str]:
        """The names of all stand-ins that were used, once each."""
        names = [upstream.name for upstream in self.upstreams if upstream.kind == "stand-in" and self.used(upstream)]
        every = names + [name for host in self.hosts for name in host.stand_ins]
        return list({name.lower(): name for name in reversed(every)}.values())[::-1]

    @property
    def good(self) -> bool:
        """True only when at least one host ran, none failed and, with `verify`, each was verified."""
        verified = not self.verify or all(host.verify is not None for host in self.hosts)
        return bool(self.hosts) and verified and not self.errors and not self.interrupted and all(host.good for host in self.hosts)

    @property
    def exit_code(self) -> int:
        """0 success, 1 a host or verify failed, 3 hosts unreachable and nothing else failed, 130 interrupted."""
        if self.interrupted:
            return 130
        if self.good:
            return 0
        if self.errors or any(not host.good and not host.unreachable for host in self.hosts):
            return 1
        return 3 if any(host.unreachable for host in self.hosts) else 1

    def to_json(self) -> dict[str, Any]:
        """The run as plain JSON types."""
        return asdict(self)


def load(kind: type[T], data: Any, where: str = "") -> T:
    """Build the data class `kind` from JSON types; unknown keys are ignored.

    Raises ValueError naming the place when a key is missing or has the wrong type.
    """
    place = where or kind.__name__
    if not isinstance(data, dict):
        raise ValueError(f"{place} must be an object, not {type(data).__name__}")
    hints = typing.get_type_hints(kind)
    known = {f.name: _value(hints[f.name], data[f.name], f"{place}.{f.name}") for f in fields(kind) if f.name in data}  # type: ignore[arg-type]
    try:
        return kind(**known)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place}: {str(error).partition('__init__() ')[2] or error}") from error


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return None if value is None else _value(next(arg for arg in inner if arg is not type(None)), value, where)
    if origin is Literal:
        if value not in inner:
            raise ValueError(f"{where} must be one of {', '.join(map(str, inner))}, not {value!r}")
        return value
    if is_dataclass(hint):
        return load(typing.cast(type, hint), value, where)
    if hint is Any:
        return value
    if hint is str and value is None:
        return ""
    expected = list if origin is tuple else origin or hint  # JSON has no tuples
    right = isinstance(value, (int, float) if expected is float else expected)
    if not right or (isinstance(value, bool) and expected in (int, float)):
        raise ValueError(f"{where} must be of type {expected.__name__}, not {type(value).__name__}")
    if origin is tuple:
        if len(value) != len(inner):
            raise ValueError(f"{where} must have {len(inner)} entries, not {len(value)}")
        return tuple(_value(one, item, f"{where}[{number}]") for number, (one, item) in enumerate(zip(inner, value, strict=True)))
    if origin is list:
        return [_value(inner[0], item, f"{where}[{number}]") for number, item in enumerate(value)]
    if origin is dict:
        return {str(key): _value(inner[1], item, f"{where}.{key}") for key, item in value.items()}
    return value
