"""Starts a real PostgreSQL for tests: one server for the session, and databases for each test."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from homeroom.errors import ServiceUnreachableError
from tools.postgres import Cluster

# Nothing of it outlives the session, and vacuuming hundreds of databases in turn takes a core.
_QUICK = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "8GB",
}


class Postgres:
    """A running server; gives out databases, and drops them when the test ends."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._prepared: dict[Callable[[str], object], str] = {}
        self._made: list[str] = []

    def new_database(self, template: str = "template0") -> str:
        """The SQLAlchemy URL of a new database: empty, or a copy of another one."""
        name = f"test_{uuid.uuid4().hex}"
        self._cluster.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        self._made.append(name)
        return self._cluster.url(name)

    def prepared_database(self, prepare: Callable[[str], object]) -> str:
        """A new database as `prepare` makes it; it prepares one, and all others are copies."""
        if prepare not in self._prepared:
            url = self.new_database()
            prepare(url)
            self._prepared[prepare] = self._made.pop()
        return self.new_database(self._prepared[prepare])

    def drop_databases(self) -> None:
        """Drops what was made since the last time, but for what others are copied from."""
        while self._made:
            self._cluster.run(f"DROP DATABASE {self._made.pop()} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL server for the whole session."""
    try:
        cluster = Cluster(_QUICK)
    except ServiceUnreachableError as failure:
        pytest.skip(failure.message)
    try:
        cluster.start()
        yield Postgres(cluster)
    finally:
        cluster.remove()


@pytest.fixture
def postgres(postgres_server: Postgres) -> Iterator[Postgres]:
    """The server, for one test."""
    yield postgres_server
    postgres_server.drop_databases()


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """A new database of PostgreSQL, for one test."""
    return postgres.new_database()
