"""`python -m services.node policy`: look through, try, replay and explain a policy.

`homeroom policy` calls it, where the servers are installed. A verb that finds something wrong ends
with exit code 1.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import typer

from homeroom.cli.options import read_text
from homeroom.cli.policy_verbs import add_verbs
from homeroom.cli.terminal import show, show_json, show_table, tell
from homeroom.clock import utc_now
from homeroom.errors import NotPermittedError, RequestInvalidError
from homeroom.facts import Facts
from services.node.commands import policy_publishing
from services.node.domain.decision_diff import ReplayReport
from services.node.migrations import STATE, STATE_VERSION_TABLE
from services.node.policy.explaining import Explanation
from services.node.policy.recorded import conformance as conformance_questions
from services.node.policy.recorded import read_rules, recorded, replay
from services.node.store.decision_records import DecisionRecordStore
from services.runtime.database import bring_up_to_date, open_database
from services.runtime.policy import PolicyFolder, find_opa, side_of
from services.runtime.policy.lint import lint_folder
from services.runtime.policy.parsing import open_parser
from services.runtime.policy.trial import try_folder
from services.runtime.process import EXIT_FAILED


def _lint(context: typer.Context, folder: str, *, as_json: bool) -> None:
    findings = lint_folder(Path(folder), open_parser(find_opa(context.obj)))
    if as_json:
        written = [{"file": f.file, "line": f.line, "message": f.message} for f in findings]
        show_json({"findings": written})
    else:
        for finding in findings:
            show(f"{folder}/{finding}")
        tell("nothing found" if not findings else f"{len(findings)} found")
    if findings:
        raise typer.Exit(EXIT_FAILED)


def _run_tests(context: typer.Context, folder: str, *, as_json: bool) -> None:
    opa = find_opa(context.obj)
    trial = try_folder(Path(folder), opa)
    if as_json:
        show_json({"passed": trial.passed, "wrong": trial.wrong})
    else:
        tell(trial.passed)
        for fault in trial.wrong:
            show(fault)
        if opa is None:
            tell("no opa binary is here: form and types were not checked")
    if trial.wrong:
        raise typer.Exit(EXIT_FAILED)


def _replay(  # noqa: PLR0913  # each argument is one option of the command
    _context: typer.Context,
    candidate: str,
    *,
    federation_policy: str,
    local_policy: str,
    state_url: str,
    since: str,
    conformance: bool,
    accept_widening: bool,
    report: str,
    as_json: bool,
) -> None:
    if not state_url and not conformance:
        raise RequestInvalidError("say --state-url, or --conformance", field="state_url")
    rules = read_rules(candidate)
    federation, local = _deciding(federation_policy, local_policy)
    records = _records(state_url) if state_url else None
    asked = chain(
        recorded(records, since, utc_now()) if records else (),
        conformance_questions() if conformance else (),
    )
    found = asyncio.run(replay(rules, federation, local, asked))
    content = {
        "candidate": rules.revision,
        "instead_of": federation.revision if side_of(rules) == "federation" else local.revision,
        **found.document(),
    }
    if report:
        Path(report).write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", "utf-8")
    if as_json:
        show_json(content)
    else:
        _show_replay(found)
    if found.widened and not accept_widening:
        raise typer.Exit(EXIT_FAILED)


def _explain(
    _context: typer.Context,
    question: str,
    *,
    federation_policy: str,
    local_policy: str,
    state_url: str,
    as_json: bool,
) -> None:
    facts = _facts_of(question, state_url)
    rules = _deciding(federation_policy, local_policy)
    explanation = asyncio.run(Explanation.of(*rules, facts))
    if as_json:
        show_json(explanation.document())
        return
    for line in explanation.lines():
        show(line)


def _deciding(federation: str, local: str) -> tuple[PolicyFolder, PolicyFolder]:
    """The rules that decide now."""
    if not federation or not local:
        raise RequestInvalidError("say --federation-policy and --local-policy", field="policy")
    return read_rules(federation), read_rules(local)


def _records(state_url: str) -> DecisionRecordStore:
    bring_up_to_date(state_url, STATE, STATE_VERSION_TABLE)
    return DecisionRecordStore(open_database(state_url))


def _facts_of(question: str, state_url: str) -> Facts:
    """The facts of a file, or of the decision on a query."""
    if Path(question).is_file():
        try:
            content: Any = json.loads(read_text(Path(question)))
        except ValueError:
            content = None
        # A conformance vector has its facts under `input`.
        facts = content.get("input", content) if isinstance(content, dict) else None
        if not isinstance(facts, dict) or not {"query", "now"} <= facts.keys():
            raise RequestInvalidError("the file holds no facts of a question", field="question")
        return facts
    if not state_url:
        raise RequestInvalidError("say --state-url, or name a file", field="state_url")
    kept = _records(state_url).of_query(question)
    if kept is None:
        raise NotPermittedError("no decision on such a query is kept, or more than one")
    return kept.record.facts


def _show_replay(found: ReplayReport) -> None:
    content = found.document()
    show_table(("decisions", "how many"), content["counts"].items())
    if content["parts"]:
        show_table(("part", "how many"), content["parts"].items())
    for kind, examples in content["examples"].items():
        for example in examples:
            asked = example["asked"]
            elements = ", ".join(asked["elements"] or ())
            show(f"{kind}: {example['question'][:40]}: {asked['requester']} asked for {elements}")
            for difference in example["differences"]:
                show(f"  {difference}")
    if found.widened:
        tell(f"{found.widened} of {found.decisions} would be answered with more: a second signs it")


VERBS: Mapping[str, Callable[..., None]] = {
    "lint": _lint,
    "test": _run_tests,
    "replay": _replay,
    "explain": _explain,
    "publish": policy_publishing.publish_policy,
    "sign": policy_publishing.sign,
    "rollback": policy_publishing.rollback,
    "key": policy_publishing.make_key,
}
"""What each verb that is declared for both programs does, with what it was given."""


def _perform(context: typer.Context) -> None:
    # An unexpected error is shown here in any case: only `homeroom` hides where it came from.
    given = {name: value for name, value in context.params.items() if name != "debug"}
    VERBS[str(context.command.name)](context, **given)


app = typer.Typer(help="Change a policy safely.", no_args_is_help=True)
add_verbs(app, _perform)
