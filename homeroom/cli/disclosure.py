"""`homeroom disclosure`: who asked for students' records, what left, and a copy of it."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from homeroom.cli.options import AsJson, Debug, Force, ProfileOption, instant, profile_of
from homeroom.cli.terminal import show_json, tell
from homeroom.errors import RequestInvalidError

if TYPE_CHECKING:
    import pyarrow as pa

    from homeroom.api.node.v1.disclosure_service_pb2 import DisclosureEntry
    from homeroom.disclosure_desk import Viewer, Wanted

app = typer.Typer(
    help="Who asked for students' records, what left, and a copy of it.", no_args_is_help=True
)

Student = Annotated[str, typer.Option(help="The student, by the organization's own id.")]
FamilyOf = Annotated[
    str,
    typer.Option(
        "--family",
        metavar="RELATION",
        help="Read it for the family: parent, eligible_student or minor_student.",
    ),
]
Person = Annotated[str, typer.Option(help="The person's name, to compare with court orders.")]
Identified = Annotated[bool, typer.Option(help="You made sure who the person is.")]
Dependent = Annotated[
    bool, typer.Option("--dependent", help="The parent claims the student for tax.")
]
Audit = Annotated[bool, typer.Option("--audit", help="Read it to audit how it is kept.")]
Out = Annotated[Path | None, typer.Option(help="Where to save it; only you can read it.")]


@app.command("report")
def report(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    student: Student = "",
    partner: Annotated[str, typer.Option(help="Only what this organization asked.")] = "",
    agreement: Annotated[str, typer.Option(help="Only what was asked under it.")] = "",
    element: Annotated[str, typer.Option(help="Only what was about this element.")] = "",
    user: Annotated[str, typer.Option(help="Only what this person asked.")] = "",
    since: Annotated[str, typer.Option(help="From this day or instant on.")] = "",
    until: Annotated[str, typer.Option(help="Until this day or instant.")] = "",
    family: FamilyOf = "",
    person: Person = "",
    identified: Identified = False,
    dependent: Dependent = False,
    audit: Audit = False,
    out: Out = None,
    force: Force = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Tells the record in plain words: of a student, partner, agreement, element or person."""
    from homeroom.disclosure_desk import Wanted  # noqa: PLC0415 - help must not wait for gRPC
    from homeroom.disclosure_report import row_of, text_of  # noqa: PLC0415

    viewer = _viewer(family, person, audit=audit, identified=identified, dependent=dependent)
    wanted = Wanted(
        student_id=student,
        requester=partner,
        agreement_id=agreement,
        element=element,
        user_id=user,
        since=instant(since, "--since", last=False) if since else None,
        until=instant(until, "--until", last=True) if until else None,
    )
    entries = asyncio.run(_entries(profile, viewer, wanted))
    if as_json:
        show_json({"entries": [row_of(entry) for entry in entries]})
    else:
        _give(text_of(_TITLE, entries).encode(), out, force=force)


@app.command("export")
def export(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    out: Annotated[Path, typer.Option(help="Where to save it: .csv or .pdf.")],
    student: Student = "",
    partner: Annotated[str, typer.Option(help="Only what this organization asked.")] = "",
    family: FamilyOf = "",
    person: Person = "",
    identified: Identified = False,
    dependent: Dependent = False,
    audit: Audit = False,
    force: Force = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Saves the record: every field of 34 CFR 99.32 as CSV, or plain words as PDF."""
    from homeroom.disclosure_desk import Wanted  # noqa: PLC0415 - help must not wait for gRPC
    from homeroom.disclosure_report import csv_of, pdf_of  # noqa: PLC0415

    if out.suffix not in {".csv", ".pdf"}:
        raise RequestInvalidError("the file ends in .csv or .pdf", field="out")
    viewer = _viewer(family, person, audit=audit, identified=identified, dependent=dependent)
    wanted = Wanted(student_id=student, requester=partner)
    entries = asyncio.run(_entries(profile, viewer, wanted))
    is_pdf = out.suffix == ".pdf"
    content = pdf_of(_TITLE, entries) if is_pdf else csv_of(entries).encode()
    _save(out, content, force=force)
    if as_json:
        show_json({"entries": len(entries), "saved": str(out)})
    else:
        tell(f"{len(entries)} entries saved in {out}, which only you can read")


@app.command("copy")
def copy(  # noqa: PLR0913, PLR0917 - a verb's options are its arguments
    entry: Annotated[int, typer.Argument(metavar="ENTRY", help="The number of the entry.")],
    student: Student,
    out: Annotated[Path, typer.Option(help="Where to save it: .csv, .parquet or .arrow.")],
    family: FamilyOf = "",
    person: Person = "",
    identified: Identified = False,
    dependent: Dependent = False,
    force: Force = False,
    profile: ProfileOption = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Saves what left of a student under one entry, exactly as it left (34 CFR 99.30(c))."""
    from homeroom.cli.saving import require_place, save_table  # noqa: PLC0415 - help must not wait
    from homeroom.disclosure_desk import DisclosureDesk  # noqa: PLC0415

    require_place(out, force=force)
    viewer = _viewer(family, person, audit=False, identified=identified, dependent=dependent)

    async def fetched() -> "tuple[pa.Table, bool]":
        async with DisclosureDesk(profile_of(profile)) as desk:
            return await desk.copy(viewer, student, entry)

    rows, proved = asyncio.run(fetched())
    save_table(out, rows)
    if as_json:
        show_json({"rows": len(rows), "saved": str(out), "proved": proved})
        return
    tell(f"{len(rows)} rows saved in {out}, which only you can read")
    if not proved:
        tell("the node stopped in the middle of this answer: not all of it may have left")


_TITLE = "Record of requests and disclosures (34 CFR 99.32)"


def _viewer(
    family: str, person: str, *, audit: bool, identified: bool, dependent: bool
) -> "Viewer":
    from homeroom.disclosure_desk import Viewer  # noqa: PLC0415 - help must not wait for gRPC

    if family and audit:
        raise RequestInvalidError("it is read for the family or for an audit", field="family")
    view = "family" if family else "record_audit" if audit else "custodian"
    return Viewer(
        view=view,
        relation=family,
        person=person,
        identified=identified,
        dependent_for_tax=dependent,
    )


async def _entries(
    profile: str | None, viewer: "Viewer", wanted: "Wanted"
) -> "list[DisclosureEntry]":
    from homeroom.disclosure_desk import DisclosureDesk  # noqa: PLC0415 - help must not wait

    async with DisclosureDesk(profile_of(profile)) as desk:
        return [entry async for entry in desk.entries(viewer, wanted)]


def _give(content: bytes, out: Path | None, *, force: bool) -> None:
    """Writes to a file that only its owner reads, or to standard output."""
    if out is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        return
    _save(out, content, force=force)
    tell(f"wrote {out}")


def _save(out: Path, content: bytes, *, force: bool) -> None:
    from homeroom.development import write_private  # noqa: PLC0415 - help must not wait for keys

    write_private(out, content, force=force)
