"""What the records' store promises, on SQLite and on PostgreSQL alike."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError

from services.node.migrations import RECORDS, RECORDS_VERSION_TABLE
from services.node.store.records import LoadTally, RecordStore
from services.node.store.records.tables import TABLES, RecordTable
from services.runtime.database import open_database, upgrade, writing

STUDENT = ("student_id", "given_name", "birth_date", "school_id")
ENROLLMENT = ("student_key", "school_id", "entry_date", "exit_date")
ATTENDANCE = ("student_key", "school_id", "event_date", "category", "reason", "duration_days")
SCHOOL = ("school_id", "name", "attendance_kind")
MONDAY = date(2025, 9, 8)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path}/records.db"


@pytest.fixture
def store(url: str) -> Iterator[RecordStore]:
    upgrade(url, RECORDS, version_table=RECORDS_VERSION_TABLE)
    opened = RecordStore(url)
    yield opened
    opened.close()


def rows_of(url: str, table: str, *columns: str) -> list[tuple[object, ...]]:
    """The rows of a table as another connection sees them, sorted."""
    engine = open_database(url)
    try:
        with engine.connect() as connection:
            chosen = [TABLES[table].c[column] for column in columns]
            return sorted(tuple(row) for row in connection.execute(select(*chosen)))
    finally:
        engine.dispose()


def test_the_migrations_make_exactly_the_tables_of_the_model(url: str) -> None:
    upgrade(url, RECORDS, version_table=RECORDS_VERSION_TABLE)
    engine = open_database(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": RECORDS_VERSION_TABLE, "compare_type": True}
        )
        differences = compare_metadata(context, RecordTable.metadata)
    engine.dispose()

    assert differences == []


def start(url: str) -> None:
    """What every service does first."""
    upgrade(url, RECORDS, version_table=RECORDS_VERSION_TABLE)


def test_services_that_start_at_once_apply_each_migration_once(url: str) -> None:
    processes = [get_context("spawn").Process(target=start, args=(url,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    store = RecordStore(url)

    assert [process.exitcode for process in processes] == [0, 0]
    assert store.counts() == dict.fromkeys(TABLES, 0)
    store.close()


def test_starts_in_one_process_take_turns_too(url: str) -> None:
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(start, [url] * 3))
    store = RecordStore(url)

    assert store.counts() == dict.fromkeys(TABLES, 0)
    store.close()


def test_counts_tell_added_changed_and_unchanged_apart(store: RecordStore, url: str) -> None:
    with store.intake() as run:
        run.load("student", STUDENT, [("1", "Ana", None, "a"), ("2", "Ben", None, "a")])
    with store.intake() as run:
        again = [("1", "Ana", None, "a"), ("2", "Benjamin", None, "a"), ("3", "Cem", None, "a")]
        run.load("student", STUDENT, again)
        tallies = run.tallies()

    assert tallies["student"] == LoadTally(added=1, changed=1, unchanged=1)
    assert rows_of(url, "student", "student_id", "given_name") == [
        ("1", "Ana"),
        ("2", "Benjamin"),
        ("3", "Cem"),
    ]


def test_a_repeat_within_one_load_is_unchanged_and_a_correction_is_a_change(
    store: RecordStore, url: str
) -> None:
    with store.intake() as run:
        run.load(
            "school", SCHOOL, [("a", "North", None), ("a", "North", None), ("a", "Nord", None)]
        )
        tallies = run.tallies()

    assert tallies["school"] == LoadTally(added=1, changed=1, unchanged=1)
    assert rows_of(url, "school", "name") == [("Nord",)]


def test_columns_that_are_not_given_keep_what_they_hold(store: RecordStore, url: str) -> None:
    with store.intake() as run:
        run.load("student", STUDENT, [("1", "Ana", date(2012, 2, 29), "a")])
    with store.intake() as run:
        run.load("student", ("student_id", "grade_level"), [("1", "07")])

    assert rows_of(url, "student", "given_name", "birth_date", "grade_level") == [
        ("Ana", date(2012, 2, 29), "07")
    ]


def test_a_student_keeps_the_key_and_keys_are_never_given_twice(
    store: RecordStore, url: str
) -> None:
    with store.intake() as run:
        run.load("student", ("student_id",), [("1",), ("2",)])
    first = store.student_keys()
    with store.intake() as run:
        run.load("student", ("student_id",), [("2",), ("3",)])
    second = store.student_keys()
    engine = open_database(url)
    with writing(engine) as connection:
        connection.execute(text("DELETE FROM student WHERE student_id = '3'"))
    engine.dispose()
    with store.intake() as run:
        run.load("student", ("student_id",), [("4",)])
    third = store.student_keys()

    assert first.items() <= second.items()
    assert third["4"] not in second.values()


def failing_run(store: RecordStore) -> None:
    with store.intake() as run:
        run.load("student", ("student_id",), [("2",)])
        run.load("attendance", ATTENDANCE, [(run.student_keys["2"], "a", MONDAY, "tardy", None, 1)])
        raise RuntimeError


def test_an_error_in_the_middle_leaves_the_node_as_it_was(store: RecordStore) -> None:
    with store.intake() as run:
        run.load("student", ("student_id",), [("1",)])
    before = store.counts()

    with pytest.raises(RuntimeError):
        failing_run(store)

    assert store.counts() == before


def killed_run(url: str) -> None:
    store = RecordStore(url)
    with store.intake() as run:
        run.load("student", ("student_id",), [(str(i),) for i in range(5_000)])
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_run_leaves_the_node_as_it_was(store: RecordStore, url: str) -> None:
    process = get_context("spawn").Process(target=killed_run, args=(url,))
    process.start()
    process.join()

    assert process.exitcode == -signal.SIGKILL
    assert store.counts() == dict.fromkeys(TABLES, 0)
    with store.intake() as run:
        run.load("student", ("student_id",), [("1",)])
    assert store.counts()["student"] == 1


def test_readers_see_nothing_of_a_run_until_it_ends(store: RecordStore, url: str) -> None:
    with store.intake() as run:
        run.load("student", ("student_id",), [("1",)])

        assert rows_of(url, "student", "student_id") == []

    assert rows_of(url, "student", "student_id") == [("1",)]


def test_a_record_about_no_student_is_refused_by_the_database_itself(store: RecordStore) -> None:
    with pytest.raises(IntegrityError), store.intake() as run:
        run.load("attendance", ATTENDANCE, [(4711, "a", MONDAY, "tardy", None, 1.0)])


def test_no_error_text_carries_a_value(store: RecordStore, url: str) -> None:
    with store.intake() as run:
        run.load("student", ("student_id",), [("SECRET-77",)])
    engine = open_database(url)
    insert = TABLES["student"].insert()

    with pytest.raises(IntegrityError) as failed, writing(engine) as connection:
        connection.execute(insert, {"student_id": "SECRET-77"})
    engine.dispose()

    assert "SECRET-77" not in str(failed.value)
    assert "SECRET-77" not in str(failed.value.orig)


class TestCurrentSchool:
    """The current school follows from the enrollments where the source gives none."""

    def school_after(self, store: RecordStore, url: str, *spells: tuple[object, ...]) -> object:
        with store.intake() as run:
            run.load("student", STUDENT, [("1", "Ana", None, None)])
            key = run.student_keys["1"]
            run.load("enrollment", ENROLLMENT, [(key, *spell) for spell in spells])
        return rows_of(url, "student", "school_id")[0][0]

    def test_it_is_the_open_enrollment(self, store: RecordStore, url: str) -> None:
        spells = [("a", date(2025, 1, 7), None), ("b", date(2025, 3, 1), date(2025, 4, 1))]

        assert self.school_after(store, url, *spells) == "a"

    def test_it_is_the_latest_of_several_open_ones(self, store: RecordStore, url: str) -> None:
        spells = [("b", date(2024, 9, 1), None), ("a", date(2023, 9, 1), None)]

        assert self.school_after(store, url, *spells) == "b"

    def test_it_is_the_one_that_ends_last_if_none_is_open(
        self, store: RecordStore, url: str
    ) -> None:
        spells = [
            ("a", date(2023, 9, 1), date(2024, 6, 1)),
            ("b", date(2022, 9, 1), date(2023, 6, 1)),
        ]

        assert self.school_after(store, url, *spells) == "a"

    def test_it_follows_a_later_move(self, store: RecordStore, url: str) -> None:
        self.school_after(store, url, ("a", date(2025, 1, 7), None))

        moved = [("a", date(2025, 1, 7), date(2025, 2, 1)), ("b", date(2025, 2, 2), None)]
        assert self.school_after(store, url, *moved) == "b"

    def test_what_the_source_says_comes_first_and_repeating_it_changes_nothing(
        self, store: RecordStore, url: str
    ) -> None:
        for _ in range(2):
            with store.intake() as run:
                run.load("student", STUDENT, [("1", "Ana", None, "z"), ("2", "Ben", None, None)])
                keys = run.student_keys
                spells = [(keys[i], "a", date(2025, 1, 7), None) for i in ("1", "2")]
                run.load("enrollment", ENROLLMENT, spells)
                tally = run.tallies()["student"]

        assert rows_of(url, "student", "student_id", "school_id") == [("1", "z"), ("2", "a")]
        assert tally == LoadTally(unchanged=2)


def test_a_schools_kind_of_attendance_follows_from_its_events(store: RecordStore, url: str) -> None:
    with store.intake() as run:
        run.load("school", SCHOOL, [(i, None, None) for i in "ab"] + [("c", None, "every_day")])
        run.load("student", ("student_id",), [("1",)])
        key = run.student_keys["1"]
        events = [
            (key, "a", MONDAY, "in_attendance", None, 1.0),
            (key, "b", MONDAY, "tardy", None, None),
            (key, "c", MONDAY, "tardy", None, None),
        ]
        run.load("attendance", ATTENDANCE, events)

    assert rows_of(url, "school", "school_id", "attendance_kind") == [
        ("a", "every_day"),
        ("b", "exceptions"),
        ("c", "every_day"),
    ]
