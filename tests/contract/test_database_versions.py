"""Whoever may change tables brings a database up to date, SQLite or PostgreSQL; others serve it."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import column, inspect, table, text
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from homeroom.errors import ServiceUnreachableError
from services.consent.__main__ import app as consent_command
from services.gateway.__main__ import app as gateway_command
from services.node.__main__ import app as node_command
from services.registry.__main__ import app as registry_command
from services.registry.migrations import REGISTRY, VERSION_TABLE
from services.runtime.database import (
    TablesAge,
    open_database,
    tables_age,
    takes_writes,
    until_it_takes_writes,
    upgrade,
    writing,
)
from tests.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]

_VERSIONS = table(VERSION_TABLE, column("version_num"))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database as the registry's migrations leave it."""
    if request.param == "postgresql":
        made = str(request.getfixturevalue("postgres_url"))
    else:
        made = f"sqlite:///{tmp_path}/registry.db"
    upgrade(made, REGISTRY, version_table=VERSION_TABLE)
    return made


def _run(url: str, *statements: str) -> None:
    engine = open_database(url)
    with writing(engine) as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def _tables(url: str) -> set[str]:
    engine = open_database(url)
    found = set(inspect(engine).get_table_names())
    engine.dispose()
    return found


def test_a_database_that_is_up_to_date_is_left_alone(url: str) -> None:
    """Nothing is written: also a writer that holds the database delays no start."""
    engine = open_database(url)
    with writing(engine) as connection:
        connection.execute(_VERSIONS.update().values(version_num=_VERSIONS.c.version_num))
        upgrade(url, REGISTRY, version_table=VERSION_TABLE)
    engine.dispose()


def test_a_database_of_a_newer_version_is_not_served(url: str) -> None:
    engine = open_database(url)
    with writing(engine) as connection:
        connection.execute(_VERSIONS.update().values(version_num="of_tomorrow"))
    engine.dispose()

    with pytest.raises(ServiceUnreachableError, match="newer version than this program"):
        upgrade(url, REGISTRY, version_table=VERSION_TABLE)


@pytest.mark.parametrize(
    ("noted", "age"),
    [
        ([], TablesAge.PRESENT),
        (["UPDATE {table} SET version_num = 'of_tomorrow'"], TablesAge.NEWER),
        (["DELETE FROM {table}"], TablesAge.UNKNOWN),
        (["DROP TABLE {table}"], TablesAge.NONE),
    ],
)
def test_how_far_a_database_is_can_be_asked(url: str, noted: list[str], age: TablesAge) -> None:
    _run(url, *(one.format(table=VERSION_TABLE) for one in noted))

    assert tables_age(url, REGISTRY, version_table=VERSION_TABLE) is age


def test_what_is_no_database_has_no_version(tmp_path: Path) -> None:
    (tmp_path / "other.db").write_bytes(b"something else " * 512)

    with pytest.raises(ServiceUnreachableError):
        tables_age(f"sqlite:///{tmp_path}/other.db", REGISTRY, version_table=VERSION_TABLE)


def test_a_database_that_commits_takes_writes(url: str) -> None:
    assert takes_writes(url, version_table=VERSION_TABLE)


def test_a_database_that_is_only_read_takes_no_writes(url: str) -> None:
    """A copy that follows another server is one."""
    if make_url(url).get_backend_name() == "sqlite":
        path = make_url(url).database
        read_only = f"sqlite:///file:{path}?mode=ro&uri=true"
    else:
        read_only = f"{url}&options=-cdefault_transaction_read_only%3Don"

    assert not takes_writes(read_only, version_table=VERSION_TABLE)


def test_a_database_that_is_away_takes_no_writes(tmp_path: Path) -> None:
    assert not takes_writes(f"sqlite:///{tmp_path}/no/registry.db", version_table=VERSION_TABLE)


async def test_a_service_is_not_ready_before_its_database_takes_writes(tmp_path: Path) -> None:
    """It waits, and goes on by itself."""
    folder = tmp_path / "later"
    url = f"sqlite:///{folder}/registry.db"
    waiting = asyncio.ensure_future(until_it_takes_writes(url, version_table=VERSION_TABLE))
    await asyncio.sleep(0.05)
    assert not waiting.done()

    folder.mkdir()
    await asyncio.to_thread(upgrade, url, REGISTRY, version_table=VERSION_TABLE)

    await asyncio.wait_for(waiting, 60)


@pytest.mark.postgres
def test_an_account_that_may_change_no_table_serves_what_another_prepared(
    postgres_url: str,
) -> None:
    """The job's account changes tables; the service's own need not be able to."""
    _run(
        postgres_url,
        "CREATE ROLE clerk LOGIN",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    )
    clerk = make_url(postgres_url).set(username="clerk").render_as_string(hide_password=False)
    try:
        with pytest.raises(ServiceUnreachableError, match="may not change its tables"):
            upgrade(clerk, REGISTRY, version_table=VERSION_TABLE)

        done = CliRunner().invoke(
            registry_command, ["migrate"], env={"HOMEROOM_REGISTRY_DATABASE_URL": postgres_url}
        )
        assert (done.exit_code, done.exception) == (0, None)
        _run(
            postgres_url,
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk",
        )

        upgrade(clerk, REGISTRY, version_table=VERSION_TABLE)
        assert takes_writes(clerk, version_table=VERSION_TABLE)
    finally:
        _run(postgres_url, "DROP OWNED BY clerk", "DROP ROLE clerk")


def test_each_program_prepares_its_own_databases(tmp_path: Path) -> None:
    """`migrate` needs the database's address alone, so that a job has no key and no certificate."""
    registry, consent, gateway, records, state = (
        f"sqlite:///{tmp_path}/{name}.db"
        for name in ("registry", "consent", "gateway", "records", "state")
    )
    verbs = CliRunner()

    done = [
        verbs.invoke(registry_command, ["migrate", "--database-url", registry]),
        verbs.invoke(consent_command, ["migrate", "--database-url", consent]),
        verbs.invoke(gateway_command, ["migrate", "--database-url", gateway]),
        verbs.invoke(node_command, ["migrate", "--records-url", records, "--state-url", state]),
    ]

    assert [(one.exit_code, one.output) for one in done] == [(0, "")] * 4
    assert "agreement" in " ".join(_tables(registry))
    assert "consent" in " ".join(_tables(consent))
    assert "log_entry" in _tables(gateway)
    assert "student" in _tables(records)
    assert "log_entry" in _tables(state)
