"""Frozen tables and what each organization was told, on SQLite and on PostgreSQL alike."""

import datetime as dt
import secrets
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import Engine

from homeroom.audit import AuditKind
from homeroom.errors import ChangedMeanwhileError, RequestInvalidError
from homeroom.vocabulary import Element, ReasonCode
from services.node.domain.aggregates import (
    MOST_TABLES,
    AskedTable,
    FrozenTable,
    Settled,
    TableRelease,
    in_scope,
    rows_of,
    settle,
)
from services.node.domain.decision import Schools
from services.node.domain.disclosure.table import Cell, Mark, students
from services.node.store.aggregates import AggregateStore
from services.node.store.log import LogStore
from services.runtime.database import open_database
from tests.contract.node_stores import Urls, urls
from tests.organizations import NOW

__all__ = ["urls"]

MINIMUM = 10
LATER = NOW + dt.timedelta(days=30)


@pytest.fixture
def state(urls: Urls) -> Iterator[Engine]:
    opened = open_database(urls.state)
    yield opened
    opened.dispose()


@pytest.fixture
def shelf(state: Engine) -> AggregateStore:
    return AggregateStore(state)


def frozen(name: str, counted: dict[str, range], **more: Any) -> FrozenTable:
    """A table of one school's groups, each with its students, and their total."""
    everyone = frozenset(key for keys in counted.values() for key in keys)
    members = {group: frozenset(keys) for group, keys in counted.items()} | {"all": everyone}
    cells = tuple(Cell(group, "elm", group, len(who)) for group, who in members.items())
    fields: dict[str, Any] = {
        "name": name,
        "measure": "students",
        "dataset": "students",
        "elements": frozenset({Element.GRADE_LEVEL}),
        "cells": cells,
        "lines": (("all", *counted),),
        "members": members,
    }
    return FrozenTable(**(fields | more))


BY_GRADE = frozen("by_grade", {"g1": range(30), "g2": range(30, 60)})
BY_HOME = frozen(
    "by_home", {"housed": range(20), "moved": range(20, 56), "homeless": range(56, 60)}
)


class Told:
    """Asks as one organization, and writes down what it is told as the node does."""

    def __init__(self, shelf: AggregateStore, state: Engine, requester: str = "helpers") -> None:
        self._shelf = shelf
        self._log = LogStore(state)
        self._requester = requester

    async def asked(self, name: str, min_size: int = MINIMUM) -> AskedTable:
        asked = await self._shelf.asked(self._requester, name, min_size)
        assert asked is not None
        return asked

    async def tell(self, name: str, min_size: int = MINIMUM) -> dict[str, Mark]:
        asked = await self.asked(name, min_size)
        settled = settle(asked, min_size)
        if asked.settled is None:
            await self.write(asked, settled)
        return {cell_id.partition("/")[2]: mark for cell_id, mark in settled.marks.items()}

    async def write(self, asked: AskedTable, settled: Settled) -> None:
        note = TableRelease(self._requester, asked.table_key, settled, asked.before)
        await self._log.append(AuditKind.DECIDED, secrets.token_bytes(32), {}, [note])


@pytest.fixture
def told(shelf: AggregateStore, state: Engine) -> Told:
    return Told(shelf, state)


async def test_a_table_that_nobody_froze_is_none(shelf: AggregateStore) -> None:
    assert await shelf.asked("helpers", "by_grade", MINIMUM) is None


async def test_a_frozen_table_comes_back_as_it_was(shelf: AggregateStore, told: Told) -> None:
    cell = Cell("a", "elm", "a", 40, rate=Fraction(43, 2))
    table = frozen("by_grade", {}, cells=(cell,), lines=(), members={}, public={students("t"): 310})
    shelf.freeze([table], NOW)
    asked = await told.asked("by_grade")

    (kept,) = asked.own.values()
    assert (kept.n, kept.rate, kept.school, kept.group) == (40, Fraction(43, 2), "elm", "a")
    assert list(asked.known.quantities.values()) == [310]
    assert asked.elements == {Element.GRADE_LEVEL}
    assert shelf.newest() == {"by_grade": (1, int(NOW.timestamp()))}


