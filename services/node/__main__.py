"""Runs a node, or works on its databases where it runs: `python -m services.node --help`.

Without a verb it serves, with its settings in HOMEROOM_NODE_*.
"""

import csv
import datetime as dt
import json
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from homeroom.audit import AuditKind
from homeroom.clock import utc_now
from homeroom.errors import HomeroomError, RequestInvalidError
from services.node.commands import backup, log, log_verifying, policy, snapshot
from services.node.commands.databases import RecordsUrl, StateUrl
from services.node.commands.doctor import doctor
from services.node.intake.export import EXPORTS
from services.node.intake.pulling import SERVICES, pull
from services.node.intake.rest import Access
from services.node.intake.run import FORMATS, Choices, ingest
from services.node.intake.telling import progress_told, show
from services.node.opening import bring_tables_up_to_date, open_stores
from services.node.replicas import build_replica
from services.node.settings import IntakeSettings, NodeSettings
from services.node.store.records import RecordStore
from services.node.store.rights import RightsKind
from services.node.store.views import Views
from services.runtime.process import EXIT_FAILED, run_service

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]

app = typer.Typer(
    help=__doc__, add_completion=False, pretty_exceptions_enable=False, no_args_is_help=False
)
app.add_typer(policy.app, name="policy")
app.add_typer(snapshot.app, name="snapshot")
app.command("accept-log")(log.accept_log)
app.command("backup")(backup.backup)
app.command("doctor")(doctor)
app.command("restore")(backup.restore)
log_verifying.register(app)
told = Console(stderr=True)


@app.callback(invoke_without_command=True)
def serve(context: typer.Context) -> None:
    """Serves, when no verb is given."""
    context.obj = os.environ
    if context.invoked_subcommand is None:
        raise typer.Exit(run_service("node", NodeSettings, build_replica))


@app.command("migrate")
def migrate(records_url: RecordsUrl, state_url: StateUrl) -> None:
    """Brings both databases up to date, so that the node's own account may change no table."""
    bring_tables_up_to_date(records_url, state_url)


