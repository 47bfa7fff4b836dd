"""What our action plugins share: config from the task's variables, a probe of the host, and the plan from both."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.codetr.provision.plugins.module_utils import planner
from ansible_collections.codetr.provision.plugins.module_utils.preflight import plan as preflight
from ansible_collections.codetr.provision.plugins.plugin_utils import catalog, failure, options

PLAN_VARIABLE = "__preflight_plan"
CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO")


class PlanningAction(ActionBase):
    """An action that can look at a host and plan."""

    TRANSFERS_FILES = False
    _requires_connection = True

    def config_of(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """All config of the host, coerced.

        Raises:
            AnsibleActionFail: with one line for each that is wrong.
        """
        try:
            return plain(options.coerce({name: task_vars[name] for name in task_vars if options.ours(name)}, self._templar.template))
        except options.OptionError as error:
            raise AnsibleActionFail(listing("These variables are wrong", error.problems)) from None

    def look(self, asked: dict[str, Any], task_vars: dict[str, Any], deep: bool = False, capture: bool = False) -> dict[str, Any]:
        """What codetr_probe returns: ``state``, and ``capture`` where that is asked for.

        Raises:
            AnsibleActionFail: the host has no Python that can run modules; the message says which it has.
        """
        arguments = {"ask": asked, "deep": deep, "capture": capture}
        result = self._execute_module("codetr.provision.codetr_probe", arguments, task_vars=task_vars)
        if "state" not in result:
            raise failure.failure(self._why_no_state(result), result)
        return dict(result)

    def _why_no_state(self, result: dict[str, Any]) -> str:
        if result.get("unreachable"):
            return str(result.get("msg", "The host cannot be reached."))
        interpreter = str(self._used_interpreter or "").removeprefix("#!").strip()
        answer = self._low_level_execute_command(failure.ask_version(interpreter))
        wrong = failure.explain_python(interpreter, answer.get("stdout") or "", result)
        if wrong:
            return wrong
        return f"The host could not be probed: {result.get('msg') or result.get('module_stderr') or result}"

    def make_plan(
        self,
        task_vars: dict[str, Any],
        owner: str | None = None,
        reach: bool = True,
        confirmed: dict[str, Any] | None = None,
        running: Collection[str] | None = None,
        deep: bool = False,
        capture: bool = False,
        with_state: bool = False,
    ) -> dict[str, Any]:
        """Probe and plan.

        Args:
            task_vars: variables of the task.
            owner: who owns everything, when that is confirmed already; default is the option, or the login user.
            reach: whether addresses that the plan needs are tried from the host.
            confirmed: a receipt about to be written; the state is taken as if it were there and its stage no longer in progress.
            running: the stages that will be carried out, all where it is None; what the others lack is no problem of this run.
            deep: nvidia-smi and the driver's library are asked, too.
            capture: everything that was looked at comes along, as ``capture``.
            with_state: the state comes along, as ``state``.

        Returns:
            What ``codetr_stage`` hands on to roles, and ``plan`` (see docs/architecture.md).
        """
        wanted = self.config_of(task_vars)
        if owner:
            wanted["provision_user"] = owner
        try:
            known = catalog.load(wanted)
        except catalog.CatalogError as error:
            raise AnsibleActionFail(str(error)) from None
        before = time.time()
        seen = self.look(planner.questions(wanted, known), task_vars, deep, capture)
        state = dict(seen["state"])
        # The host read its clock somewhere in between; the nearer end is the fair one to compare with.
        epoch = state["machine"]["epoch"]
        state["controller_epoch"] = None if epoch is None else min(max(epoch, before), time.time())
        state["connection"] = "local" if self._connection.transport == "local" else "remote"
        if confirmed:
            state["receipts"][confirmed["stage"]] = confirmed
            state["inprogress"].pop(confirmed["stage"], None)
        plan = planner.build(state, wanted, known, running)
        packages = plan["stages"]["packages"]["params"]
        if wanted["provision_mirror"] and packages.get("install_mmcv") and packages["source"] != "cached":
            for key in (packages["key"], packages["plain_key"]):
                known["wheels"][key] = catalog.mirrored_wheel(wanted["provision_mirror"], key)
            plan = planner.build(state, wanted, known, running)
        account = state["user"]["owner"]
        environment = environment_of(wanted, account)
        ours = set(plan["stages"]) if running is None else {*running, *planner.ALWAYS}
        needs = [need for need in planner.needs(plan) if need["stage"] in ours]
        if reach and needs and not any(problem["stage"] in ours for problem in plan["problems"]):
            urls = [need["url"] for need in needs]
            answer = self._execute_module("codetr.provision.codetr_reach", {"urls": urls, "environment": environment}, task_vars=task_vars)
            if "silent" not in answer:
                raise AnsibleActionFail(f"Reachability could not be tried: {answer.get('msg', answer)}")
            plan["problems"] = [*plan["problems"], *preflight.check_reachable(answer["silent"], needs)]
        return {
            "plan": plan,
            "config": wanted,
            # A playbook that becomes root for everything probes as root, and its tasks have to stay it.
            "become": state["user"]["uid"] != 0 or bool(self._play_context.become),
            "user": account["name"],
            "group": account.get("group", ""),
            "home": account.get("home", ""),
            "prefix": wanted["provision_prefix"].rstrip("/"),
            "folders": preflight.folders_to_make(state, wanted["provision_prefix"].rstrip("/")),
            "receipts": f"{wanted['provision_prefix'].rstrip('/')}/receipts",
            "environment": environment,
            "download": download_of(wanted),
            "stack": plan["stack"],
            "receipt_before": state["receipts"],
            "wheel_cache": str(catalog.wheel_cache(wanted)),
            **({"state": state} if with_state else {}),
            **({"capture": seen["capture"]} if capture else {}),
        }


def environment_of(wanted: dict[str, Any], account: dict[str, Any]) -> dict[str, str]:
    """Variables for everything that runs on the host: caches inside the prefix, the CA bundle, and what the user adds (a proxy, say)."""
    prefix, bundle = wanted["provision_prefix"].rstrip("/"), wanted["provision_ca_bundle"]
    values = {
        "HOME": account.get("home") or "/",
        "XDG_CACHE_HOME": f"{prefix}/cache",
        "PIP_CACHE_DIR": f"{prefix}/cache/pip",
        "TORCH_HOME": f"{prefix}/torch-home",
        "PIP_NO_INPUT": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONNOUSERSITE": "1",
        # Over a local connection the controller's own would come along.
        "PYTHONPATH": "",
        "GIT_TERMINAL_PROMPT": "0",
        **({name: bundle for name in CA_VARIABLES} if bundle else {}),
    }
    return {**values, **{str(key): str(value) for key, value in wanted["provision_environment"].items()}}


def download_of(wanted: dict[str, Any]) -> dict[str, Any]:
    """How every download of every role is done: ``connections`` to one server, and ``rate_limit`` in aria2's syntax."""
    return {key: wanted[f"provision_download_{key}"] for key in ("connections", "rate_limit")}


def plain(data: Any) -> Any:
    """The same data without Ansible's tags, which YAML's dumper and comparisons of types trip over."""
    return json.loads(json.dumps(data))


def listing(head: str, sentences: list[str]) -> str:
    """A heading and one line for each sentence."""
    return f"{head}:\n" + "\n".join(f"  - {sentence}" for sentence in sentences)


def refusal(problems: list[dict[str, str]]) -> str:
    """The message of a run that is refused before the host is touched.

    A fix for several problems is given once, after the last.
    """
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    lines = []
    for fix in dict.fromkeys(item["fix"] for item in problems):
        group = [f"{item['stage']}: {item['message']}" for item in problems if item["fix"] == fix]
        lines += [*group[:-1], f"{group[-1]} {'For all of these: ' if len(group) > 1 else ''}{fix}"]
    return listing(f"{count} found. Nothing was changed", lines)
