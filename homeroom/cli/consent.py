"""`homeroom consent`: record, import, withdraw and list what families have allowed."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli import consent_receipt, consent_retractions, consent_review
from homeroom.cli.exits import ExitCode
from homeroom.cli.options import AsJson, Debug, ProfileOption, Sure, confirm, day, profile_of
from homeroom.cli.terminal import progress, show_json, show_table, tell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from homeroom.consents import ListedConsent, RecordedConsent, SignedForm

app = typer.Typer(
    help="Consents: record, import from CSV, withdraw, list, renew, prove.", no_args_is_help=True
)
app.command("receipt")(consent_receipt.receipt)
app.command("verify-receipt")(consent_receipt.verify_receipt)
app.command("review")(consent_review.review)
app.command("undo-link")(consent_review.undo_link)
app.command("retractions")(consent_retractions.retractions)

ConsentId = Annotated[str, typer.Argument(help="The consent.")]


@app.command("record")
def record(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    holder: Annotated[str, typer.Option(help="The organization that holds the records.")],
    element: Annotated[
        list[str], typer.Option(help="What may be released; all_education_records for all.")
    ],
    purpose: Annotated[list[str], typer.Option(help="What it may be released for.")],
    signer: Annotated[str, typer.Option(help="parent, guardian, eligible_student …")],
    signed: Annotated[str, typer.Option(help="The day it was signed, YYYY-MM-DD.")],
    start: Annotated[str, typer.Option(help="The first day it counts.")],
    end: Annotated[str, typer.Option(help="The last day it counts.")],
    link_code: Annotated[
        str,
        typer.Option(
            prompt="Link code on the form",
            hide_input=True,
            help="The code on the form; asked for if left out, so that no shell remembers it.",
        ),
    ],
    form: Annotated[
        str, typer.Option(help="written; an electronic consent is imported, with its evidence.")
    ] = "written",
    agreement: Annotated[
        str, typer.Option(help="The agreement it counts under; by default each with the holder.")
    ] = "",
    recipient: Annotated[
        list[str] | None, typer.Option(help="Who may receive; by default this organization.")
    ] = None,
    recipient_class: Annotated[
        list[str] | None, typer.Option("--class", help="A class of organizations that may receive.")
    ] = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Records one consent."""
    written: SignedForm = {
        "holder": holder,
        "link_code": link_code,
        "agreement_id": agreement,
        "elements": element,
        "purposes": purpose,
        "classes": recipient_class or (),
        "signer_relation": signer,
        "form": form,
        "sign_date": day(signed, "--signed"),
        "start_date": day(start, "--start"),
        "end_date": day(end, "--end"),
    }
    if recipient:
        written["recipients"] = recipient
    recorded = asyncio.run(_record(profile, written))
    if as_json:
        show_json(_recorded_json(recorded))
    else:
        show_table(
            ("consent", "subject_ref", "sequence"),
            [(recorded.consent_id, recorded.subject_ref, recorded.sequence)],
        )