@app.command("ingest")
def ingest_files(  # noqa: PLR0913, PLR0917  # each argument is one option of the command
    context: typer.Context,
    format_name: Annotated[
        str, typer.Argument(metavar="FORMAT", help=", ".join((*FORMATS, *SERVICES)))
    ],
    place: Annotated[
        str, typer.Argument(metavar="PATH", help="A folder, file or zip archive; a service's URL.")
    ],
    records_url: RecordsUrl,
    mapping: Annotated[
        str, typer.Option("--map", help="The map of a mapped CSV: a file, or a ready one's name.")
    ] = "",
    source: Annotated[
        str, typer.Option(help="The name of the source; the format's, if none is given.")
    ] = "",
    bulk: Annotated[
        bool, typer.Option("--bulk", help="The source tells all there is: what is missing is gone.")
    ] = False,
    may_shrink: Annotated[
        bool, typer.Option("--may-shrink", help="More than 20 % of a table may go.")
    ] = False,
    may_be_others: Annotated[
        bool,
        typer.Option("--may-be-others", help="Known ids may come with other names."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report only; keep nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Imports a file set, or from a service, into the node's records: all of it, or nothing."""
    choices = Choices(
        source=source,
        bulk=bulk,
        may_shrink=may_shrink,
        may_be_others=may_be_others,
        dry_run=dry_run,
        mapping=mapping,
    )
    name = format_name.replace("-", "_")
    with progress_told(told) as on_progress:
        if name in SERVICES:
            access = Access.of(IntakeSettings.read("HOMEROOM_INTAKE_", context.obj))
            report = pull(name, place, records_url, access, choices, on_progress=on_progress)
        else:
            report = ingest(name, Path(place), records_url, choices, on_progress=on_progress)
    if as_json:
        sys.stdout.write(json.dumps(report.to_json()) + "\n")
    else:
        show(report, told)


@app.command("export")
def export_records(
    out: Annotated[Path, typer.Argument(help="The archive to write.")],
    records_url: RecordsUrl,
    state_url: StateUrl,
    format_name: Annotated[
        Literal["oneroster", "edfi_json"],
        typer.Option("--format", help="OneRoster 1.2 CSV, or lines of Ed-Fi JSON."),
    ] = "oneroster",
) -> None:
    """Writes the node's records as a OneRoster 1.2 package, or as Ed-Fi JSON.

    The file names students: keep it as you keep the records.
    """
    out.touch(mode=0o600, exist_ok=False)
    with closing(RecordStore(records_url)) as store:
        said = {"format": format_name, "students": store.counts()["student"]}
        open_stores(records_url, state_url).acts.note(AuditKind.RECORDS_EXPORTED, said)
        written = EXPORTS[format_name](store, out)
    for name, count in written.items():
        told.print(f"{name}: {count:,}")


@app.command("link-codes")
def link_codes(
    records_url: RecordsUrl,
    state_url: StateUrl,
    out: Annotated[Path, typer.Option(help="The CSV file to print the forms from.")],
    school_id: Annotated[str | None, typer.Option("--school", help="Only this school.")] = None,
) -> None:
    """Makes a new random code for each student's consent form.

    The file names students beside their codes: print the forms from it, then destroy it.
    """
    stores = open_stores(records_url, state_url)
    count = 0
    with out.open("x", encoding="utf-8", newline="") as file:
        out.chmod(0o600)
        written = csv.writer(file)
        written.writerow(("student_id", "given_name", "family_name", "school_id", "link_code"))
        for form in stores.state.issue_link_codes(school_id):
            written.writerow(
                (
                    form.student_id,
                    form.given_name,
                    form.family_name,
                    form.school_id,
                    form.link_code,
                )
            )
            count += 1
    told.print(f"{count:,} codes written; destroy the file once the forms are printed")


@app.command("rights")
def rights(  # noqa: PLR0913, PLR0917  # each argument is one option of the command
    student_id: Annotated[str, typer.Argument(metavar="STUDENT", help="The student's id.")],
    records_url: RecordsUrl,
    state_url: StateUrl,
    kind: Annotated[
        RightsKind | None,
        typer.Option("--set", help="What to note; left out, shows what is noted."),
    ] = None,
    person: Annotated[str, typer.Option(help="Whom a court's order or a note names.")] = "",
    from_day: Annotated[
        dt.datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="The first day in college."),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take the note back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Notes who holds the rights over a student's records, or shows what is noted.

    What families allowed about the student counts again once the node has settled it anew.
    """
    students = open_stores(records_url, state_url).students
    student_key = students.key_of(student_id)
    if student_key is None:
        raise RequestInvalidError("the records have no student of that id", field="student")
    if kind is not None:
        _require_rights(kind, person, from_day, clear=clear)
        if clear:
            students.clear(student_key, kind, person)
        else:
            students.note(student_key, kind, person, from_day.date() if from_day else None)
    noted = students.noted(student_key)
    if as_json:
        written = [
            {"kind": one.kind, "person": one.person, "from": one.from_day and str(one.from_day)}
            for one in noted
        ]
        sys.stdout.write(json.dumps({"rights": written}) + "\n")
    for one in () if as_json else noted:
        told.print(f"{one.kind} {one.person} {one.from_day or ''}".rstrip(), markup=False)


@app.command("ending")
def ending(
    records_url: RecordsUrl,
    state_url: StateUrl,
    within: Annotated[int, typer.Option(min=0, help="How many days ahead to look.")] = 60,
    as_json: AsJson = False,
) -> None:
    """Lists the consents that will end: by their own date, or on the student's 18th birthday."""
    stores, today = open_stores(records_url, state_url), utc_now().date()
    found = list(stores.consents.ending(today, today + dt.timedelta(days=within)))
    if as_json:
        written = [
            {"consent_id": o.consent_id, "recorder": o.recorder, "last_date": str(o.last_date)}
            for o in found
        ]
        sys.stdout.write(json.dumps({"consents": written}) + "\n")
        return
    table = Table("consent", "recorder", "last day")
    for one in found:
        table.add_row(one.consent_id, one.recorder, str(one.last_date))
    told.print(table)


@app.command("check-views")
def check_views(
    folder: Annotated[Path, typer.Argument(help="The folder of views, one .sql for each dataset.")],
    views_url: Annotated[
        str,
        typer.Option(envvar="HOMEROOM_NODE_VIEWS_URL", help="The organization's own database."),
    ],
    as_json: AsJson = False,
) -> None:
    """Checks the views of the organization's own database against the catalog, as the node does."""
    views = Views.open(views_url, folder, NodeSettings.model_fields["view_seconds"].default)
    wrong = views.check()
    if as_json:
        content = {"views": sorted(views.names), "problems": wrong}
        sys.stdout.write(json.dumps(content) + "\n")
    for name in () if as_json else sorted(views.names):
        told.print(f"{name}: {'; '.join(wrong.get(name, ['right']))}", markup=False)
    if wrong:
        raise typer.Exit(EXIT_FAILED)


@app.command("keep-agreements")
def keep_agreements(
    out: Annotated[Path, typer.Argument(help="The new file.")],
    records_url: RecordsUrl,
    state_url: StateUrl,
) -> None:
    """Writes what the node last had of every agreement, for a registry that has lost some of it."""
    kept = open_stores(records_url, state_url).state.load()
    if kept is None:
        raise RequestInvalidError("the node has seen no state of the registry", field="state_url")
    with out.open("xb") as file:
        out.chmod(0o600)
        file.write(kept)


def _require_rights(
    kind: RightsKind, person: str, from_day: dt.datetime | None, *, clear: bool
) -> None:
    if (kind is RightsKind.POSTSECONDARY) is bool(person):
        raise RequestInvalidError("a court's order and a note name a person", field="person")
    if kind is RightsKind.POSTSECONDARY and from_day is None and not clear:
        raise RequestInvalidError("postsecondary education has a first day", field="from")


def main() -> int:
    """Runs the verb; a failure is one sentence, with where it was, and exit code 1."""
    try:
        app()
    except HomeroomError as failed:
        told.print(failed.message, markup=False)
        for name, text in failed.metadata.items():
            told.print(f"  {name}: {text}", markup=False)
        return EXIT_FAILED
    except FileExistsError:
        told.print("the file exists already and is not overwritten")
        return EXIT_FAILED
    except OSError as failed:
        told.print(f"{failed.strerror}: {failed.filename}", markup=False)
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
