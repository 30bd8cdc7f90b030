"""Runs a node, or works on its databases where it runs: `python -m services.node --help`.

Without a verb it serves, with its settings in HOMEROOM_NODE_*.
"""

import csv
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from homeroom.errors import HomeroomError
from services.node.domain.intake import IntakeReport
from services.node.intake.run import FORMATS, ingest
from services.node.server import build_server, open_stores
from services.node.settings import NodeSettings
from services.runtime.process import EXIT_FAILED, run_service

RecordsUrl = Annotated[
    str,
    typer.Option(envvar="HOMEROOM_NODE_RECORDS_URL", help="The database of records."),
]
StateUrl = Annotated[
    str,
    typer.Option(envvar="HOMEROOM_NODE_STATE_URL", help="The database of the node's own state."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]

app = typer.Typer(
    help=__doc__, add_completion=False, pretty_exceptions_enable=False, no_args_is_help=False
)
told = Console(stderr=True)


@app.callback(invoke_without_command=True)
def serve(context: typer.Context) -> None:
    """Serves, when no verb is given."""
    if context.invoked_subcommand is None:
        raise typer.Exit(run_service("node", NodeSettings, build_server))


@app.command("ingest")
def ingest_files(
    format_name: Annotated[str, typer.Argument(metavar="FORMAT", help=", ".join(FORMATS))],
    path: Annotated[Path, typer.Argument(help="A folder, a file or a zip archive.")],
    records_url: RecordsUrl,
    as_json: AsJson = False,
) -> None:
    """Imports a file set into the node's records: all of it, or nothing."""
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=told
    ) as progress:
        tasks: dict[str, TaskID] = {}

        def on_progress(table: str, rows: int) -> None:
            if table not in tasks:
                tasks[table] = progress.add_task(table)
            progress.update(tasks[table], description=f"{table}: {rows:,} rows read")

        report = ingest(format_name, path, records_url, on_progress=on_progress)
    if as_json:
        sys.stdout.write(json.dumps(report.to_json()) + "\n")
    else:
        _show(report)


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


@app.command("check-log")
def check_log(records_url: RecordsUrl, state_url: StateUrl, as_json: AsJson = False) -> None:
    """Checks that no entry of the node's log is missing or was changed."""
    stores = open_stores(records_url, state_url)
    broken, size = stores.log.first_broken(), stores.log.size()
    if as_json:
        sys.stdout.write(json.dumps({"entries": size, "first_broken": broken}) + "\n")
    elif broken is None:
        told.print(f"the log is whole: {size:,} entries")
    else:
        told.print(f"the log is broken at entry {broken} of {size:,}")
    if broken is not None:
        raise typer.Exit(EXIT_FAILED)


def _show(report: IntakeReport) -> None:
    table = Table("table", "read", "added", "changed", "unchanged", "rejected")
    for name, counts in report.tables.items():
        table.add_row(
            name,
            *(
                f"{number:,}"
                for number in (
                    counts.read,
                    counts.added,
                    counts.changed,
                    counts.unchanged,
                    counts.rejected,
                )
            ),
        )
    told.print(table)
    for rejection in report.rejections:
        told.print(
            f"{rejection.file}:{rejection.line}: {rejection.table}.{rejection.field} "
            f"{rejection.reason}",
            markup=False,
        )
    for field, count in report.dropped.items():
        told.print(f"dropped at the door, never stored: {count:,} values of {field}", markup=False)
    told.print(f"{report.seconds:.1f} s")


def main() -> int:
    """Runs the verb; a failure is one sentence and exit code 1."""
    try:
        app()
    except HomeroomError as failed:
        told.print(failed.message, markup=False)
        return EXIT_FAILED
    except FileExistsError:
        told.print("the file exists already and is not overwritten")
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