@app.command("import")
def import_consents(
    file: Annotated[Path, typer.Argument(help="The forms, CSV; docs/consents.md has its columns.")],
    report: Annotated[
        Path | None, typer.Option(help="What became of each line, CSV; by default beside the file.")
    ] = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Records the consents of a CSV file, and reports what became of each line."""
    from homeroom.cli.consent_report import free_report, import_file  # noqa: PLC0415 - help is quick
    from homeroom.consent_import import count_lines  # noqa: PLC0415 - help is quick

    chosen, out = profile_of(profile), report or free_report(file)
    with progress() as bar:
        task = bar.add_task("recording", total=max(count_lines(file) - 1, 1))
        counts = asyncio.run(import_file(chosen, file, out, lambda count: bar.advance(task, count)))
    if as_json:
        show_json({**counts, "report": str(out)})
    else:
        tell(
            f"{counts['recorded']:,} consents recorded, {counts['already']:,} were already,"
            f" {counts['rejected']:,} lines rejected; {out} says which and why"
        )
    if counts["rejected"]:
        raise typer.Exit(int(ExitCode.INCOMPLETE))


@app.command("withdraw")
def withdraw(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    consent_id: ConsentId,
    element: Annotated[
        list[str] | None, typer.Option(help="Only this element; by default every one.")
    ] = None,
    recipient: Annotated[
        list[str] | None, typer.Option(help="Only from this recipient; by default every one.")
    ] = None,
    recipient_class: Annotated[
        list[str] | None, typer.Option("--class", help="Only from this class of recipients.")
    ] = None,
    by: Annotated[str, typer.Option(help="parent, student or organization.")] = "organization",
    channel: Annotated[str, typer.Option(help="How it was told: paper, phone …")] = "unsaid",
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Withdraws a consent, or a part of it, from now on."""
    part = {
        "elements": element or (),
        "recipients": recipient or (),
        "classes": recipient_class or (),
    }
    partly = any(part.values())
    confirm("Withdraw this part of the consent?" if partly else "Withdraw this consent?", sure=yes)
    told = {"withdrawn_by": by, "channel": channel}
    sequence = asyncio.run(_withdraw(profile, consent_id, part if partly else {}, told))
    if as_json:
        show_json({"consent_id": consent_id, "sequence": sequence})
    else:
        tell(f"withdrawn; no answer that has seen sequence {sequence} relies on it")


@app.command("list")
def list_consents(
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Lists the consents that this organization recorded, holds or receives."""
    _show(asyncio.run(_list(profile)), as_json=as_json)


@app.command("ending")
def ending(
    within: Annotated[int, typer.Option(help="How many days from today on.")],
    renewals: Annotated[
        Path | None, typer.Option(help="Where to write a line for each new form, CSV.")
    ] = None,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Lists the consents that end soon, by their dates or on the student's 18th birthday."""
    from homeroom.cli.consent_report import write_renewals  # noqa: PLC0415 - help is quick

    consents = asyncio.run(_list(profile, within))
    if renewals is not None:
        count = write_renewals(renewals, consents)
        tell(f"{count:,} lines to fill in from the new forms are in {renewals}")
    _show(consents, as_json=as_json)


@app.command("rotate")
def rotate(
    holder: Annotated[str, typer.Option(help="The organization that holds the records.")],
    subject_ref: Annotated[list[str], typer.Argument(help="The names that are to count no more.")],
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Gives students new names, by which this organization alone knows them; consents go on."""
    confirm("Replace these names at the holder?", sure=yes)
    new_refs = asyncio.run(_rotate(profile, holder, subject_ref))
    if as_json:
        show_json({"subject_refs": dict(new_refs)})
    else:
        show_table(("subject_ref", "new subject_ref"), list(new_refs.items()))


def _show(consents: "list[ListedConsent]", *, as_json: bool) -> None:
    if as_json:
        show_json({"consents": [_listed_json(consent) for consent in consents]})
        return
    show_table(
        ("consent", "reference", "state", "holder", "elements", "starts", "ends", "note"),
        (
            (
                c.consent_id,
                c.opened.reference if c.opened else "",
                _state_of(c),
                c.holder,
                (", ".join(c.opened.terms.elements) or "all records") if c.opened else "",
                c.opened.terms.start_date if c.opened else "",
                c.last_date or "",
                c.problem or (", ".join(c.verdict.codes) if c.verdict else ""),
            )
            for c in consents
        ),
    )


def _state_of(consent: "ListedConsent") -> str:
    if not consent.active:
        return "withdrawn"
    if consent.verdict is None:
        return "active"
    return "accepted" if consent.verdict.accepted else "refused"


async def _record(profile: str | None, form: "SignedForm") -> "RecordedConsent":
    from homeroom.client import AsyncClient  # noqa: PLC0415 - help must not wait for gRPC

    async with AsyncClient(profile_of(profile)) as client:
        return await client.consents.record(**form)


async def _withdraw(
    profile: str | None, consent_id: str, part: "Mapping[str, Any]", told: "Mapping[str, str]"
) -> int:
    from homeroom.client import AsyncClient  # noqa: PLC0415 - help must not wait for gRPC

    async with AsyncClient(profile_of(profile)) as client:
        if part:
            return await client.consents.narrow(consent_id, **part, **told)
        return await client.consents.revoke(consent_id, **told)


async def _rotate(profile: str | None, holder: str, subject_refs: list[str]) -> "Mapping[str, str]":
    from homeroom.client import AsyncClient  # noqa: PLC0415 - help must not wait for gRPC

    async with AsyncClient(profile_of(profile)) as client:
        return await client.consents.rotate(holder, subject_refs)


async def _list(profile: str | None, within: int | None = None) -> "list[ListedConsent]":
    from homeroom.client import AsyncClient  # noqa: PLC0415 - help must not wait for gRPC

    async with AsyncClient(profile_of(profile)) as client:
        if within is None:
            return [consent async for consent in client.consents.list()]
        return [consent async for consent in client.consents.ending(within)]


def _recorded_json(recorded: "RecordedConsent") -> dict[str, Any]:
    return {
        "consent_id": recorded.consent_id,
        "subject_ref": recorded.subject_ref,
        "sequence": recorded.sequence,
    }


def _listed_json(consent: "ListedConsent") -> dict[str, Any]:
    opened, verdict = consent.opened, consent.verdict
    said = {
        "consent_id": consent.consent_id,
        "recorder": consent.recorder,
        "holder": consent.holder,
        "active": consent.active,
        "state": _state_of(consent),
        "revoke_time": consent.revoke_time.isoformat() if consent.revoke_time else None,
        "codes": verdict.codes if verdict else None,
        "last_date": consent.last_date.isoformat() if consent.last_date else None,
        "problem": consent.problem,
    }
    if opened is None:
        return said
    terms = opened.terms
    return said | {
        "reference": opened.reference,
        "agreement_id": terms.agreement_id,
        "elements": terms.elements or ["all_education_records"],
        "purposes": terms.purposes,
        "recipients": opened.recipients,
        "classes": terms.classes,
        "subject_refs": {name: ref for name, ref in opened.subject_refs.items() if ref},
        "start_date": terms.start_date.isoformat(),
        "end_date": terms.end_date.isoformat(),
    }
