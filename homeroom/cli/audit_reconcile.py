"""`homeroom audit reconcile`: holds the logs of holders to the receipts that were kept."""

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli.audit_receipts import Since, since_day
from homeroom.cli.exits import ExitCode
from homeroom.cli.options import AsJson, Debug, ProfileOption, profile_of
from homeroom.cli.terminal import show_json, show_table, tell

if TYPE_CHECKING:
    from homeroom.audit.reconciling import Gap
    from homeroom.reconciliation import Reconciled, Reconciliation

Holders = Annotated[
    list[str] | None,
    typer.Option("--holder", help="Only this holder; may be given again. Default: every node."),
]

_TELLING_DIGITS = 16

GAP_TEXT = {
    "receipt_without_entry": "we have its signed receipt, and its log has no such answer",
    "entry_without_receipt": "its log says that it answered us, and we have no receipt",
    "entry_without_question": "its log says that we asked, and here nobody did",
    "entry_without_end": "its log says that we asked, and not what left",
    "other_entry": "the receipt names another entry than its log has",
    "other_content": "its receipt and its log tell different things",
    "not_proved": "what it tells of its log is not what the log's checkpoint covers",
    "log_rewritten": "its log is not what it showed before, and more",
    "other_log": "it shows us another log than the one that was witnessed",
    "receipt_unproved": "no key of it that counted when the receipt came has signed it",
}
"""What each kind of gap means, in words."""


def register(app: typer.Typer) -> None:
    """Adds this verb to a command."""
    app.command("reconcile")(reconcile)


def reconcile(
    holder: Holders = None,
    since: Since = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Compares the receipts that were kept with the holders' logs, and names each gap."""
    found = asyncio.run(_reconciled(profile, holder or [], since_day(since)))
    if as_json:
        show_json(_written(found))
    else:
        _show(found)
    return _exit_of(found)


async def _reconciled(
    profile: str | None, holders: list[str], since: dt.datetime
) -> "Reconciliation":
    from homeroom.client import AsyncClient  # noqa: PLC0415 - help is quick

    async with AsyncClient(profile_of(profile)) as client:
        return await client.reconcile(holders, since)


def _exit_of(found: "Reconciliation") -> ExitCode:
    from homeroom.audit.reconciling import ACCUSING  # noqa: PLC0415 - help is quick

    gaps = [gap.kind for one in found.holders for gap in one.gaps]
    failures = {one.failure for one in found.holders}
    if "EVIDENCE_INVALID" in failures or ACCUSING.intersection(gaps):
        return ExitCode.EVIDENCE_INVALID
    return ExitCode.OK if found.whole else ExitCode.INCOMPLETE


def _written(found: "Reconciliation") -> dict[str, Any]:
    return {
        "whole": found.whole,
        "holders": [
            {
                "holder": one.holder,
                "failure": one.failure,
                "log_size": one.size,
                "witnessed_size": one.witnessed_size,
                "witness_failure": one.witness_failure,
                "questions": one.questions,
                "receipts": one.receipts,
                "gaps": [_gap_written(gap) for gap in one.gaps],
            }
            for one in found.holders
        ],
        "damaged": [f"{one.file}:{one.line}" for one in found.damaged],
    }


def _gap_written(gap: "Gap") -> dict[str, Any]:
    notes = {"notes": gap.notes} if gap.notes else {}
    return {
        "kind": gap.kind,
        "query_digest": gap.query_digest,
        "at": gap.at,
        **gap.said,
        **notes,
    }


def _show(found: "Reconciliation") -> None:
    show_table(
        ("holder", "receipts", "in its log", "gaps"),
        ((one.holder, one.receipts, one.questions, len(one.gaps)) for one in found.holders),
    )
    for one in found.holders:
        _tell_failure(one)
        for gap in one.gaps:
            tell(f"{one.holder}, {_place(gap)}: {GAP_TEXT[gap.kind]}")
    for line in found.damaged:
        tell(f"{line.file}:{line.line} cannot be read")


def _tell_failure(one: "Reconciled") -> None:
    if one.failure:
        tell(f"{one.holder} gave no account of its log: {one.failure}")
    if one.witness_failure:
        tell(f"the log of {one.holder} was not held to its witness: {one.witness_failure}")


def _place(gap: "Gap") -> str:
    query = f"query {gap.query_digest[:_TELLING_DIGITS]}" if gap.query_digest else "its log"
    said = ", ".join(f"{name} {value}" for name, value in gap.said.items())
    return f"{query} ({said})" if said else query
