"""`homeroom destruction certify`: tells holders what was destroyed of what they gave."""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli.exits import ExitCode
from homeroom.cli.options import AsJson, Debug, ProfileOption, Sure, confirm, day, profile_of
from homeroom.cli.terminal import show_json, show_table, tell
from homeroom.errors import RequestInvalidError

if TYPE_CHECKING:
    from homeroom.destruction.certificate import KeptBecause
    from homeroom.destruction.owed import Owed
    from homeroom.destruction.recipient import Destroyed, SentCertification

_NO_AGREEMENT = "none"
_LEAST_DIGITS = 8


@dataclass(frozen=True, slots=True)
class _Meant:
    """Which of what is owed a person means; empty fields mean every one.

    Attributes:
        due_by: only what is due on that day or before; None for all.
    """

    agreement: str
    holders: Sequence[str]
    queries: Sequence[str]
    due_by: dt.date | None

    def has(self, one: "Owed") -> bool:
        return (
            one.agreement_id == ("" if self.agreement == _NO_AGREEMENT else self.agreement)
            and (self.due_by is None or one.due.day <= self.due_by)
            and (not self.holders or one.holder in self.holders)
            and _named(one, self.queries)
        )


def register(app: typer.Typer) -> None:
    """Adds this verb to a command."""
    app.command("certify")(certify)


def certify(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    agreement: Annotated[str, typer.Option(help="The agreement; `none` for what had none.")],
    method: Annotated[
        str, typer.Option(help="cleared, purged, destroyed, crypto_erased or returned.")
    ],
    role: Annotated[str, typer.Option(help="Your role, such as data_steward; no name.")],
    on: Annotated[
        str, typer.Option(help="The last day on which it was destroyed; by default today.")
    ] = "",
    holder: Annotated[
        list[str] | None, typer.Option(help="Only what this holder gave; may be given again.")
    ] = None,
    query: Annotated[
        list[str] | None,
        typer.Option(help="Only this question, by its digest or 8 digits of it; again for more."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what is not due yet; by default what is.")
    ] = False,
    keep: Annotated[
        list[str] | None,
        typer.Option(help="A question's answer that was kept, as DIGEST=REASON; again for more."),
    ] = None,
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Signs for what was destroyed and tells its holders; destroys nothing itself."""
    from homeroom.clock import utc_now  # noqa: PLC0415 - help must not wait

    today = utc_now().date()
    destroyed_on = day(on, "--on") if on else today
    meant = _Meant(agreement, holder or (), query or (), None if everything or query else today)
    said = (method, destroyed_on, role)
    sent = asyncio.run(_certified(profile, meant, said, keep or [], sure=yes))
    if as_json:
        show_json({"certificates": [_written(one) for one in sent]})
    else:
        _show(sent)
    return ExitCode.INCOMPLETE if any(one.failure for one in sent) else ExitCode.OK


async def _certified(
    profile: str | None,
    meant: _Meant,
    said: tuple[str, dt.date, str],
    keep: Sequence[str],
    *,
    sure: bool,
) -> "Sequence[SentCertification]":
    from homeroom.client import AsyncClient  # noqa: PLC0415 - help must not wait for gRPC

    async with AsyncClient(profile_of(profile)) as client:
        chosen = [one for one in (await client.destruction_due()).owed if meant.has(one)]
        if not chosen:
            raise RequestInvalidError("nothing that was received is meant by this", field="query")
        destroyed = _destroyed(said, _kept(chosen, keep))
        holders = ", ".join(sorted({one.holder for one in chosen}))
        confirm(
            f"Certify to {holders} that {len(chosen)} answers or parts were "
            f"{destroyed.method} by {destroyed.on}?",
            sure=sure,
        )
        return await client.certify_destruction(chosen, destroyed)


def _destroyed(said: tuple[str, dt.date, str], kept: "Mapping[bytes, KeptBecause]") -> "Destroyed":
    from homeroom.destruction.certificate import Method  # noqa: PLC0415 - help is quick
    from homeroom.destruction.recipient import Destroyed  # noqa: PLC0415 - help is quick

    method, on, role = said
    try:
        return Destroyed(method=Method(method), on=on, role=role, kept=kept)
    except ValueError:
        words = ", ".join(Method)
        raise RequestInvalidError(f"the methods are {words}", field="method") from None


def _kept(chosen: "Sequence[Owed]", keep: Sequence[str]) -> "Mapping[bytes, KeptBecause]":
    """Which answers were kept, and why.

    Raises:
        RequestInvalidError: if one names no answer that is meant, or no reason.
    """
    from homeroom.destruction.certificate import KeptBecause  # noqa: PLC0415 - help is quick

    found: dict[bytes, KeptBecause] = {}
    for one in keep:
        digest, _, reason = one.partition("=")
        named = {answer.query_digest for answer in chosen if _named(answer, [digest])}
        if len(named) != 1:
            raise RequestInvalidError("--keep names one answer that is meant", field="keep")
        try:
            found[named.pop()] = KeptBecause(reason)
        except ValueError:
            words = ", ".join(KeptBecause)
            raise RequestInvalidError(f"what is kept is {words}", field="keep") from None
    return found


def _named(one: "Owed", digests: Sequence[str]) -> bool:
    """Whether one of these digests, or of their beginnings, is the question's; or none is asked."""
    own = one.query_digest.hex()
    return not digests or any(
        len(digest) >= _LEAST_DIGITS and own.startswith(digest.lower()) for digest in digests
    )


def _written(one: "SentCertification") -> dict[str, Any]:
    receipt = one.receipt
    return {
        "certificate": one.certificate.certificate_id,
        "holder": one.certificate.holder,
        "agreement": one.certificate.agreement_id,
        "answers": len(one.certificate.answers),
        "kept": sum(answer.kept_because is not None for answer in one.certificate.answers),
        "failure": one.failure,
        "not_noted": one.not_noted,
        "received": receipt.received_at.isoformat() if receipt else "",
        "log_index": receipt.log_index if receipt else None,
    }


def _show(sent: "Sequence[SentCertification]") -> None:
    rows = [_written(one) for one in sent]
    show_table(
        ("holder", "agreement", "answers", "kept", "received there", "log index"),
        [
            (
                one["holder"],
                one["agreement"] or _NO_AGREEMENT,
                one["answers"],
                one["kept"],
                one["received"] or one["failure"],
                one["log_index"],
            )
            for one in rows
        ],
    )
    for one in sent:
        if one.not_noted:
            tell(f"the log of the organization's own node does not tell of it: {one.not_noted}")
    tell(
        "nothing was deleted by this: receipts and certificates stay in the profile's folder, and "
        "what you saved of the answers is yours to destroy"
    )
