"""`python -m deploy.local.pilot`: write a synthetic pilot into a folder."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from deploy.local.pilot import PilotPlan, PilotSummary, generate
from homeroom.errors import RequestInvalidError

_STANDARD = PilotPlan()


def main(
    out: Annotated[Path, typer.Option(help="The folder to write into.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = _STANDARD.seed,
    students: Annotated[int, typer.Option(help="How many children.")] = _STANDARD.students,
    school_year: Annotated[
        str, typer.Option(help="The year of the records.")
    ] = _STANDARD.school_year,
    today: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="The day the records are as of.")
    ] = datetime.combine(_STANDARD.today, datetime.min.time()),  # noqa: B008 - a constant
) -> None:
    """Write a synthetic pilot: two districts, two community organizations, families' answers."""
    console = Console()
    try:
        plan = PilotPlan(students, seed, school_year, _day(today))
        summary = _generate(console, out, plan)
    except RequestInvalidError as error:
        raise typer.BadParameter(error.message) from None
    console.print(_table(summary))
    asked = ", ".join(f"{count:,} {answer}" for answer, count in sorted(summary.answers.items()))
    console.print(
        f"{summary.students:,} students of {summary.households:,} households; families: {asked}"
    )


def _day(moment: datetime) -> date:
    return moment.date()


def _generate(console: Console, out: Path, plan: PilotPlan) -> PilotSummary:
    columns = (TextColumn("students"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("students", total=plan.students)
        return generate(out, plan, lambda made, _: progress.update(task, completed=made))


def _table(summary: PilotSummary) -> Table:
    table = Table(title=f"Synthetic pilot {summary.plan.school_year}, seed {summary.plan.seed}")
    table.add_column("organization")
    for title in ("schools", "students", "attendance", "other rows"):
        table.add_column(title, justify="right")
    for made in summary.organizations:
        students, attendance = made.rows["student"], made.rows.get("attendance", 0)
        rest = sum(made.rows.values()) - students - attendance
        counts = (len(made.schools), students, attendance, rest)
        table.add_row(made.organization, *(f"{count:,}" for count in counts))
    return table


if __name__ == "__main__":
    typer.run(main)
