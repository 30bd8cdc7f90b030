"""A PostgreSQL that vanishes without a word is noticed in seconds, not in a quarter of an hour."""

from sqlalchemy.engine import make_url

from services.node.store.views.organization import OrganizationDatabase
from services.runtime.database import heeding_loss, open_database

PLAIN = "postgresql+psycopg://homeroom:secret@database/homeroom"


def test_a_connection_over_tcp_is_lost_after_ten_seconds_of_silence() -> None:
    told = heeding_loss(make_url(PLAIN)).query

    assert told["tcp_user_timeout"] == "10000"
    idle, interval, count = (
        int(str(told[f"keepalives_{name}"])) for name in ("idle", "interval", "count")
    )
    assert idle + interval * count <= 10
    assert open_database(PLAIN).url.query == told


def test_so_is_one_to_the_organizations_own_database() -> None:
    views = OrganizationDatabase(PLAIN, seconds=5)

    assert views._engine.url.query == heeding_loss(make_url(PLAIN)).query


def test_what_the_url_says_itself_stays() -> None:
    told = heeding_loss(make_url(f"{PLAIN}?connect_timeout=3&sslmode=verify-full")).query

    assert (told["connect_timeout"], told["sslmode"]) == ("3", "verify-full")
    assert told["tcp_user_timeout"] == "10000"


def test_sqlite_is_told_nothing() -> None:
    url = make_url("sqlite:///node.db")

    assert heeding_loss(url) == url
