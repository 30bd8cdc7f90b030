"""`homeroom destruction due`: what this organization must destroy, the most pressing first."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli.exits import ExitCode
from homeroom.cli.options import AsJson, Debug, ProfileOption, profile_of
from homeroom.cli.terminal import show_json, show_table, tell

if TYPE_CHECKING:
    from homeroom.destruction.owed import Owed, OwedList

_TELLING_DIGITS = 16

RULE_TEXT = {
    "deadline": "the agreement names the day",
    "days_after_end": "so many days after the agreement's end",
    "agreement_end": "the agreement names no day: its end",
    "terms_unknown": "the agreement cannot be read here: at once",
    "no_agreement": "nothing lets it be kept: at once",
    "consent_revoked": "the family took its consent back",
}
"""How each day was found, in words."""


def register(app: typer.Typer) -> None:
    """Adds this verb to a command."""
    app.command("due")(due)


def due(
    within: Annotated[
        int | None, typer.Option(help="Only what is due in so many days, and what is overdue.")
    ] = None,
    holder: Annotated[str | None, typer.Option(help="Only what this holder gave.")] = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Lists what must be destroyed by when, counted from the receipts that were kept."""
    from homeroom.clock import utc_now  # noqa: PLC0415 - help must not wait

    today = utc_now().date()
    found = asyncio.run(_owed(profile))
    last = dt.date.max if within is None else today + dt.timedelta(days=within)
    chosen = [one for one in found.owed if one.due.day <= last and holder in {None, one.holder}]
    if as_json:
        damaged = [f"{one.file}:{one.line}" for one in found.damaged]
        show_json({"owed": [_written(one, today) for one in chosen], "damaged": damaged})
    else:
        _show(chosen, found, today)
    overdue = any(one.overdue(today) for one in chosen)
    return ExitCode.OVERDUE if overdue else ExitCode.OK


async def _owed(profile: str | None) -> "OwedList":
    from homeroom.client import AsyncClient  # noqa: PLC0415 - help must not wait for gRPC

    async with AsyncClient(profile_of(profile)) as client:
        return await client.destruction_due()


def _written(one: "Owed", today: dt.date) -> dict[str, Any]:
    return {
        "due": one.due.day.isoformat(),
        "certificate_by": one.due.certificate_by.isoformat(),
        "rule": one.due.rule,
        "overdue": one.overdue(today),
        "agreement": one.agreement_id,
        "holder": one.holder,
        "received": one.received_on.isoformat(),
        "rows": one.rows,
        "query_digest": one.query_digest.hex(),
        "log_index": one.log_index,
        "consent": one.consent_id,
        "kept_because": one.kept_because,
    }


def _show(chosen: "Sequence[Owed]", found: "OwedList", today: dt.date) -> None:
    if chosen:
        show_table(
            ("due", "agreement", "holder", "received", "rows", "query", "why that day"),
            [_row(one, today) for one in chosen],
        )
    else:
        tell("nothing is to be destroyed by then")
    for line in found.damaged:
        tell(f"{line.file}:{line.line} cannot be read; what it was about is not counted")


def _row(one: "Owed", today: dt.date) -> Sequence[Any]:
    mark = " overdue" if one.overdue(today) else ""
    of = f" (consent {one.consent_id[:_TELLING_DIGITS]})" if one.consent_id else ""
    kept = f"; kept for now: {one.kept_because}" if one.kept_because else ""
    return (
        f"{one.due.day}{mark}",
        one.agreement_id or "none",
        one.holder,
        one.received_on,
        one.rows,
        one.query_digest.hex()[:_TELLING_DIGITS],
        f"{RULE_TEXT[one.due.rule]}{of}{kept}",
    )
