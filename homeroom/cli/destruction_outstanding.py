"""`homeroom destruction outstanding`: which recipients owe this organization a certificate."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli.destruction_due import RULE_TEXT
from homeroom.cli.exits import ExitCode
from homeroom.cli.options import AsJson, Debug, ProfileOption, profile_of
from homeroom.cli.terminal import show_json, show_table, tell

if TYPE_CHECKING:
    from homeroom.api.node.v1.destruction_service_pb2 import OutstandingDestruction


def register(app: typer.Typer) -> None:
    """Adds this verb to a command."""
    app.command("outstanding")(outstanding)


def outstanding(
    within: Annotated[
        int | None, typer.Option(help="Only what is due in so many days, and what is overdue.")
    ] = None,
    recipient: Annotated[str | None, typer.Option(help="Only what this recipient owes.")] = None,
    audit: Annotated[
        bool, typer.Option("--audit", help="Read it to audit how it is kept.")
    ] = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Lists what recipients have not certified to be destroyed, the most pressing first."""
    from homeroom.clock import utc_now  # noqa: PLC0415 - help must not wait

    last = dt.date.max
    if within is not None:
        last = utc_now().date() + dt.timedelta(days=within)
    chosen = [
        one
        for one in asyncio.run(_found(profile, audit=audit))
        if one.due_date <= last.isoformat() and recipient in {None, one.recipient}
    ]
    if as_json:
        show_json({"outstanding": [_written(one) for one in chosen]})
    else:
        _show(chosen)
    return ExitCode.OVERDUE if any(one.overdue for one in chosen) else ExitCode.OK


async def _found(profile: str | None, *, audit: bool) -> "Sequence[OutstandingDestruction]":
    from homeroom.destruction_desk import DestructionDesk  # noqa: PLC0415 - help must not wait
    from homeroom.disclosure_desk import Viewer  # noqa: PLC0415 - help must not wait

    async with DestructionDesk(profile_of(profile)) as desk:
        return await desk.outstanding(Viewer(view="record_audit" if audit else "custodian"))


def _written(one: "OutstandingDestruction") -> dict[str, Any]:
    return {
        "recipient": one.recipient,
        "agreement": one.agreement_id,
        "due": one.due_date,
        "certificate_by": one.certificate_date,
        "rule": one.rule,
        "overdue": one.overdue,
        "answers": one.answer_count,
        "first_given": one.first_given_date,
        "kept_because": one.kept_because,
    }


def _show(chosen: "Sequence[OutstandingDestruction]") -> None:
    if not chosen:
        tell("no recipient owes a certificate for it")
        return
    show_table(
        ("certificate by", "recipient", "agreement", "answers", "given since", "why that day"),
        [
            (
                f"{one.certificate_date}{' overdue' if one.overdue else ''}",
                one.recipient,
                one.agreement_id or "none",
                one.answer_count,
                one.first_given_date,
                f"{RULE_TEXT[one.rule]}{_kept(one)}",
            )
            for one in chosen
        ],
    )


def _kept(one: "OutstandingDestruction") -> str:
    return f"; kept for now: {one.kept_because}" if one.kept_because else ""
