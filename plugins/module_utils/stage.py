"""What a plan is made of: one Stage per role, and the problems that keep a host from being touched."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Iterable

from ansible_collections.codetr.provision.plugins.module_utils.distribution import Release, Table

IDLE_ACTIONS = ("keep", "skip")


@dataclass
class Stage:
    """One role's part of the plan.

    Attributes:
        stage: name of the stage (``miniconda``).
        action: ``keep`` and ``skip`` change nothing, every other word does.
        reason: one sentence for people.
        version: what the host will have, as the table shows it.
        stand_in: whether any record used is a stand-in.
        before, after: what changes, as shown by ``--check --diff``; only keys that tell a person something.
        params: everything that the role's tasks need; absolute paths, coerced values. Tasks read nothing else.
        needs: ``{"url", "why"}`` of what must answer before the host is touched.
        disk: ``{"path", "bytes"}`` of what must be free.
        system_packages: packages of the distribution that are missing and will be installed.
        remember: what the receipt keeps besides the above, for the next plan and for removal.
        problems: ``{"message", "fix"}``; one is enough to refuse the whole run.
        warnings: sentences that do not stop anything.
        waits: sentences on what is finished only after the host was restarted.
        sources: names of what it takes from outside, where that is not all that belongs to the stage.
    """

    stage: str
    action: str = "keep"
    reason: str = ""
    version: str = ""
    stand_in: bool = False
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    needs: list[dict[str, str]] = field(default_factory=list)
    disk: list[dict[str, Any]] = field(default_factory=list)
    system_packages: list[str] = field(default_factory=list)
    remember: dict[str, Any] = field(default_factory=dict)
    problems: list[dict[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    sources: list[str] | None = None

    @property
    def todo(self) -> bool:
        """Whether the role has anything to do."""
        return self.action not in IDLE_ACTIONS

    def problem(self, message: str, fix: str) -> None:
        """Add a reason to refuse. Both are whole sentences; ``fix`` says what to do."""
        self.problems.append({"stage": self.stage, "message": message, "fix": fix})

    def as_dict(self) -> dict[str, Any]:
        """The stage as JSON-able data, with ``todo``."""
        return {**asdict(self), "todo": self.todo}


@dataclass(frozen=True)
class Context:
    """What every stage's plan may look at besides state and config; all of it known before the host is touched.

    Attributes:
        prefix: the one folder that everything of ours is under.
        user, group, home: who owns it.
        stack: data of the chosen stack (``stacks/<name>.yml``), with ``name``; once the driver is planned, as ``variant.resolve`` made it.
        artifacts: all artifact records by name, overrides merged, mirror URLs first.
        edits: parsed edits file for the wanted repository and commit, or None.
        earlier: stages planned so far in this plan, by name.
        wheels: wheels in the controller's cache or on the mirror by key, ``{"path" or "url", "file", "sha256"}``.
        pip_index: the package index that pip uses on the controller, which is what a host without settings of its own would use too.
        local: what a stage read from its role's own files on the controller, by stage.
        gpus: the host's GPUs that count, described (``plan/gpus.py``).
        no_gpu: why there are none, when there are none.
        release: what the host's distribution and release has (``distributions.yml``).
        releases: the whole table of distributions.
        refused: whether the stack itself does not fit the host, so that what follows from it need not be judged.
    """

    prefix: str
    user: str
    group: str
    home: str
    stack: dict[str, Any]
    artifacts: dict[str, dict[str, Any]]
    edits: dict[str, Any] | None = None
    earlier: dict[str, Stage] = field(default_factory=dict)
    wheels: dict[str, dict[str, str]] = field(default_factory=dict)
    pip_index: str = ""
    local: dict[str, Any] = field(default_factory=dict)
    gpus: list[dict[str, Any]] = field(default_factory=list)
    no_gpu: str = ""
    release: Release = field(default_factory=Release)
    releases: Table = field(default_factory=Table)
    refused: bool = False

    def missing(self, state: dict[str, Any], names: Iterable[str]) -> list[str]:
        """Those of the distribution's packages that the host lacks, by the names that its release has for them."""
        return [name for name in map(self.release.package, names) if state["system_packages"].get(name) is None]

    def env_python(self) -> str:
        """Path of the env's interpreter, as the env stage plans it."""
        return str(self.earlier["env"].params["python"])
