"""`homeroom consent`: record, import, revoke and list what families have allowed."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from homeroom.cli.options import AsJson, Debug, ProfileOption, Sure, confirm, day, profile_of
from homeroom.cli.terminal import progress, show_json, show_table, tell

if TYPE_CHECKING:
    from homeroom.consents import ListedConsent, RecordedConsent, SignedForm

app = typer.Typer(help="Consents: record, import from CSV, revoke, list.", no_args_is_help=True)


@app.command("record")
def record(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    holder: Annotated[str, typer.Option(help="The organization that holds the records.")],
    agreement: Annotated[str, typer.Option(help="The agreement it was collected under.")],
    element: Annotated[list[str], typer.Option(help="What may be released.")],
    purpose: Annotated[list[str], typer.Option(help="What it may be released for.")],
    signer: Annotated[str, typer.Option(help="parent, guardian, eligible_student …")],
    form: Annotated[str, typer.Option(help="written or electronic.")],
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
    recipient: Annotated[
        list[str] | None, typer.Option(help="Who may receive; by default this organization.")
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
    file: Annotated[Path, typer.Argument(help="The consents, CSV; docs/cli.md has its columns.")],
    out: Annotated[Path, typer.Option(help="Where to save the subject_refs, CSV.")],
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Records many consents from a CSV file, 1,000 at a time, and saves their subject_refs."""
    from homeroom.cli.consent_file import read_forms, record_all  # noqa: PLC0415 - help is quick

    forms = read_forms(file)
    with progress() as bar:
        task = bar.add_task("recording", total=len(forms))
        recorded, sequence = asyncio.run(
            record_all(profile_of(profile), forms, out, lambda count: bar.advance(task, count))
        )
    if as_json:
        show_json({"recorded_count": recorded, "sequence": sequence, "saved": str(out)})
    else:
        tell(f"{recorded:,} consents recorded; their subject_refs are in {out}")


@app.command("revoke")
def revoke(
    consent_id: Annotated[str, typer.Argument(help="The consent.")],
    yes: Sure = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Withdraws a consent from now on."""
    confirm("Withdraw this consent?", sure=yes)
    sequence = asyncio.run(_revoke(profile, consent_id))
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
    consents = asyncio.run(_list(profile))
    if as_json:
        show_json({"consents": [_listed_json(consent) for consent in consents]})
        return
    show_table(
        ("consent", "state", "holder", "agreement", "elements", "in effect", "note"),
        (
            (
                c.consent_id,
                "active" if c.active else "revoked",
                c.holder,
                c.opened.terms.agreement_id if c.opened else "",
                ", ".join(c.opened.terms.elements) if c.opened else "",
                f"{c.opened.terms.start_date} to {c.opened.terms.end_date}" if c.opened else "",
                c.problem,
            )
            for c in consents
        ),
    )


async def _record(profile: str | None, form: "SignedForm") -> "RecordedConsent":
    from homeroom.client import AsyncClient  # noqa: PLC0415 - help must not wait for gRPC

    async with AsyncClient(profile_of(profile)) as client:
        return await client.consents.record(**form)


async def _revoke(profile: str | None, consent_id: str) -> int:
    from homeroom.client import AsyncClient  # noqa: PLC0415 - help must not wait for gRPC

    async with AsyncClient(profile_of(profile)) as client:
        return await client.consents.revoke(consent_id)


async def _list(profile: str | None) -> "list[ListedConsent]":
    from homeroom.client import AsyncClient  # noqa: PLC0415 - help must not wait for gRPC

    async with AsyncClient(profile_of(profile)) as client:
        return [consent async for consent in client.consents.list()]


def _recorded_json(recorded: "RecordedConsent") -> dict[str, Any]:
    return {
        "consent_id": recorded.consent_id,
        "subject_ref": recorded.subject_ref,
        "sequence": recorded.sequence,
    }


def _listed_json(consent: "ListedConsent") -> dict[str, Any]:
    opened = consent.opened
    return {
        "consent_id": consent.consent_id,
        "recorder": consent.recorder,
        "holder": consent.holder,
        "active": consent.active,
        "revoke_time": consent.revoke_time.isoformat() if consent.revoke_time else None,
        "agreement_id": opened.terms.agreement_id if opened else None,
        "elements": opened.terms.elements if opened else None,
        "purposes": opened.terms.purposes if opened else None,
        "subject_refs": dict(opened.subject_refs) if opened else None,
        "start_date": opened.terms.start_date.isoformat() if opened else None,
        "end_date": opened.terms.end_date.isoformat() if opened else None,
        "problem": consent.problem,
    }
