"""What a change of the records carries along and leaves behind, on SQLite and PostgreSQL alike."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

from homeroom.checks import RowCondition
from homeroom.vocabulary import Element
from services.node.intake.run import Choices, ingest
from services.node.store.records import RecordStore
from services.node.store.records.tables import TABLES, housekeeping
from services.node.store.state import StateStore
from services.node.store.state_tables import LINK_CODE
from services.node.store.students import StudentStore
from services.runtime.database import open_database
from tests.contract.holding import ATTENDANCE, Holding, holding, selection, two
from tests.contract.node_stores import Urls, urls

__all__ = ["holding", "two", "urls"]

TODAY = dt.date(2026, 9, 10)


def rename(holding: Holding, old: str, new: str) -> bool:
    with holding.records.intake() as run:
        return run.rename(old, new)


async def test_another_id_takes_consents_names_and_codes_along(two: Holding) -> None:
    """What a family allowed, and by which name a requester knows the student, rests on no id."""
    two.grant("ana", *ATTENDANCE)
    two.grant("ana", Element.STUDENT_NUMBER)
    state, records = open_database(two.urls.state), open_database(two.urls.records)
    printed = len(list(StateStore(state, records).issue_link_codes(None)))
    codes = two.urls.rows(LINK_CODE)
    before = await two.rows(selection())

    assert rename(two, "ana", "ana-2")

    assert await two.rows(selection()) == before != []
    (row,) = await two.rows(
        selection(
            "students", conditions={Element.STUDENT_NUMBER: frozenset({RowCondition.CONSENTED})}
        )
    )
    assert (row["subject_ref"], row["student_number"]) == ("ref-ana", "ana-2")
    assert two.urls.rows(LINK_CODE) == codes
    assert {code["student_key"] for code in codes} == set(two.keys.values())
    assert printed == len(codes)
    students = StudentStore(state, records)
    assert (students.key_of("ana"), students.key_of("ana-2")) == (None, two.keys["ana"])
    state.dispose()
    records.dispose()


async def test_who_is_given_the_old_id_afterwards_inherits_nothing(two: Holding) -> None:
    two.grant("ana", *ATTENDANCE)
    assert rename(two, "ana", "ana-2")
    two.add("student", {"student_id": "ana", "school_id": "elm"})
    two.add(
        "attendance",
        {"student": "ana", "school_id": "elm", "event_date": TODAY, "category": "tardy"},
    )

    assert [row["event_date"] for row in await two.rows(selection())] != [TODAY]
    assert len(await two.rows(selection())) == 1
    assert not rename(two, "ana", "ana-2")
    assert not rename(two, "nobody", "somebody")


FIRST = {
    "school": "school_id,name\nelm,Elm\n",
    "student": "student_id,given_name\nana,Ana\nben,Ben\ncy,Cy\n",
    "enrollment": (
        "student_id,school_id,entry_date,exit_date\nana,elm,2026-09-01,\nben,elm,2026-09-01,\n"
        "cy,elm,2026-09-01,\n"
    ),
    "attendance": (
        "student_id,school_id,event_date,category\n"
        + "".join(
            f"{who},elm,2026-09-0{day},tardy\n" for who in ("ana", "ben") for day in (1, 2, 3, 4)
        )
    ),
}
SECOND = {
    # A name is corrected, another spell begins and one is said no more, a day is taken back and one
    # is added.
    "student": FIRST["student"].replace("Ben", "Benn"),
    "enrollment": (
        "student_id,school_id,entry_date,exit_date\nana,elm,2026-09-01,\nben,elm,2026-09-01,\n"
        "ben,oak,2026-09-08,\n"
    ),
    "attendance": FIRST["attendance"].replace("ana,elm,2026-09-02,tardy\n", "")
    + "ana,elm,2026-09-04,partial\n",
}


def load(urls: Urls, folder: Path, files: dict[str, str]) -> int:
    folder.mkdir(exist_ok=True)
    for name, said in files.items():
        (folder / f"{name}.csv").write_text(said, "utf-8")
    choices = Choices(bulk=True, may_shrink=True, today=TODAY)
    report = ingest("record_csv", folder, urls.records, choices)
    assert report.rejections == []
    assert report.run is not None
    return report.run


def changed_since(urls: Urls, run: int) -> set[tuple[Any, ...]]:
    """What a live feed reads: the rows that changed in later runs, and those that are gone."""
    engine = open_database(urls.records)
    student, gone = TABLES["student"], housekeeping("removed_record")
    with engine.connect() as connection:
        names = {r.student_key: r.student_id for r in connection.execute(select(student))}
        found: set[tuple[Any, ...]] = set()
        for name in ("student", "enrollment", "attendance"):
            table = TABLES[name]
            for row in connection.execute(select(table).where(table.c.changed_in > run)):
                day = getattr(row, "event_date", None) or getattr(row, "entry_date", "")
                found.add((name, names[row.student_key], str(day)))
        for row in connection.execute(select(gone).where(gone.c.removed_in > run)):
            key = json.loads(row.natural_key)
            found.add((f"{row.table_name} removed", names[row.student_key], key["event_date"]))
    engine.dispose()
    return found


def test_every_kind_of_change_is_in_the_change_sequence_and_nothing_else_is(
    urls: Urls, tmp_path: Path
) -> None:
    first = load(urls, tmp_path / "set", FIRST)
    assert load(urls, tmp_path / "set", FIRST) == first + 1
    assert changed_since(urls, first) == set()

    load(urls, tmp_path / "set", SECOND)

    assert changed_since(urls, first + 1) == {
        ("student", "ben", ""),  # another name, and another present school
        ("enrollment", "ben", "2026-09-01"),  # it ends before the next begins
        ("enrollment", "ben", "2026-09-08"),
        ("enrollment", "cy", "2026-09-01"),  # said no more, so ended
        ("attendance", "ana", "2026-09-04"),
        ("attendance removed", "ana", "2026-09-02"),
    }


def test_a_school_whose_last_day_is_taken_back_has_reported_less(
    urls: Urls, tmp_path: Path
) -> None:
    """Else no row would mean present on days of which nobody said anything."""
    load(urls, tmp_path / "set", FIRST)
    header = FIRST["attendance"].splitlines()[0] + "\n"

    def reported() -> tuple[str, ...]:
        engine = open_database(urls.records)
        told = text("SELECT last_reported_date, attendance_kind FROM school")
        with engine.connect() as connection:
            [(day, kind)] = connection.execute(told)
        engine.dispose()
        return (str(day), str(kind))

    assert reported() == ("2026-09-04", "exceptions")
    delta = [row for row in FIRST["attendance"].splitlines()[1:] if "09-04" not in row]
    engine_rows = header + "".join(f"{row}\n" for row in delta) + "cy,elm,2026-09-05,tardy\n"
    load(urls, tmp_path / "set", {"attendance": engine_rows})
    assert reported() == ("2026-09-05", "exceptions")
    _remove_all(urls)
    assert reported() == ("None", "None")


def _remove_all(urls: Urls) -> None:
    store = RecordStore(urls.records)
    with store.intake() as run:
        run.remove("attendance", ("school_id",), [("elm",)])
    store.close()
