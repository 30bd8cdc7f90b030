"""Naming many values in one parameter: the index of the column still finds them."""

import pytest
from sqlalchemy import ColumnElement, Table, create_engine, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from services.node.store.consent_tables import CONSENT, SUBJECT_REF
from services.node.store.lists import IN_LIST, among, one_of

MANY = [f"name-{number}" for number in range(IN_LIST + 1)]


@pytest.mark.parametrize(
    ("table", "condition"),
    [
        (CONSENT, one_of(CONSENT.c.consent_id, ["ab" * 16])),
        (CONSENT, one_of(CONSENT.c.student_key, [1, 2])),
        (CONSENT, among(CONSENT.c.consent_id, MANY)),
        (
            SUBJECT_REF,
            (SUBJECT_REF.c.recipient == "helpers") & among(SUBJECT_REF.c.subject_ref, MANY),
        ),
    ],
)
def test_sqlite_searches_an_index_for_the_values(
    table: Table, condition: ColumnElement[bool]
) -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        table.create(connection)
        asked = select(table).where(condition).compile(dialect=engine.dialect)
        explained = text(f"EXPLAIN QUERY PLAN {asked}".replace("?", "'[]'"))
        plan = [row.detail for row in connection.execute(explained)]
    engine.dispose()

    assert plan[0].startswith(f"SEARCH {table.name} USING")


@pytest.mark.parametrize("dialect", [sqlite.dialect, postgresql.dialect])
def test_statements_that_name_other_values_are_one_statement(dialect: type[Dialect]) -> None:
    """However many values: a database and its driver prepare it once."""
    few, more = (
        select(CONSENT.c.problem).where(one_of(CONSENT.c.student_key, range(count)))
        for count in (1, 1_000)
    )

    assert few._generate_cache_key() == more._generate_cache_key()
    assert str(few.compile(dialect=dialect())) == str(more.compile(dialect=dialect()))
