"""What a view in the organization's own database may do: give rows that are right, no more."""

import asyncio
import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from homeroom.catalog import CATALOG
from homeroom.errors import (
    HomeroomError,
    InternalError,
    RequestInvalidError,
    ServiceUnreachableError,
)
from services.node.store import views as views_module
from services.node.store.views import Views
from services.node.store.views.definitions import servable
from services.runtime.database import open_database, writing
from tests.contract.viewed import OWN, as_reader
from tests.postgres import Postgres

TABLE = "CREATE TABLE absences (pupil text, school text, day date, kind text, part float)"
ROWS = (
    "INSERT INTO absences VALUES ('ana', 'elm', '2026-09-07', 'tardy', 0.5),"
    " ('ben', 'elm', '2026-09-08', 'tardy', NULL)"
)
RIGHT = (
    "SELECT pupil AS student_id, school AS school_id, day AS event_date, kind AS category,"
    " part AS duration_days FROM absences"
)
PRIVATE = "Zaphod Beeblebrox"


class Organization:
    """A database of an organization, with a folder of views."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        folder.mkdir()
        self.run(TABLE, ROWS)

    def run(self, *statements: str) -> None:
        engine = open_database(self.url)
        with writing(engine) as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()

    def views(self, sql: str = RIGHT, *, seconds: float = 20, dataset: str = "attendance") -> Views:
        (self.folder / f"{dataset}.sql").write_text(sql, "utf-8")
        return Views.open(as_reader(self.url), self.folder, seconds)

    def problems(self, sql: str, **more: str) -> list[str]:
        """What is wrong with one view."""
        (found,) = self.views(sql, **more).check().values()  # type: ignore[arg-type]  # the dataset alone
        return list(found)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def organization(request: pytest.FixtureRequest, tmp_path: Path) -> Organization:
    if request.param == "sqlite":
        return Organization(f"sqlite:///{tmp_path}/own.db", tmp_path / "views")
    server: Postgres = request.getfixturevalue("postgres")
    return Organization(server.new_database(), tmp_path / "views")


def rows_of(views: Views, *students: str) -> list[tuple[object, ...]]:
    """The rows about some students, who have the keys 1, 2 and so on."""
    view = views.of("attendance")
    assert view is not None
    keys = {name: key for key, name in enumerate(students, start=1)}
    return [row for some in views.rows(view, keys, None) for row in some]


def test_a_right_view_gives_the_rows_of_the_students_that_are_asked_for(
    organization: Organization,
) -> None:
    views = organization.views()

    assert views.check() == {}
    assert rows_of(views, "ana") == [(1, "elm", dt.date(2026, 9, 7), "tardy", 0.5)]
    assert len(rows_of(views, "ana", "ben", *map(str, range(12_000)))) == 2
    assert rows_of(views, "carl") == []


def test_no_row_of_anyone_else_is_asked_for(organization: Organization) -> None:
    """A value that cannot be read would end the answer: it stands in a row that is never read."""
    views = organization.views()
    assert views.check() == {}
    organization.run("INSERT INTO absences VALUES ('carl', 'elm', '2026-09-07', 'tardy', 'NaN')")

    assert len(rows_of(views, "ana", "ben")) == 2
    with pytest.raises(InternalError) as wrong:
        rows_of(views, "carl")
    assert wrong.value.metadata == {"dataset": "attendance", "column": "duration_days"}


def test_a_student_is_found_by_the_id_exactly(organization: Organization) -> None:
    """A database may call ids alike that are of two children."""
    organization.run("INSERT INTO absences VALUES ('ANA', 'oak', '2026-09-07', 'tardy', 1)")
    alike = RIGHT.replace("pupil AS", "lower(pupil) AS")
    twice = organization.views(alike)
    assert twice.check() == {}
    assert len(rows_of(twice, "ana")) == 2  # the view itself says that they are one

    views = organization.views()
    assert views.check() == {}
    assert [row[1] for row in rows_of(views, "ana")] == ["elm"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            ("part AS duration_days", "part AS days"),
            ["duration_days is missing", "days is no column of the dataset"],
        ),
        (
            ("pupil AS student_id", "pupil AS id"),
            ["student_id is missing", "id is no column of the dataset"],
        ),
        (("school AS", "part AS"), ["school_id is no text"]),
        (("part AS", "kind AS"), ["duration_days is no number"]),
        (("day AS", "school AS"), ["event_date is no date"]),
        (("pupil AS", "nullif(pupil, 'ana') AS"), ["student_id is null in some row"]),
        (
            ("FROM absences", "FROM nowhere"),
            ["the database does not run it: try it there, as the node's own user"],
        ),
        (
            ("SELECT", "SELEKT"),
            ["the database does not run it: try it there, as the node's own user"],
        ),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_what_is_wrong_with_a_view_is_named(
    organization: Organization, changed: tuple[str, str], said: list[str]
) -> None:
    assert organization.problems(RIGHT.replace(*changed)) == said


def test_rows_that_may_concern_others_must_be_told_apart(organization: Organization) -> None:
    sql = RIGHT.replace(
        "day AS event_date, kind AS category, part AS duration_days",
        "day AS incident_date, kind AS behavior",
    )

    assert organization.problems(sql, dataset="discipline_incidents") == [
        "row_key is missing",
        "concerns_others is missing",
    ]


def test_a_view_that_was_not_found_right_answers_nothing(organization: Organization) -> None:
    unchecked = organization.views()
    wrong = organization.views(RIGHT.replace("part AS", "kind AS"))
    wrong.check()

    for views in (unchecked, wrong):
        with pytest.raises(ServiceUnreachableError):
            rows_of(views, "ana")


def test_a_view_that_has_become_wrong_answers_no_more(organization: Organization) -> None:
    views = organization.views()
    assert views.check() == {}
    organization.run("ALTER TABLE absences RENAME COLUMN kind TO code")

    with pytest.raises(ServiceUnreachableError):
        rows_of(views, "ana")
    assert views.check() != {}


WRITES = {
    "a table": "INSERT INTO absences VALUES ('x', 'x', '2026-09-07', 'tardy', 1) RETURNING *",
    "after it": RIGHT + ") AS v; DELETE FROM absences; SELECT * FROM (SELECT 1",  # noqa: S608  # it must not work
    "inside it": "WITH gone AS (DELETE FROM absences RETURNING *) " + RIGHT,  # noqa: S608  # it must not work
}


@pytest.mark.parametrize("sql", WRITES.values(), ids=WRITES.keys())
def test_a_view_never_writes(organization: Organization, sql: str) -> None:
    """Not even where the account might."""
    before = len(rows_of_right(organization))
    (organization.folder / "attendance.sql").write_text(sql, "utf-8")
    views = Views.open(organization.url, organization.folder, 20)

    assert views.check() != {}
    assert len(rows_of_right(organization)) == before


def rows_of_right(organization: Organization) -> list[tuple[object, ...]]:
    views = organization.views()
    assert views.check() == {}
    return rows_of(views, "ana", "ben", "x")


def test_a_file_is_read_and_stays_as_it_was(tmp_path: Path) -> None:
    organization = Organization(f"sqlite:///{tmp_path}/own.db", tmp_path / "views")
    digests = [hashlib.sha256((tmp_path / "own.db").read_bytes()).digest()]
    rows_of_right(organization)
    digests.append(hashlib.sha256((tmp_path / "own.db").read_bytes()).digest())

    assert digests[0] == digests[1]


@pytest.mark.postgres
def test_a_function_that_writes_is_stopped(postgres: Postgres, tmp_path: Path) -> None:
    organization = Organization(postgres.new_database(), tmp_path / "views")
    organization.run(
        "CREATE FUNCTION loud() RETURNS float LANGUAGE plpgsql AS $$"
        " BEGIN INSERT INTO absences(pupil) VALUES ('seen'); RETURN 1; END $$"
    )
    (organization.folder / "attendance.sql").write_text(RIGHT.replace("part AS", "loud() AS"))

    assert Views.open(organization.url, organization.folder, 20).check() != {}


def test_a_statement_that_runs_too_long_is_ended(organization: Organization) -> None:
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000)"
    forever = [numbers, RIGHT, "WHERE (SELECT count(*) FROM n) > 0"]
    assert organization.views(" ".join(forever), seconds=0.2).check() != {}


def test_what_the_database_says_of_a_value_is_not_told(organization: Organization) -> None:
    """PostgreSQL quotes the value that it could not read; nothing of it gets on."""
    views = organization.views(RIGHT.replace("part AS", "CAST(kind AS float) AS"))
    organization.run("DELETE FROM absences")
    assert views.check() == {}
    organization.run(ROWS.replace("tardy", PRIVATE))
    if "postgresql" in organization.url:
        with pytest.raises(HomeroomError) as told:
            rows_of(views, "ana")
        assert PRIVATE not in repr((told.value, told.value.args, told.value.metadata))
        assert told.value.__suppress_context__


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("day", "'2026-9-7'"),
        ("day", "'2026-09-07 10:00:00'"),
        ("part", "'half'"),
        ("kind", "x'07'"),
    ],
)
def test_sqlite_is_read_strictly_for_it_knows_no_types(
    tmp_path: Path, column: str, value: str
) -> None:
    organization = Organization(f"sqlite:///{tmp_path}/own.db", tmp_path / "views")
    views = organization.views()
    assert views.check() == {}
    organization.run(f"UPDATE absences SET {column} = {value}")  # noqa: S608  # our own

    with pytest.raises(InternalError) as wrong:
        rows_of(views, "ana")
    assert value.strip("'") not in repr((wrong.value.args, wrong.value.metadata))


def test_a_column_is_given_once(organization: Organization) -> None:
    twice = RIGHT.replace("part AS", "part AS category, part AS")
    assert organization.problems(twice)


@pytest.mark.parametrize("dataset", sorted(OWN))
def test_what_the_node_itself_keeps_comes_from_no_view(tmp_path: Path, dataset: str) -> None:
    (tmp_path / f"{dataset}.sql").write_text("SELECT 1")
    with pytest.raises(RequestInvalidError, match=f"{dataset}.sql"):
        Views.open("sqlite:///own.db", tmp_path, 20)
    assert {d.name for d in servable()} == {d.name for d in CATALOG} - OWN


@pytest.mark.parametrize("url", ["mysql://host/own", "nothing at all"])
def test_a_database_that_cannot_be_kept_from_writing_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(RequestInvalidError):
        Views.open(url, tmp_path, 20)


def test_an_empty_or_unknown_file_and_no_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "attendance.sql").write_text(" ;\n")
    (tmp_path / "atendance.sql").write_text(RIGHT)
    with pytest.raises(
        RequestInvalidError, match=r"atendance.sql is of no.*attendance.sql is empty"
    ):
        Views.open("sqlite:///own.db", tmp_path, 20)
    with pytest.raises(RequestInvalidError):
        Views.open("sqlite:///own.db", tmp_path / "nowhere", 20)


async def test_the_node_waits_until_every_view_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It becomes ready by itself once the database is as it has to be, and not before."""
    monkeypatch.setattr(views_module, "_SECONDS_BETWEEN_CHECKS", 0.01)
    organization = Organization(f"sqlite:///{tmp_path}/own.db", tmp_path / "views")
    organization.run("ALTER TABLE absences RENAME TO elsewhere")
    checked: list[int] = []
    views = organization.views()
    monkeypatch.setattr(views, "check", counted(views.check, checked))
    waiting = asyncio.ensure_future(views.found_right())
    while len(checked) < 3:  # noqa: ASYNC110  # it counts in another thread
        await asyncio.sleep(0.01)
    assert not waiting.done()
    organization.run("ALTER TABLE elsewhere RENAME TO absences")

    await asyncio.wait_for(waiting, 60)
    assert len(rows_of(views, "ana")) == 1


def counted(check: Callable[[], object], into: list[int]) -> Callable[[], object]:
    def check_and_count() -> object:
        into.append(1)
        return check()

    return check_and_count


def test_a_database_that_is_away_is_no_view_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "attendance.sql").write_text(RIGHT)
    with pytest.raises(ServiceUnreachableError):
        Views.open(f"sqlite:///{tmp_path}/nowhere.db", tmp_path, 20).check()


@pytest.fixture(autouse=True)
def _closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every database of views that a test opens is closed at its end."""
    opened: list[Views] = []
    begin = Views.__init__

    def kept(self: Views, *given: object) -> None:
        begin(self, *given)  # type: ignore[arg-type]  # passed on as they come
        opened.append(self)

    monkeypatch.setattr(Views, "__init__", kept)
    yield
    for views in opened:
        views.close()