async def test_the_newest_snapshot_answers(shelf: AggregateStore, told: Told) -> None:
    shelf.freeze([frozen("by_grade", {"g1": range(30)})], NOW)
    shelf.freeze([frozen("by_grade", {"g1": range(50)})], LATER)
    assert {cell.n for cell in (await told.asked("by_grade")).own.values()} == {50}


async def test_what_was_told_is_told_again(shelf: AggregateStore, told: Told) -> None:
    shelf.freeze([BY_HOME], NOW)
    first = await told.tell("by_home")
    assert first == {
        "housed": Mark.WITHHELD,
        "moved": Mark.SHOWN,
        "homeless": Mark.WITHHELD,
        "all": Mark.SHOWN,
    }
    again = await told.asked("by_home")
    assert again.settled is not None
    assert again.settled.reasons == {
        ReasonCode.SMALL_CELL_SUPPRESSED,
        ReasonCode.COMPLEMENTARY_SUPPRESSION,
    }
    assert await told.tell("by_home") == first


async def test_two_tables_give_away_no_more_than_one(shelf: AggregateStore, told: Told) -> None:
    """A total that one table withheld is not told by another, nor by its parts there."""
    groups = {"housed": range(56), "homeless": range(56, 60)}
    shelf.freeze([frozen("by_home", groups), BY_GRADE], NOW)
    first = await told.tell("by_home")
    assert first["homeless"] is first["housed"] is Mark.WITHHELD
    second = await told.tell("by_grade")
    known = await told.asked("by_home")
    assert second["all"] is Mark.SHOWN
    assert settle(known, MINIMUM).marks[f"{known.table_key}/housed"] is Mark.WITHHELD


async def test_a_total_that_covers_a_small_cell_stays_withheld_elsewhere(
    shelf: AggregateStore, told: Told
) -> None:
    lone = frozen("by_lunch", {"free": range(4)})
    other = frozen("by_lunch_again", {"free": range(4), "paid": range(4, 40)})
    shelf.freeze([lone, other], NOW)
    assert set((await told.tell("by_lunch")).values()) == {Mark.WITHHELD}
    assert (await told.tell("by_lunch_again"))["free"] is Mark.WITHHELD


async def test_what_one_organization_was_told_binds_no_other(
    shelf: AggregateStore, state: Engine, told: Told
) -> None:
    shelf.freeze([BY_HOME], NOW)
    await told.tell("by_home")
    assert (await Told(shelf, state, "shelter").asked("by_home")).settled is None


async def test_a_group_that_one_student_left_is_not_told_again(
    shelf: AggregateStore, told: Told
) -> None:
    shelf.freeze([frozen("by_grade", {"g1": range(30), "g2": range(30, 90)})], NOW)
    assert set((await told.tell("by_grade")).values()) == {Mark.SHOWN}
    shelf.freeze([frozen("by_grade", {"g1": range(1, 30), "g2": range(30, 90)})], LATER)
    later = await told.asked("by_grade")
    settled = settle(later, MINIMUM)
    assert settled.marks[f"{later.table_key}/g1"] is Mark.WITHHELD
    assert ReasonCode.DIFFERENCING_RISK in settled.reasons


async def test_the_same_group_or_quite_another_is_told_in_a_newer_snapshot(
    shelf: AggregateStore, told: Told
) -> None:
    shelf.freeze([frozen("by_grade", {"g1": range(30), "g2": range(30, 60)})], NOW)
    await told.tell("by_grade")
    shelf.freeze([frozen("by_grade", {"g1": range(30), "g2": range(40, 90)})], LATER)
    assert set((await told.tell("by_grade")).values()) == {Mark.SHOWN}


