"""`python -m services.node snapshot`: freeze tables of counts, and note what is known of them."""

import datetime as dt
from typing import Annotated

import typer

from homeroom.cli.options import AsJson
from homeroom.cli.terminal import show_json, tell
from homeroom.clock import utc_now
from services.node.commands.databases import RecordsUrl, StateUrl
from services.node.domain.freezing import Dimension, Measure, frozen
from services.node.opening import open_stores
from services.node.store.pupils import Pupils
from services.node.store.records.measures import MeasureRules
from services.runtime.database import open_database

app = typer.Typer(help="Freeze tables of counts for others to ask for.", no_args_is_help=True)


@app.command("build")
def build(  # noqa: PLR0913, PLR0917  # each argument is one option of the command
    records_url: RecordsUrl,
    state_url: StateUrl,
    measures: Annotated[
        list[Measure] | None, typer.Option("--measure", help="Only this; may be repeated.")
    ] = None,
    dimensions: Annotated[
        list[Dimension] | None, typer.Option("--by", help="Only by this; may be repeated.")
    ] = None,
    first_day: Annotated[
        dt.datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="The first day that is measured."),
    ] = None,
    last_day: Annotated[
        dt.datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], help="The last day that is measured."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Counts the records as they are now and freezes the tables: school by one more dimension.

    Freeze only what you mean to tell: every table can be asked for by whoever may ask for counts.
    """
    stores = open_stores(records_url, state_url)
    rules = _rules(first_day, last_day)
    records = open_database(records_url)
    pupils = Pupils(records)
    tables = []
    for measure in measures or list(Measure):
        counted = pupils.counted(measure, rules)
        tables += [frozen(measure, by, counted) for by in dimensions or list(Dimension)]
    records.dispose()
    stores.aggregates.freeze(tables, utc_now())
    if as_json:
        show_json({"tables": [table.name for table in tables]})
    else:
        tell(f"{len(tables)} tables frozen")


@app.command("list")
def list_tables(records_url: RecordsUrl, state_url: StateUrl, as_json: AsJson = False) -> None:
    """Lists the newest table of each name; no count is shown."""
    newest = open_stores(records_url, state_url).aggregates.newest()
    rows = [
        {"table": name, "cells": cells, "taken_at": f"{_instant(at):%Y-%m-%dT%H:%M:%SZ}"}
        for name, (cells, at) in sorted(newest.items())
    ]
    if as_json:
        show_json({"tables": rows})
    for row in () if as_json else rows:
        tell(f"{row['table']}: {row['cells']} cells, counted {row['taken_at']}")


@app.command("contribution")
def contribution(  # each argument is one option of the command
    requester: Annotated[str, typer.Argument(help="The organization.")],
    table: Annotated[str, typer.Argument(help="The table's name.")],
    students: Annotated[int, typer.Argument(min=1, help="How many it supplied.")],
    records_url: RecordsUrl,
    state_url: StateUrl,
    cell: Annotated[str, typer.Option(help="Of this cell alone.")] = "",
) -> None:
    """Notes how many of the students counted an organization supplied itself, and so knows."""
    stores = open_stores(records_url, state_url)
    stores.aggregates.note_contribution(requester, table, students, cell)


@app.command("earlier")
def earlier(  # each argument is one option of the command
    requester: Annotated[str, typer.Argument(help="The organization.")],
    table: Annotated[str, typer.Argument(help="The table's name.")],
    students: Annotated[int, typer.Argument(min=0, help="How many that answer was about.")],
    difference: Annotated[int, typer.Argument(min=0, help="How many students differ.")],
    records_url: RecordsUrl,
    state_url: StateUrl,
) -> None:
    """Notes an answer that an organization had by another way, about nearly the same students."""
    stores = open_stores(records_url, state_url)
    stores.aggregates.note_earlier(requester, table, students, difference)


def _rules(first_day: dt.datetime | None, last_day: dt.datetime | None) -> MeasureRules:
    rules = MeasureRules()
    return MeasureRules(
        first_day.date() if first_day else rules.first_day,
        last_day.date() if last_day else rules.last_day,
    )


def _instant(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
