"""Flags that have a first and a last day are told as of a day, on SQLite and PostgreSQL alike."""

import datetime as dt
from typing import Any

import pytest

from homeroom.catalog import SUBJECT_REF
from homeroom.checks import RowCondition
from homeroom.question import Period
from homeroom.vocabulary import Element
from tests.contract.holding import Holding, holding, selection, student
from tests.contract.node_stores import urls
from tests.organizations import NOW

__all__ = ["holding", "urls"]

TODAY = NOW.date()
FLAGS = ("english_learner", "special_education", "homeless", "foster_care")
ELEMENTS = (
    *(Element.EL_STATUS, Element.SPED_STATUS, Element.HOMELESS_STATUS, Element.FOSTER_STATUS),
    Element.LIVING_SITUATION,
)


def days(ago: int) -> dt.date:
    return TODAY - dt.timedelta(days=ago)


def until(ago: int) -> Period:
    """A period whose last day is so long ago."""
    return Period(days(400), days(ago))


def status(begun: int, ended: int | None, **more: Any) -> dict[str, Any]:
    last = None if ended is None else days(ended)
    return {"student": "ana", "begin_date": days(begun), "end_date": last, **more}


async def told(holding: Holding, period: Period | None = None) -> dict[str, Any]:
    """What is told of the one student."""
    conditions = {element: frozenset({RowCondition.CONSENTED}) for element in ELEMENTS}
    (row,) = await holding.rows(selection("students", period=period, conditions=conditions))
    assert row.pop(SUBJECT_REF)
    return row


@pytest.fixture
def ana(holding: Holding) -> Holding:
    holding.add("student", student("ana"))
    holding.grant("ana", *ELEMENTS)
    return holding


@pytest.mark.parametrize("flag", FLAGS)
async def test_a_period_says_on_which_days_it_was_so(ana: Holding, flag: str) -> None:
    """Both its days are in it; on every other day it was not so, whatever a flag says of now."""
    ana.add("student", {**student("ana"), flag: True})
    ana.add("student_status", status(100, 50, status=flag), status(20, 10, status=flag))
    said = {ago: (await told(ana, until(ago)))[flag] for ago in (101, 100, 50, 49, 20, 10, 9, 0)}

    assert said == {
        101: False,
        100: True,
        50: True,
        49: False,
        20: True,
        10: True,
        9: False,
        0: False,
    }
    assert (await told(ana))[flag] is False


async def test_without_a_period_a_flag_tells_of_today_alone(ana: Holding) -> None:
    """Of an earlier day nobody knows."""
    ana.add("student", {**student("ana"), "homeless": True, "english_learner": False})
    of_now = dict.fromkeys(FLAGS) | {"homeless": True, "english_learner": False}

    assert await told(ana) == of_now | {"nighttime_residence": None}
    assert await told(ana, until(0)) == of_now | {"nighttime_residence": None}
    assert set((await told(ana, until(1))).values()) == {None}


async def test_of_a_day_to_come_is_told_what_is_so_today(ana: Holding) -> None:
    ana.add(
        "student_status", status(5, -5, status="homeless"), status(-9, None, status="foster_care")
    )
    row = await told(ana, Period(days(0), days(-30)))

    assert (row["homeless"], row["foster_care"]) == (True, False)


async def test_where_a_student_slept_is_told_of_the_same_day(ana: Holding) -> None:
    ana.add("student", {**student("ana"), "nighttime_residence": "shelter"})
    ana.add(
        "student_status",
        status(100, 50, status="homeless", detail="doubled_up"),
        status(20, None, status="homeless", detail="shelter"),
    )
    said = [(await told(ana, until(ago)))["nighttime_residence"] for ago in (70, 30, 5)]

    assert said == ["doubled_up", None, "shelter"]
    assert (await told(ana))["nighttime_residence"] == "shelter"


async def test_who_had_a_disability_on_that_day_needs_the_part_b_consent(holding: Holding) -> None:
    """Else an earlier day would tell without it what today does not."""
    holding.add("student", {**student("ana"), "special_education": False})
    holding.add("student_status", status(100, 50, status="special_education"))
    holding.name("ana")
    chosen = {Element.SPED_STATUS: frozenset({RowCondition.PART_B_CONSENTED})}

    async def count(period: Period | None) -> int:
        return len(await holding.rows(selection("students", conditions=chosen, period=period)))

    assert [await count(None), await count(until(10)), await count(until(70))] == [1, 1, 0]
    holding.grant("ana", Element.SPED_STATUS)
    assert await count(until(70)) == 1


async def test_a_consent_for_other_days_tells_nothing_of_that_day(holding: Holding) -> None:
    holding.add("student", student("ana"))
    holding.add("student_status", status(100, 50, status="homeless"))
    holding.grant("ana", *ELEMENTS, record_period=Period(days(30), days(0)))

    assert await holding.rows(selection("students", period=Period(days(70), days(60)))) == []
    (row,) = await holding.rows(selection("students", period=Period(days(20), days(10))))
    assert row["homeless"] is False