async def test_two_tables_settled_at_once_are_not_both_told(
    shelf: AggregateStore, told: Told
) -> None:
    shelf.freeze([BY_HOME, BY_GRADE], NOW)
    first, second = await told.asked("by_home"), await told.asked("by_grade")
    await told.write(first, settle(first, MINIMUM))
    with pytest.raises(ChangedMeanwhileError):
        await told.write(second, settle(second, MINIMUM))
    assert (await told.asked("by_grade")).settled is None


async def test_a_higher_minimum_later_shows_no_more(shelf: AggregateStore, told: Told) -> None:
    shelf.freeze([BY_HOME], NOW)
    before = await told.tell("by_home")
    stricter = await told.tell("by_home", min_size=25)
    shown = {cell for cell, mark in stricter.items() if mark is Mark.SHOWN}
    assert shown < {cell for cell, mark in before.items() if mark is Mark.SHOWN}


async def test_contributions_and_answers_by_other_ways_are_known(
    shelf: AggregateStore, state: Engine
) -> None:
    shelf.freeze([BY_GRADE], NOW)
    shelf.note_contribution("helpers", "by_grade", 55)
    shelf.note_contribution("mentors", "by_grade", 28, cell_id="g1")
    shelf.note_earlier("shelter", "by_grade", 61, 1)

    for requester in ("helpers", "shelter"):
        marks = await Told(shelf, state, requester).tell("by_grade")
        assert set(marks.values()) == {Mark.WITHHELD}
    assert (await Told(shelf, state, "mentors").tell("by_grade"))["g1"] is Mark.WITHHELD
    assert (await Told(shelf, state, "others").tell("by_grade"))["g1"] is Mark.SHOWN
    with pytest.raises(RequestInvalidError):
        shelf.note_earlier("shelter", "no_such", 61, 1)


async def test_an_organization_is_told_so_many_tables_of_a_snapshot(
    shelf: AggregateStore, told: Told
) -> None:
    shelf.freeze([BY_GRADE], NOW)
    asked = await told.asked("by_grade")
    spent = type(asked)(**{f: getattr(asked, f) for f in asked.__slots__} | {"before": MOST_TABLES})
    assert set(settle(spent, MINIMUM).marks.values()) == {Mark.WITHHELD}
    assert set(settle(asked, MINIMUM).marks.values()) == {Mark.SHOWN}


async def test_only_cells_of_permitted_schools_are_told(shelf: AggregateStore, told: Told) -> None:
    cells = (
        Cell("elm", "elm", "all", 40),
        Cell("oak", "oak", "all", 50),
        Cell("t", "", "all", 90),
    )
    table = frozen("schools", {}, cells=cells, lines=(("t", "elm", "oak"),), members={})
    shelf.freeze([table], NOW)
    asked = await told.asked("schools")

    def told_of(schools: Schools) -> list[str]:
        batch = rows_of(asked, settle(asked, MINIMUM), in_scope(asked, schools))
        return list(batch.column("cell").to_pylist())

    assert told_of(Schools()) == ["elm", "oak", "t"]
    assert told_of(Schools(frozenset({"elm"}))) == ["elm"]
    assert told_of(Schools(frozenset({"elm", "oak"}))) == ["elm", "oak", "t"]


async def test_withheld_cells_look_alike_whatever_is_in_them(
    shelf: AggregateStore, told: Told
) -> None:
    cells = (
        Cell("small", "elm", "a", 3, 1),
        Cell("few", "elm", "b", 40, 5),
        Cell("all", "elm", "c", 12, 12),
        Cell("some", "elm", "d", 50, 20),
    )
    shelf.freeze([frozen("rates", {}, cells=cells, lines=(), members={})], NOW)
    asked = await told.asked("rates")
    rows = rows_of(asked, settle(asked, MINIMUM), frozenset(asked.own)).to_pylist()
    told_of = [(row["n"], row["rate_low"], row["rate_high"], row["marker"]) for row in rows]
    assert told_of == [
        (None, None, None, "withheld"),
        (None, None, None, "withheld"),
        (12, 80.0, 100.0, "masked"),
        (50, 40.0, 40.0, "shown"),
    ]
