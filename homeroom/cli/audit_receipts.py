"""`homeroom audit receipts`: what holders have signed for, as this profile kept it."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli.options import AsJson, Debug, ProfileOption, day, profile_of
from homeroom.cli.terminal import show_json, show_table, tell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from homeroom.receipts import Kept, KeptReceipt

Holder = Annotated[str | None, typer.Option("--holder", help="Only this holder.")]
Since = Annotated[str | None, typer.Option("--since", help="From this day on, YYYY-MM-DD.")]

_TELLING_DIGITS = 16


def register(app: typer.Typer) -> None:
    """Adds these verbs to a command."""
    app.command("receipts")(receipts)


def receipts(
    holder: Holder = None,
    since: Since = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Lists the receipts that were kept, the oldest first."""
    from homeroom.profile import required  # noqa: PLC0415 - help is quick
    from homeroom.receipts import DamagedLine, KeptReceipt  # noqa: PLC0415 - help is quick

    folder = required(profile_of(profile).receipts, "receipts")
    everything = list(_kept(folder))
    damaged = [f"{one.file}:{one.line}" for one in everything if isinstance(one, DamagedLine)]
    first = since_day(since)
    chosen = [
        one
        for one in everything
        if isinstance(one, KeptReceipt) and holder in {None, one.holder} and one.at >= first
    ]
    if as_json:
        show_json({"receipts": [_written(one) for one in chosen], "damaged": damaged})
        return
    _show(chosen)
    for place in damaged:
        tell(f"{place} cannot be read")


def since_day(text: str | None) -> dt.datetime:
    """The first instant of the day that an option names; of all days if it names none."""
    if text is None:
        return dt.datetime.min.replace(tzinfo=dt.UTC)
    return dt.datetime.combine(day(text, "--since"), dt.time(), dt.UTC)


def _kept(folder: Path) -> "Iterable[Kept]":
    from homeroom.clock import utc_now  # noqa: PLC0415 - help is quick
    from homeroom.receipts import ReceiptFiles  # noqa: PLC0415 - help is quick

    return ReceiptFiles(folder, utc_now).kept()


def _written(kept: "KeptReceipt") -> dict[str, Any]:
    from homeroom.api.common.v1 import answer_pb2  # noqa: PLC0415 - help is quick

    receipt = kept.receipt
    return {
        "at": kept.at.isoformat(),
        "holder": kept.holder,
        "query_digest": receipt.query_digest.hex(),
        "outcome": answer_pb2.Outcome.Name(receipt.outcome).removeprefix("OUTCOME_"),
        "row_count": receipt.row_count,
        "released_elements": list(receipt.released_elements),
        "reason_codes": list(receipt.reason_codes),
        "log_index": receipt.log_index,
        "log_entry_digest": receipt.log_entry_digest.hex(),
    }


def _show(chosen: "Iterable[KeptReceipt]") -> None:
    rows = [
        (
            one["at"],
            one["holder"],
            one["outcome"],
            one["row_count"],
            one["log_index"],
            one["query_digest"][:_TELLING_DIGITS],
        )
        for one in map(_written, chosen)
    ]
    if rows:
        show_table(("received", "holder", "outcome", "rows", "log index", "query"), rows)
    else:
        tell("no receipt was kept")
